// SPDX-License-Identifier: Apache-2.0
#include "admin/sink_routes.h"

#include <gtest/gtest.h>

#include "admin/house_for_test.h"
#include "notify/format_for_test.h"
#include "notify/http_receiver_for_test.h"
#include "notify/worker_for_test.h"

namespace sallyport::admin {
namespace {

class SinkHouse : public AdminHouse {
 protected:
  SinkHouse()
      : log_(disk_), receiver_([this](const net::ServerRequest&) {
          net::ServerResponse answer;
          answer.status = status;
          answer.body = R"({"code":0})";
          return answer;
        }) {}
  void configure(Config&, AdminParts& parts) override {
    notify::Config config;
    config.sinks.push_back(notify::entry_for_test("splunk", receiver_.url(), "token"));
    config.sinks[0].begin = "beginning";
    config.sinks[0].batch_wait = std::chrono::milliseconds(0);
    log_.refused(20);
    auto made = notify::Sinks::make(config, notify::LogForTest::kPath, disk_, log_,
                                    {resolver_, clock_, "gw1/audit", "gw1", "1"}, notify::kHasty);
    ASSERT_TRUE(made) << made.error().what;
    sinks_ = std::move(*made);
    sinks_->start();
    parts.more.push_back([this](Routes& routes) { add_sink_routes(routes, {*sinks_, loop_}); });
  }
  void TearDown() override {
    AdminHouse::TearDown();
    sinks_->stop();
  }
  Answer post(const std::string& path, std::string body = {}) {
    Ask ask{.method = "POST", .path = "/admin/v1/sinks/" + path};
    if (!body.empty()) ask.extra = "content-type: application/json\r\n";
    ask.body = std::move(body);
    return tcp(with_token(std::move(ask)));
  }
  JsonValue shown() {
    const Answer list = tcp(with_token({.path = "/admin/v1/sinks"}));
    EXPECT_EQ(list.status, 200) << list.body;
    return list.json().at("data")->items().at(0);
  }
  bool wait(const std::function<bool()>& holds) { return patience_.wait(holds); }

  std::atomic<int> status{200};

 private:
  audit::MemoryDisk disk_;
  notify::LogForTest log_;
  notify::HttpReceiverForTest receiver_;
  notify::ReceiverForTest patience_;
  std::unique_ptr<notify::Sinks> sinks_;
};

TEST_F(SinkHouse, TheListSaysHowFarEachIs) {
  ASSERT_TRUE(wait([&] { return shown().at("behind")->integer() == 0; }));
  const JsonValue sink = shown();
  EXPECT_EQ(sink.at("name")->string(), "one");
  EXPECT_EQ(sink.at("type")->string(), "splunk");
  EXPECT_EQ(sink.at("state")->string(), "running");
  EXPECT_EQ(sink.at("next_seq")->integer(), 21);
  EXPECT_EQ(sink.at("sent")->integer(), 20);
  EXPECT_EQ(sink.at("dead")->integer(), 0);
  EXPECT_FALSE(tcp(with_token({.path = "/admin/v1/sinks"})).body.contains("token"));
}

TEST_F(SinkHouse, ATestTellsWhatTheReceiverSaid) {
  const Answer taken = post("one/test");
  EXPECT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(taken.text("verdict"), "taken");
  EXPECT_EQ(recorder_.events().back().action, "sink.test");
  status = 403;
  EXPECT_EQ(post("one/test").status, 502);
  status = 503;
  EXPECT_EQ(post("one/test").status, 503);
  EXPECT_EQ(post("two/test").status, 404);
}

struct BodyCase {
  const char* body;
  int status;
};

TEST_F(SinkHouse, ReplayAndResume) {
  ASSERT_TRUE(wait([&] { return shown().at("sent")->integer() == 20; }));
  const BodyCase cases[] = {{"", 415},
                            {"{}", 400},
                            {R"({"from_seq":0})", 400},
                            {R"({"from_seq":"5"})", 400},
                            {R"({"from_seq":5,"to":6})", 400},
                            {R"({"from_seq":99})", 400},
                            {R"({"from_seq":11})", 202}};
  for (const BodyCase& test : cases) {
    EXPECT_EQ(post("one/replay", test.body).status, test.status) << test.body;
  }
  ASSERT_TRUE(wait([&] { return shown().at("sent")->integer() == 30; }));
  EXPECT_EQ(recorder_.events().back().action, "sink.replay");
  EXPECT_TRUE(recorder_.events().back().detail->contains(R"("from_seq":11)"));

  status = 401;
  EXPECT_EQ(post("one/replay", R"({"from_seq":1})").status, 202);
  ASSERT_TRUE(wait([&] { return shown().at("state")->string() == "stopped"; }));
  status = 200;
  EXPECT_EQ(post("one/resume").status, 202);
  ASSERT_TRUE(wait([&] { return shown().at("sent")->integer() == 50; }));
  EXPECT_EQ(post("two/resume").status, 404);
}

}  // namespace
}  // namespace sallyport::admin
