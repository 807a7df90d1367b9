// SPDX-License-Identifier: Apache-2.0
// A streamed answer (text/event-stream) is split into events once; each stage that wants to see or
// change them adds a filter in its `answer`. Filters run in the order in which they were added,
// that is from the upstream towards the client. They are synchronous and see whole events.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/body.h"
#include "net/sse.h"

namespace sallyport {

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void event(const net::SseEvent& event) = 0;
};

class EventFilter {
 public:
  virtual ~EventFilter() = default;
  // One event. Pass it on to `next` as it is, changed, later, or not at all; the views die with the
  // call. One over the limit comes in pieces (partial), which are passed on as they are.
  virtual void event(const net::SseEvent& event, EventSink& next) = 0;
  // The stream is about to end: give out what is held back. The end event comes after this and must
  // be passed on at once.
  virtual void end(EventSink&) {}
};

// How a family of endpoints ends its streams and reports errors inside them (facts: OpenAI API,
// section 3).
enum class StreamDialect {
  kChat,       // ends with `data: [DONE]`; errors are data: {"error":{...}}
  kResponses,  // ends with response.completed|incomplete|failed or error; has sequence_number
  kOther,      // ends when the body ends
};
StreamDialect stream_dialect(std::string_view path);

// The error event that tells a client of this dialect that the stream broke.
std::string stream_error_event(StreamDialect dialect, std::string_view code,
                               std::string_view message, std::int64_t sequence_number);

// The body of a streamed answer with its filters applied. A body that ends without the dialect's
// end is an error (kUnavailable), also if the bytes ended cleanly; what follows the end is dropped.
class EventStreamBody final : public net::BodySource {
 public:
  EventStreamBody(std::unique_ptr<net::BodySource> upstream, StreamDialect dialect,
                  std::vector<std::unique_ptr<EventFilter>> filters);
  ~EventStreamBody() override;
  // One pull after the end reads what the upstream still sends and drops it, so that its connection
  // can be used again.
  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return ended_; }
  std::int64_t next_sequence_number() const { return next_sequence_number_; }

 private:
  struct Chain;
  bool take_events();
  bool gathers() const;
  std::unique_ptr<net::BodySource> upstream_;
  StreamDialect dialect_;
  net::SseSplitter splitter_;
  std::unique_ptr<Chain> chain_;
  std::string out_;
  std::optional<Error> broke_;  // told by the pull after the one that gives what came before it
  std::int64_t next_sequence_number_ = 0;
  bool ended_ = false;
};

}  // namespace sallyport
