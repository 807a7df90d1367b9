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

Task<void> admit_once(Bench& bench, Exchange& x, std::optional<Refusal>& refusal) {
  refusal = co_await bench.ask.admit(x);
  while (x.answer.body) {
    const Result<std::string_view> piece = co_await x.answer.body->pull();
    if (!piece || piece->empty()) x.answer.body.reset();
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

// The provider's answers, one a request; `replace` before one is sent: by the time the gate reads
// it there is a newer credential.
struct Turn {
  const char* status;
  const char* replace = nullptr;
};
struct AgainCase {
  const char* why;
  std::vector<Turn> turns;
  std::vector<std::string> shown;
  const char* refused;                     // code of the refusal, or ""
  const char* id;                          // in the record
  std::vector<std::string> refusals = {};  // that the source was told
  std::size_t body_bytes = 2;
  const char* method = "POST";
};

const AgainCase kAgain[] = {
    {"replaced meanwhile: asked once more with the newer",
     {{"401 Unauthorized", "key_2"}, {"200 OK"}},
     {"sk-key_1", "sk-key_2"},
     "",
     "key_2"},
    {"a GET as well",
     {{"401 Unauthorized", "key_2"}, {"200 OK"}},
     {"sk-key_1", "sk-key_2"},
     "",
     "key_2",
     {},
     0,
     "GET"},
    {"not replaced: the 401 is news, and its source hears it",
     {{"401 Unauthorized"}},
     {"sk-key_1"},
     "upstream_auth_failed",
     "key_1",
     {"key_1"}},
    {"the newer one is refused: no third time",
     {{"401 Unauthorized", "key_2"}, {"401 Unauthorized", "key_3"}},
     {"sk-key_1", "sk-key_2"},
     "upstream_auth_failed",
     "key_2",
     {"key_2"}},
    {"the same secret under another name is no newer one",
     {{"401 Unauthorized", "key_1"}},
     {"sk-key_1"},
     "upstream_auth_failed",
     "key_1",
     {"key_1"}},
    {"403 is about rights, not about the credential",
     {{"403 Forbidden", "key_2"}},
     {"sk-key_1"},
     "upstream_auth_failed",
     "key_1"},
    {"500 may have had an effect",
     {{"500 Internal Server Error", "key_2"}},
     {"sk-key_1"},
     "",
     "key_1"},
    {"the largest body that is kept",
     {{"401 Unauthorized", "key_2"}, {"200 OK"}},
     {"sk-key_1", "sk-key_2"},
     "",
     "key_2",
     {},
     256 * 1024},
    {"a larger one is gone",
     {{"401 Unauthorized", "key_2"}},
     {"sk-key_1"},
     "upstream_auth_failed",
     "key_1",
     {"key_1"},
     256 * 1024 + 1},
};

// With and without a second ask: what the provider got whole, and what the record says.
TEST(Credential, ThatWasReplacedMeanwhileIsNoReasonToFail) {
  for (const AgainCase& c : kAgain) {
    SCOPED_TRACE(c.why);
    std::vector<std::string> shown, bodies;
    Bench* gate = nullptr;
    const auto answer = [&](Link& link, std::size_t from) {
      for (std::size_t i = from; i < c.turns.size(); ++i) {
        const std::string got = link.read_request();
        const std::size_t at = got.find("Bearer ") + 7;
        shown.push_back(got.substr(at, got.find('\r', at) - at));
        bodies.push_back(got.substr(got.find("\r\n\r\n") + 4));
        if (c.turns[i].replace) gate->sources.source->give(c.turns[i].replace);
        link.send("HTTP/1.1 " + std::string(c.turns[i].status) +
                  "\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
        return;
      }
    };
    RawPeer peer({[&](Link& link) { answer(link, 0); }, [&](Link& link) { answer(link, 1); }});
    Bench bench(peer.port());
    gate = &bench;
    bench.sources.source->give("key_1");
    const auto x = request();
    x->loop = &bench.loop;
    x->method = c.method;
    if (c.body_bytes > 0) {
      x->body.kind = BodyKind::kJson;
      x->body.content_type = "application/json";
      x->body.bytes = "{" + std::string(c.body_bytes - 2, ' ') + "}";
    }
    std::optional<Refusal> refusal;
    net::run_on(bench.loop, admit_once(bench, *x, refusal));
    EXPECT_STREQ(refusal ? refusal->code : "", c.refused);
    EXPECT_EQ(x->provider_key_id.value_or(""), c.id);
    EXPECT_EQ(shown, c.shown);
    EXPECT_EQ(bench.sources.source->refusals, c.refusals);
    const bool again = c.shown.size() > 1;
    EXPECT_STREQ(x->asked_again ? x->asked_again : "", again ? "credential_replaced" : "");
    EXPECT_EQ(bench.upstreams.snapshot()->all().front()->counters->asked_again, again ? 1u : 0u);
    for (const std::string& body : bodies) EXPECT_EQ(body.size(), c.body_bytes) << "sent whole";
    EXPECT_TRUE(x->body.bytes.empty()) << "given up in the end";
  }
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
