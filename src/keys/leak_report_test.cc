// SPDX-License-Identifier: Apache-2.0
#include "keys/leak_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "keys/signer_for_test.h"
#include "net/raw_peer_for_test.h"

namespace sallyport::keys {
namespace {

using std::string;

constexpr const char* kSecret = "a shared secret of 32 bytes or so";
const string kReport =
    R"([{"token":"sk-real","type":"sallyport_key","url":"https://x/1","source":"content"},)"
    R"({"token":"sk-fake","type":"sallyport_key","url":"","source":"commit"}])";

class Receiver final : public LeakReceiver {
 public:
  struct Told {
    string token, source, url, ip;
  };
  Result<LeakVerdict> report(std::string_view token, std::string_view source, std::string_view url,
                             std::string_view ip) override {
    told.push_back({string(token), string(source), string(url), string(ip)});
    if (fails) return fail(Code::kUnavailable, "the store is down");
    if (token != "sk-real") return LeakVerdict{};
    return LeakVerdict{.ours = true, .keep = [this]() -> Result<void> {
                         if (not_durable) return fail(Code::kUnavailable, "the disk is full");
                         return {};
                       }};
  }
  std::vector<Told> told;
  bool fails = false, not_durable = false;
};

class LeakReportTest : public testing::Test {
 protected:
  LeakReportTest() {
    path_ = testing::TempDir() + "leak-keys-" + std::to_string(::getpid());
    string keys = "{\"public_keys\":[{\"key_identifier\":\"gh\",\"is_current\":true,\"key\":";
    append_json_string(keys, signer().public_pem());
    std::ofstream(path_) << keys + "}]}";
    config_.github_keys_file = path_;
    config_.secret = std::make_shared<const Secret>(kSecret);
  }
  ~LeakReportTest() override {
    offload_.stop();
    std::remove(path_.c_str());
  }
  static const SignerForTest& signer() {
    static const SignerForTest key = SignerForTest::p256();
    return key;
  }

  using Headers = std::vector<std::pair<string, string>>;
  static Headers by_github(const string& body, const string& kid = "gh") {
    return {{"Github-Public-Key-Identifier", kid},
            {"Github-Public-Key-Signature", base64_encode(signer().sign_der(body))}};
  }
  static Headers in_house(const string& body, const string& secret = kSecret) {
    return {{"X-Sallyport-Signature", "sha256=" + to_hex(hmac_sha256_for_test(secret, body))}};
  }

  static Task<void> ask(OwnRoute& route, Exchange& x, string body, OwnAnswer& out) {
    out = co_await route.answer(x, std::move(body));
  }
  void open() {
    if (keys_) return;
    auto made = LeakReportKeys::make(config_, sources_);
    EXPECT_TRUE(made);
    keys_ = std::move(*made);
  }
  bool refused_by_head(const Headers& headers) {
    open();
    LeakReportRoute route(*keys_, receiver_, {offload_, offload_});
    Exchange x;
    for (const auto& [name, value] : headers) x.headers.push_back({name, value});
    const auto answer = route.refuse(x);
    return answer && answer->status == 401;
  }
  OwnAnswer say(const string& body, const Headers& headers) {
    open();
    LeakReportRoute route(*keys_, receiver_, {offload_, offload_});
    net::Loop loop;
    Exchange x;
    x.loop = &loop;
    x.method = "POST";
    x.path = "/leak-report";
    x.source = *IpAddress::parse("192.0.2.7");
    for (const auto& [name, value] : headers) x.headers.push_back({name, value});
    EXPECT_TRUE(route.takes(x));
    OwnAnswer out;
    net::run_on(loop, ask(route, x, body, out));
    return out;
  }

  string path_;
  ManualClock clock_{UtcTime(std::chrono::seconds(1'800'000'000))};
  net::Resolver resolver_;
  net::Offload offload_{1};
  KeySources sources_{{resolver_, offload_, clock_}};
  LeakReportConfig config_;
  std::unique_ptr<LeakReportKeys> keys_;
  Receiver receiver_;
};

TEST_F(LeakReportTest, ASignedReportIsActedOnAndAnswered) {
  for (const Headers& headers : {by_github(kReport), in_house(kReport)}) {
    receiver_.told.clear();
    const OwnAnswer answer = say(kReport, headers);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, R"([{"token_hash":")" + to_hex(sha256("sk-real")) +
                               R"(","token_type":"sallyport_key","label":"true_positive"},)" +
                               R"({"token_hash":")" + to_hex(sha256("sk-fake")) +
                               R"(","token_type":"sallyport_key","label":"false_positive"}])");
    ASSERT_EQ(receiver_.told.size(), 2U);
    EXPECT_EQ(receiver_.told[0].token, "sk-real");
    EXPECT_EQ(receiver_.told[0].url, "https://x/1");
    EXPECT_EQ(receiver_.told[1].source, "commit");
    EXPECT_EQ(receiver_.told[0].ip, "192.0.2.7") << "of the reporter";
  }
}

TEST_F(LeakReportTest, WithoutAGoodSignatureNothingIsLookedAt) {
  const SignerForTest stranger = SignerForTest::p256();
  Headers both = by_github(kReport), twice = by_github(kReport), half = by_github(kReport);
  both.push_back(in_house(kReport)[0]);
  twice.push_back(twice[1]);
  half.pop_back();
  Headers raw = by_github(kReport);
  raw[1].second = base64_encode(signer().sign("ES256", kReport));
  const struct {
    const char* why;
    Headers headers;
  } kCases[] = {
      {"none", {}},
      {"of another body", by_github(kReport + " ")},
      {"of another body, in-house", in_house(kReport + " ")},
      {"under an unknown name", by_github(kReport, "other")},
      {"by a stranger",
       {{"Github-Public-Key-Identifier", "gh"},
        {"Github-Public-Key-Signature", base64_encode(stranger.sign_der(kReport))}}},
      {"under another secret", in_house(kReport, "another secret of 32 bytes or so.")},
      {"a short HMAC", {{"X-Sallyport-Signature", "sha256=00"}}},
      {"an HMAC without its name",
       {{"X-Sallyport-Signature", to_hex(hmac_sha256_for_test(kSecret, kReport))}}},
      {"both kinds", both},
      {"two signatures", twice},
      {"a name alone", half},
      {"r and s without DER", raw},
      {"not base64",
       {{"Github-Public-Key-Identifier", "gh"}, {"Github-Public-Key-Signature", "?"}}},
  };
  for (const auto& c : kCases) {
    for (const string& body : {kReport, string("[]"), string("not JSON"), string()}) {
      if (body != kReport && !c.headers.empty()) continue;  // signatures are of kReport
      const OwnAnswer answer = say(body, c.headers);
      EXPECT_EQ(answer.status, 401) << c.why;
      EXPECT_EQ(answer.body, R"({"error":"invalid_signature"})") << c.why;
    }
  }
  EXPECT_TRUE(receiver_.told.empty());
}

TEST_F(LeakReportTest, WhatIsNotConfiguredDoesNotCount) {
  config_ = {};
  EXPECT_EQ(say(kReport, by_github(kReport)).status, 401);
  EXPECT_EQ(say(kReport, in_house(kReport)).status, 401);
  EXPECT_EQ(say(kReport, in_house(kReport, "")).status, 401);
  config_.secret = std::make_shared<const Secret>("short");
  EXPECT_FALSE(LeakReportKeys::make(config_, sources_));
}

TEST_F(LeakReportTest, TheListIsExact) {
  const auto entry = [](const string& token, const string& url = "") {
    return R"({"token":")" + token + R"(","type":"t","url":")" + url + R"(","source":"s"})";
  };
  string many = "[";
  for (std::size_t i = 0; i <= LeakReportRoute::kEntriesMax; ++i)
    many += (i ? "," : "") + entry("a");
  const struct {
    const char* why;
    string body;
    bool good;
  } kCases[] = {
      {"empty", "[]", true},
      {"one", "[" + entry("a") + "]", true},
      {"more members", R"([{"token":"a","type":"t","later":1}])", true},
      {"an object", "{}", false},
      {"no token", R"([{"type":"t"}])", false},
      {"no type", R"([{"token":"a"}])", false},
      {"a token of another type", R"([{"token":1,"type":"t"}])", false},
      {"two tokens", R"([{"token":"a","token":"b","type":"t"}])", false},
      {"a text in the list", R"(["a"])", false},
      {"a huge token", "[" + entry(string(4097, 'a')) + "]", false},
      {"a huge address", "[" + entry("a", string(2049, 'a')) + "]", false},
      {"too many", many + "]", false},
      {"not JSON", "token=a", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(say(c.body, in_house(c.body)).status, c.good ? 200 : 400) << c.why;
  }
}

TEST_F(LeakReportTest, AnAddressCannotForgeALine) {
  const auto list = parse_leak_report(R"([{"token":"a","type":"t","url":"x\ny\u0000z"}])");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->front().url, "x?y?z");
}

TEST_F(LeakReportTest, WhatCouldNotBeDoneIsAskedForAgain) {
  receiver_.fails = true;
  EXPECT_EQ(say(kReport, by_github(kReport)).status, 503);
  EXPECT_EQ(receiver_.told.size(), 2U) << "the second token is tried all the same";
}

// Dead here is not enough: what the disk does not know lives again after a restart.
TEST_F(LeakReportTest, WhatIsNotDurableIsAskedForAgain) {
  receiver_.not_durable = true;
  EXPECT_EQ(say(kReport, in_house(kReport)).status, 503);
}

TEST_F(LeakReportTest, TheHeadAloneRefusesWhatCannotBeSigned) {
  const string hex = string("sha256=") + string(64, 'a');
  const struct {
    const char* why;
    Headers headers;
    bool refused;
  } kCases[] = {
      {"no signature", {}, true},
      {"both",
       {{"x-sallyport-signature", hex},
        {"github-public-key-identifier", "gh"},
        {"github-public-key-signature", "QUJD"}},
       true},
      {"the same twice", {{"x-sallyport-signature", hex}, {"x-sallyport-signature", hex}}, true},
      {"GitHub's without its key", {{"github-public-key-signature", "QUJD"}}, true},
      {"not base64",
       {{"github-public-key-identifier", "gh"}, {"github-public-key-signature", "%%"}},
       true},
      {"too short a digest", {{"x-sallyport-signature", "sha256=aa"}}, true},
      {"what may be right", {{"x-sallyport-signature", hex}}, false},
      {"and of GitHub",
       {{"github-public-key-identifier", "gh"}, {"github-public-key-signature", "QUJD"}},
       false},
  };
  for (const auto& c : kCases) EXPECT_EQ(refused_by_head(c.headers), c.refused) << c.why;
  config_.secret = nullptr;
  keys_.reset();
  EXPECT_TRUE(refused_by_head({{"x-sallyport-signature", hex}})) << "nobody can sign in-house here";
}

}  // namespace
}  // namespace sallyport::keys
