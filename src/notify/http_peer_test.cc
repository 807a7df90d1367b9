// SPDX-License-Identifier: Apache-2.0
#include "notify/http_peer.h"

#include <gtest/gtest.h>

#include "notify/format_for_test.h"
#include "notify/http_receiver_for_test.h"

namespace sallyport::notify {
namespace {

class HttpPeerTest : public ::testing::Test {
 protected:
  HttpPeerTest()
      : receiver_([this](const net::ServerRequest&) {
          net::ServerResponse answer;
          answer.status = status_;
          answer.headers = headers_;
          answer.body = body_;
          return answer;
        }),
        resolver_(
            [this](const std::string&) -> Result<net::Resolver::Addresses> { return addresses_; },
            {}, clock_) {}

  Result<net::Reply> ask(SinkConfig config, const std::string& url) {
    net::Loop loop;  // ends after the peer
    auto peer = HttpPeer::make(config, url, {resolver_, clock_, "gw1", "gw1", "1"});
    if (!peer) return std::unexpected(peer.error());
    net::Question question;
    question.method = "POST";
    question.url = url;
    return run_for_test(loop, (*peer)->ask(loop, std::move(question)));
  }
  std::string named(const std::string& scheme = "http") const {
    return scheme + "://siem.example:" + std::to_string(receiver_.port());
  }

  int status_ = 200;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string body_;
  SystemClock clock_;
  net::Resolver::Addresses addresses_{*IpAddress::parse("127.0.0.1")};
  HttpReceiverForTest receiver_;
  net::Resolver resolver_;
};

TEST_F(HttpPeerTest, TheAddressThatIsUsedIsTheOneThatWasChecked) {
  SinkConfig config = entry_for_test("splunk", "", "t");
  EXPECT_EQ(ask(config, named())->status, 200);

  config.allow = {*Cidr::parse("10.0.0.0/8")};
  const auto refused = ask(config, named());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDenied);

  config.allow.clear();
  EXPECT_EQ(ask(config, named("https")).error().code, Code::kDenied);
  EXPECT_EQ(ask(config, named()).error().code, Code::kInvalid) << "plain text without an allow";
  EXPECT_EQ(receiver_.requests().size(), 1u);
}

TEST_F(HttpPeerTest, OneGoodAddressAmongRefusedOnesIsUsed) {
  addresses_ = {*IpAddress::parse("169.254.169.254"), *IpAddress::parse("127.0.0.1")};
  EXPECT_EQ(ask(entry_for_test("splunk", "", "t"), named())->status, 200);
}

TEST_F(HttpPeerTest, AnAnswerHasABound) {
  body_ = std::string(HttpPeer::kAnswerBytesMax + 1, 'x');
  const auto reply = ask(entry_for_test("splunk", "", "t"), receiver_.url());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::kExhausted);
  EXPECT_EQ(HttpPeer::verdict_of_error(reply.error()).kind, Verdict::Kind::kAgain);
}

TEST_F(HttpPeerTest, RedirectsAreAnswersLikeOthers) {
  status_ = 302;
  headers_ = {{"location", receiver_.url() + "/other"}};
  EXPECT_EQ(ask(entry_for_test("splunk", "", "t"), receiver_.url())->status, 302);
  EXPECT_EQ(receiver_.requests().size(), 1u);
}

}  // namespace
}  // namespace sallyport::notify
