// SPDX-License-Identifier: Apache-2.0
#include "exchange/event_stream.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>

namespace sallyport {
namespace {

// An upstream that says its pieces and then ends or breaks.
class Scripted final : public net::BodySource {
 public:
  // `together`: the pieces came in one segment, each pull has its bytes at hand.
  Scripted(std::deque<std::string> pieces, bool breaks, bool together = false)
      : pieces_(std::move(pieces)), breaks_(breaks), together_(together) {}
  bool at_hand() const override { return together_ && !pieces_.empty(); }
  Task<Result<std::string_view>> pull() override {
    if (pieces_.empty()) {
      if (breaks_) co_return fail(Code::kUnavailable, "broke");
      co_return std::string_view();
    }
    now_ = std::move(pieces_.front());
    pieces_.pop_front();
    co_return std::string_view(now_);
  }

 private:
  std::deque<std::string> pieces_;
  std::string now_;
  bool breaks_;
  bool together_;
};

struct Outcome {
  std::string bytes;
  bool clean = false;
};

Outcome drive(EventStreamBody& body) {
  Outcome outcome;
  auto all = [](EventStreamBody& from, Outcome& to) -> Task<void> {
    for (;;) {
      const Result<std::string_view> piece = co_await from.pull();
      if (!piece) co_return;
      to.bytes.append(*piece);
      if (piece->empty() || from.finished()) break;
    }
    to.clean = true;
  };
  Task<void> task = all(body, outcome);
  task.await_suspend(std::noop_coroutine()).resume();
  return outcome;
}

struct Case {
  const char* why;
  StreamDialect dialect;
  std::string upstream;
  bool breaks;
  std::string client;
  bool clean;
};

const Case kCases[] = {
    {"a chat stream passes byte for byte", StreamDialect::kChat,
     "data: {\"a\":1}\n\ndata: [DONE]\n\n", false, "data: {\"a\":1}\n\ndata: [DONE]\n\n", true},
    {"comments and CR LF pass", StreamDialect::kChat, ": hi\r\n\r\ndata: [DONE]\r\n\r\n", false,
     ": hi\r\n\r\ndata: [DONE]\r\n\r\n", true},
    {"without [DONE] it is not whole", StreamDialect::kChat, "data: {\"a\":1}\n\n", false,
     "data: {\"a\":1}\n\n", false},
    {"half an event is never passed on", StreamDialect::kChat, "data: {\"a\":1}\n\ndata: {\"b",
     true, "data: {\"a\":1}\n\n", false},
    {"what follows the end is dropped", StreamDialect::kChat,
     "data: [DONE]\n\ndata: {\"evil\":1}\n\n", false, "data: [DONE]\n\n", true},
    {"an error event ends a chat stream", StreamDialect::kChat, "data: {\"error\":{}}\n\n", false,
     "data: {\"error\":{}}\n\n", true},
    {"responses end with response.completed", StreamDialect::kResponses,
     "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":4}\n\n",
     false,
     "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":4}\n\n",
     true},
    {"the type may stand in the payload alone", StreamDialect::kResponses,
     "data: {\"type\":\"response.failed\"}\n\n", false, "data: {\"type\":\"response.failed\"}\n\n",
     true},
    {"responses without their end are not whole", StreamDialect::kResponses,
     "event: response.created\ndata: {\"type\":\"response.created\"}\n\n", false,
     "event: response.created\ndata: {\"type\":\"response.created\"}\n\n", false},
    {"other streams end when the body ends", StreamDialect::kOther, "data: x\n\n", false,
     "data: x\n\n", true},
    {"but not in the middle of an event", StreamDialect::kOther, "data: x\n\ndata: y", false,
     "data: x\n\n", false},
};

TEST(EventStream, PassesAndEndsAsTheTableSaysAtEverySegmentation) {
  for (const Case& c : kCases) {
    for (std::size_t split = 0; split <= c.upstream.size(); ++split) {
      std::deque<std::string> pieces;
      if (split > 0) pieces.push_back(c.upstream.substr(0, split));
      if (split < c.upstream.size()) pieces.push_back(c.upstream.substr(split));
      for (const bool together : {false, true}) {
        EventStreamBody body(std::make_unique<Scripted>(pieces, c.breaks, together), c.dialect, {});
        const Outcome outcome = drive(body);
        EXPECT_EQ(outcome.bytes, c.client) << c.why << ", split at " << split;
        EXPECT_EQ(outcome.clean, c.clean) << c.why << ", split at " << split;
      }
    }
  }
}

Task<void> first_pull(EventStreamBody& body, std::string& into) {
  const Result<std::string_view> piece = co_await body.pull();
  into = piece ? std::string(*piece) : "broken";
}

TEST(EventStream, WhatCameTogetherIsOnePieceAndWhatDidNotIsNotWaitedFor) {
  const std::deque<std::string> events{"data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n"};
  for (const bool together : {false, true}) {
    EventStreamBody body(std::make_unique<Scripted>(events, false, together), StreamDialect::kChat,
                         {});
    std::string first;
    Task<void> task = first_pull(body, first);
    task.await_suspend(std::noop_coroutine()).resume();
    EXPECT_EQ(first, together ? "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n" : "data: 1\n\n");
    EXPECT_EQ(body.finished(), together);
  }
}

// Holds each event back until the next one.
class OneBehind final : public EventFilter {
 public:
  void event(const net::SseEvent& event, EventSink& next) override {
    if (event.data == "[DONE]") return next.event(event);
    end(next);
    held_ = std::string(event.raw);
  }
  void end(EventSink& next) override {
    if (!held_) return;
    const std::string held = std::move(*held_);
    held_.reset();
    net::SseEvent event;
    event.raw = held;
    next.event(event);
  }

 private:
  std::optional<std::string> held_;
};

TEST(EventStream, AFilterMayHoldBackAndTheEndBringsItOut) {
  std::vector<std::unique_ptr<EventFilter>> filters;
  filters.push_back(std::make_unique<OneBehind>());
  filters.push_back(std::make_unique<OneBehind>());
  const std::string text = "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n";
  EventStreamBody body(std::make_unique<Scripted>(std::deque<std::string>{text}, false),
                       StreamDialect::kChat, std::move(filters));
  EXPECT_EQ(drive(body).bytes, text);
}

TEST(EventStream, TheErrorEventSpeaksTheDialect) {
  EXPECT_EQ(stream_error_event(StreamDialect::kChat, "c", "m", 0),
            "data: "
            "{\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":\"c\"}"
            "}\n\n");
  EXPECT_EQ(
      stream_error_event(StreamDialect::kResponses, "c", "m", 7),
      "event: error\ndata: {\"type\":\"error\",\"code\":\"c\",\"message\":\"m\",\"param\":null,"
      "\"sequence_number\":7}\n\n");
}

}  // namespace
}  // namespace sallyport
