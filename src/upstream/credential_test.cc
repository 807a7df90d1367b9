// SPDX-License-Identifier: Apache-2.0
// The last stage with a credential that is replaced while requests go on.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/raw_peer_for_test.h"
#include "upstream/ask.h"

namespace sallyport::upstream {
namespace {

using net::RawPeer;
using Link = RawPeer::Link;

class Source final : public provider::CredentialSource {
 public:
  const Published<provider::Credential>& published() const override { return credential_; }
  void refused(std::string_view id) override { refusals.emplace_back(id); }
  std::shared_ptr<const provider::Credential> give(const std::string& id) {
    auto next = std::make_shared<provider::Credential>();
    next->provider_key_id = id;
    next->secret = std::make_shared<const Secret>("sk-" + id);
    credential_.publish(next);
    return next;
  }
  std::vector<std::string> refusals;

 private:
  Published<provider::Credential> credential_{nullptr};
};

struct Sources final : provider::CredentialSources {
  std::shared_ptr<provider::CredentialSource> find(std::string_view upstream) const override {
    return upstream == "openai" ? source : nullptr;
  }
  std::shared_ptr<Source> source = std::make_shared<Source>();
};

UpstreamConfig leased(std::uint16_t port) {
  UpstreamConfig config;
  config.base_url = "http://127.0.0.1:" + std::to_string(port) + "/v1";
  config.lease.mode = "service_account";
  return config;
}

struct Bench {
  explicit Bench(std::uint16_t port) {
    Config config;
    config.upstreams = {leased(port)};
    upstreams.publish(Upstreams::build(config, nullptr, nullptr, &sources).value());
  }
  Sources sources;
  net::Loop loop;
  net::Resolver resolver;
  Published<Upstreams> upstreams{nullptr};
  Ask ask{loop, resolver, upstreams};
};

std::unique_ptr<Exchange> request() {
  auto x = std::make_unique<Exchange>();
  x->request_id = "req_ours";
  x->method = "GET";
  x->path = "/v1/models";
  x->principal = std::make_shared<const Principal>();
  return x;
}

struct Step {
  const char* why;
  const char* give;     // this credential from now on; null: none new
  const char* refused;  // code of the refusal, or ""
  const char* id;       // in the record
};

Task<void> story(Bench& bench, std::vector<Step> steps) {
  for (const Step& step : steps) {
    SCOPED_TRACE(step.why);
    std::shared_ptr<const provider::Credential> given;
    if (step.give) given = bench.sources.source->give(step.give);
    const auto x = request();
    x->loop = &bench.loop;
    const std::optional<Refusal> refusal = co_await bench.ask.admit(*x);
    EXPECT_STREQ(refusal ? refusal->code : "", step.refused);
    EXPECT_EQ(x->provider_key_id.value_or(""), step.id);
    if (given && !refusal) EXPECT_EQ(given->uses(), 1) << "as long as the answer is read";
    while (x->answer.body) {
      const Result<std::string_view> piece = co_await x->answer.body->pull();
      if (!piece || piece->empty()) x->answer.body.reset();
    }
    if (given) EXPECT_EQ(given->uses(), 0) << "nobody holds it any more";
  }
}

TEST(Credential, IsTakenFromItsSourceForEveryRequest) {
  std::vector<std::string> shown;
  RawPeer peer({[&shown](Link& link) {
    for (const char* status : {"200 OK", "200 OK", "401 Unauthorized"}) {
      const std::string got = link.read_request();
      const std::size_t at = got.find("authorization: ");
      shown.push_back(got.substr(at, got.find('\r', at) - at));
      link.send("HTTP/1.1 " + std::string(status) + "\r\ncontent-length: 2\r\n\r\n{}");
    }
  }});
  Bench bench(peer.port());
  net::run_on(
      bench.loop,
      story(bench,
            {
                {"none yet: nothing is asked", nullptr, "upstream_credential_unavailable", ""},
                {"the first", "key_1", "", "key_1"},
                {"replaced between two requests", "key_2", "", "key_2"},
                {"the provider refuses it", nullptr, "upstream_auth_failed", "key_2"},
            }));
  EXPECT_EQ(shown, (std::vector<std::string>{"authorization: Bearer sk-key_1",
                                             "authorization: Bearer sk-key_2",
                                             "authorization: Bearer sk-key_2"}));
  EXPECT_EQ(bench.sources.source->refusals, std::vector<std::string>{"key_2"});
}

TEST(Credential, OfALeaseIsNotMadeByAReload) {
  Config config;
  config.upstreams = {leased(1)};
  const auto built = Upstreams::build(config, nullptr, nullptr);
  ASSERT_FALSE(built);
  EXPECT_TRUE(built.error().what.contains("lease")) << built.error().what;
}

}  // namespace
}  // namespace sallyport::upstream
