// SPDX-License-Identifier: Apache-2.0
// Threads, counting what repeats, and the pace, against something that answers as Slack does.
#include "notify/slack.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "notify/format_for_test.h"
#include "notify/http_receiver_for_test.h"

namespace sallyport::notify {
namespace {

struct Told {
  std::string title, thread;
};

Outgoing finding(std::uint64_t seq, const std::string& fields) {
  Outgoing record = record_for_test(seq);
  record.event.kind = Kind::kFinding;
  record.event.finding = finding_for_test(fields);
  return record;
}

class SlackTest : public ::testing::Test {
 protected:
  SlackTest() : receiver_([this](const net::ServerRequest& request) { return answer(request); }) {}

  void open(std::string_view token, std::map<std::string, std::string> options) {
    SinkConfig config = entry_for_test("slack", receiver_.url(), token);
    config.options = std::move(options);
    const auto good = check_sink(config);
    ASSERT_TRUE(good) << good.error().what;
    auto made = make_slack(config, {resolver_, clock_, "gw1", "gw1", "1"});
    ASSERT_TRUE(made) << made.error().what;
    sink_ = std::move(*made);
  }
  // Several deliveries on one loop, then one idle turn after `idle_after_ms`.
  static Task<std::string> all(net::Loop& loop, Sink& sink, std::vector<Batch> batches,
                               std::int64_t idle_after_ms) {
    std::string said;
    for (Batch& batch : batches) {
      auto shared = std::make_shared<const Batch>(std::move(batch));
      const Verdict verdict = co_await sink.deliver(loop, std::move(shared));
      said += short_of(verdict) + ";";
    }
    if (idle_after_ms >= 0) {
      co_await loop.sleep_for(idle_after_ms);
      co_await sink.idle(loop);
    }
    co_return said;
  }
  std::string deliver(std::vector<Batch> batches, std::int64_t idle_after_ms = -1) {
    net::Loop loop;
    std::string said = run_for_test(loop, all(loop, *sink_, std::move(batches), idle_after_ms));
    sink_->let_go();
    return said;
  }
  std::vector<Told> told() const {
    std::vector<Told> all;
    for (const net::ServerRequest& request : receiver_.requests()) {
      const auto body = JsonValue::parse(request.body);
      const auto thread = body->at("thread_ts");
      all.push_back(
          {std::string(*body->at("text")->string()), std::string(thread ? *thread->string() : "")});
    }
    return all;
  }

 private:
  net::ServerResponse answer(const net::ServerRequest& request) {
    net::ServerResponse response;
    if (!request.path.ends_with("chat.postMessage")) {
      response.body = "ok";
      return response;
    }
    response.body = R"({"ok":true,"ts":")" + std::to_string(++messages_) + ".5\"}";
    return response;
  }
  int messages_ = 0;
  HttpReceiverForTest receiver_;
  net::Resolver resolver_;
  SystemClock clock_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(SlackTest, OneThreadForEachIncident) {
  open("xoxb-1", {{"channel", "C1"}, {"pace", "0s"}});
  const std::string one = R"({"summary":"a","incident_id":"inc_1"})";
  const std::string two = R"({"summary":"b","incident_id":"inc_2"})";
  EXPECT_EQ(deliver({{finding(1, one), finding(2, two)}, {finding(3, one), finding(4, two)}}),
            "done;done;");
  const auto all = told();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].thread, "");
  EXPECT_EQ(all[1].thread, "");
  EXPECT_EQ(all[2].thread, "1.5");
  EXPECT_EQ(all[3].thread, "2.5");
}

TEST_F(SlackTest, WhatRepeatsIsCountedAndToldAtTheEnd) {
  open("T0/B0/X", {{"pace", "0s"}, {"window", "50ms"}});
  EXPECT_EQ(deliver({{record_for_test(1)}, {record_for_test(2)}, {record_for_test(3)}}, 100),
            "done;done;done;");
  const auto all = told();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].title, "request: invalid_api_key (user_42)");
  EXPECT_EQ(all[1].title, "2 more in the last minute: request: invalid_api_key (user_42)");
}

TEST_F(SlackTest, WhatIsSevereIsNeverHeldBack) {
  open("T0/B0/X", {{"pace", "0s"}, {"window", "10m"}});
  const std::string severe = R"({"summary":"stolen","severity":"critical"})";
  deliver({{finding(1, severe)}, {finding(2, severe)}});
  EXPECT_EQ(told().size(), 2u);
}

TEST_F(SlackTest, ThePaceIsKept) {
  open("T0/B0/X", {{"pace", "100ms"}, {"window", "0s"}});
  const auto from = std::chrono::steady_clock::now();
  deliver({{record_for_test(1)}, {record_for_test(2)}, {record_for_test(3)}});
  EXPECT_GE(std::chrono::steady_clock::now() - from, std::chrono::milliseconds(195));
  EXPECT_EQ(told().size(), 3u);
}

}  // namespace
}  // namespace sallyport::notify
