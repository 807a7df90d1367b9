// SPDX-License-Identifier: Apache-2.0
// All sinks together: what is refused at the start, what is shown, what retention must keep.
#include "notify/sink_runner.h"

#include <gtest/gtest.h>

#include <future>
#include <map>

#include "event/no_record.h"
#include "notify/format_for_test.h"
#include "notify/http_receiver_for_test.h"
#include "notify/worker_for_test.h"

namespace sallyport::notify {
namespace {

class Seen final : public MetricSink {
 public:
  void counter(std::string_view name, std::string_view, const MetricLabels& labels,
               double value) override {
    note(name, labels, value);
  }
  void gauge(std::string_view name, std::string_view, const MetricLabels& labels,
             double value) override {
    note(name, labels, value);
  }
  void histogram(std::string_view, std::string_view, const MetricLabels&,
                 const HistogramSample&) override {}
  std::map<std::string, double> values;

 private:
  void note(std::string_view name, const MetricLabels& labels, double value) {
    std::string key(name);
    for (const MetricLabel& label : labels) key += " " + std::string(label.value);
    values[key] = value;
  }
};

class SinksTest : public ::testing::Test {
 protected:
  SinksTest()
      : log(disk), receiver([this](const net::ServerRequest&) {
          net::ServerResponse answer;
          answer.status = status;
          answer.body = R"({"code":0})";
          return answer;
        }) {}
  SinkConfig entry(std::string name) {
    SinkConfig config = entry_for_test("splunk", receiver.url(), "t");
    config.name = std::move(name);
    config.begin = "beginning";
    config.batch_wait = std::chrono::milliseconds(0);
    return config;
  }
  Result<std::unique_ptr<Sinks>> make(std::vector<SinkConfig> entries) {
    return make(std::move(entries), log);
  }
  Result<std::unique_ptr<Sinks>> make(std::vector<SinkConfig> entries, const Recorder& recorder) {
    Config config;
    config.sinks = std::move(entries);
    return Sinks::make(config, LogForTest::kPath, disk, recorder,
                       {resolver, clock, "gw1/audit", "gw1", "1"}, kHasty);
  }
  bool wait(const std::function<bool()>& holds) { return patience.wait(holds); }

  audit::MemoryDisk disk;
  LogForTest log;
  std::atomic<int> status{200};
  HttpReceiverForTest receiver;
  ReceiverForTest patience;
  net::Resolver resolver;
  SystemClock clock;
};

TEST_F(SinksTest, WhatIsWrongIsToldWithItsPlace) {
  SinkConfig unknown = entry("b");
  unknown.type = "pigeon";
  EXPECT_TRUE(make({entry("a"), unknown}).error().what.starts_with("notify[1].type: one of"));
  EXPECT_EQ(make({entry("a"), entry("a")}).error().what, "notify[1].name: \"a\" is there twice");
  SinkConfig private_one = entry("a");
  private_one.allow.clear();
  EXPECT_TRUE(make({private_one}).error().what.starts_with("notify[0].url: "));
  const NoRecord nothing;
  EXPECT_EQ(make({entry("a")}, nothing).error().code, Code::kInvalid);
  EXPECT_TRUE(make({}, nothing)) << "without sinks there is nothing to complain about";
}

TEST_F(SinksTest, ShowsHowFarEachIsAndWhatTheLogMustKeep) {
  log.refused(20);
  auto sinks = make({entry("a"), entry("b")});
  ASSERT_TRUE(sinks) << sinks.error().what;
  EXPECT_EQ((*sinks)->needed_seq(), 1u);
  (*sinks)->start();
  ASSERT_TRUE(wait([&] { return (*sinks)->needed_seq() == 21; }));
  status = 401;
  log.refused(5);
  ASSERT_TRUE(wait([&] {
    const auto all = (*sinks)->status();
    return all[0].state == SinkStatus::State::kStopped &&
           all[1].state == SinkStatus::State::kStopped;
  }));
  EXPECT_EQ((*sinks)->needed_seq(), 21u);
  Seen seen;
  (*sinks)->collect(seen);
  EXPECT_EQ(seen.values["sallyport_sink_behind a splunk"], 5);
  EXPECT_EQ(seen.values["sallyport_sink_sent a splunk"], 20);
  EXPECT_EQ(seen.values["sallyport_sink_state b splunk stopped"], 1);
  EXPECT_EQ(seen.values["sallyport_sink_state b splunk running"], 0);

  status = 200;
  EXPECT_EQ((*sinks)->replay("c", 1).error().code, Code::kNotFound);
  EXPECT_EQ((*sinks)->replay("a", 27).error().code, Code::kInvalid);
  EXPECT_TRUE((*sinks)->replay("a", 0));
  EXPECT_TRUE((*sinks)->replay("b", 26));
  ASSERT_TRUE(wait([&] { return (*sinks)->needed_seq() == 26; }));
  (*sinks)->stop();
  EXPECT_EQ((*sinks)->replay("a", 0).error().code, Code::kUnavailable);
}

TEST_F(SinksTest, ATestIsAnsweredInEveryState) {
  auto sinks = make({entry("a")});
  ASSERT_TRUE(sinks);
  const auto ask = [&](const std::string& name) {
    auto said = std::make_shared<std::promise<Result<std::string>>>();
    auto answer = said->get_future();
    (*sinks)->test(name, [said](Result<std::string> what) { said->set_value(std::move(what)); });
    return answer.get();
  };
  EXPECT_EQ(ask("a").error().code, Code::kUnavailable) << "not started";
  (*sinks)->start();
  EXPECT_EQ(*ask("a"), "taken");
  EXPECT_EQ(ask("b").error().code, Code::kNotFound);
  status = 403;
  EXPECT_EQ(ask("a").error().code, Code::kDenied);
  EXPECT_EQ((*sinks)->status()[0].sent, 0u);
}

TEST_F(SinksTest, StopsInTheMiddleOfADelivery) {
  log.refused(1'000);
  for (int round = 0; round < 20; ++round) {
    auto sinks = make({entry("a"), entry("b")});
    ASSERT_TRUE(sinks);
    const std::size_t had = receiver.requests().size();
    (*sinks)->start();
    ASSERT_TRUE(wait([&] { return receiver.requests().size() > had; }));
    (*sinks)->stop();
    ASSERT_TRUE((*sinks)->replay("a", 0).error().code == Code::kUnavailable);
    log.refused(5);
  }
}

}  // namespace
}  // namespace sallyport::notify
