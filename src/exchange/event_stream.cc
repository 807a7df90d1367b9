// SPDX-License-Identifier: Apache-2.0
#include "exchange/event_stream.h"

#include <utility>

#include "base/json_writer.h"
#include "base/text.h"
#include "net/loop.h"

namespace sallyport {
namespace {

// The value of `"sequence_number":N`, if the event has one. A scan is enough: a text that fakes it
// can only change the number in our own error event.
std::optional<std::uint64_t> sequence_number(std::string_view data) {
  static constexpr std::string_view kKey = "\"sequence_number\":";
  const std::size_t at = data.rfind(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  std::size_t end = at + kKey.size();
  const std::size_t begin = end;
  while (end < data.size() && data[end] >= '0' && data[end] <= '9') ++end;
  return parse_uint(data.substr(begin, end - begin));
}

bool ends_responses(std::string_view type) {
  return type == "response.completed" || type == "response.incomplete" ||
         type == "response.failed" || type == "error";
}

// Some servers name the type in the payload only. It is the first member there.
std::string_view payload_type(std::string_view data) {
  static constexpr std::string_view kStart = "{\"type\":\"";
  if (!data.starts_with(kStart)) return {};
  data.remove_prefix(kStart.size());
  return data.substr(0, data.find('"'));
}

bool is_end(StreamDialect dialect, const net::SseEvent& event) {
  if (!event.last) return false;
  if (event.data == "[DONE]") return true;
  switch (dialect) {
    case StreamDialect::kChat:
      return event.data.starts_with("{\"error\"");
    case StreamDialect::kResponses:
      return ends_responses(event.type.empty() ? payload_type(event.data) : event.type);
    case StreamDialect::kOther:
      return false;
  }
  return false;
}

}  // namespace

StreamDialect stream_dialect(std::string_view path) {
  if (path == "/v1/chat/completions" || path == "/v1/completions") return StreamDialect::kChat;
  if (path == "/v1/responses" || path.starts_with("/v1/responses/"))
    return StreamDialect::kResponses;
  return StreamDialect::kOther;
}

std::string stream_error_event(StreamDialect dialect, std::string_view code,
                               std::string_view message, std::int64_t sequence_number) {
  std::string json;
  JsonWriter writer(json);
  writer.begin_object();
  if (dialect == StreamDialect::kResponses) {
    writer.field("type", "error").field("code", code).field("message", message);
    writer.key("param").null().field("sequence_number", sequence_number);
  } else {
    writer.key("error").begin_object();
    writer.field("message", message).field("type", "server_error").key("param").null();
    writer.field("code", code).end_object();
  }
  writer.end_object();
  // A named event, so that clients which look at the type only see it as an error too.
  std::string event = dialect == StreamDialect::kChat ? "" : "event: error\n";
  return event + "data: " + json + "\n\n";
}

// The filters, each feeding the next; the last writes to `out`.
struct EventStreamBody::Chain final : EventSink {
  struct Link final : EventSink {
    Link(EventFilter& f, EventSink& n) : filter(f), next(n) {}
    void event(const net::SseEvent& e) override { filter.event(e, next); }
    EventFilter& filter;
    EventSink& next;
  };

  Chain(std::vector<std::unique_ptr<EventFilter>> f, std::string& o)
      : filters(std::move(f)), out(o) {
    links.reserve(filters.size());
    EventSink* next = this;
    for (std::size_t i = filters.size(); i-- > 0;) {
      links.push_back(std::make_unique<Link>(*filters[i], *next));
      next = links.back().get();
    }
    first = next;
  }

  void event(const net::SseEvent& e) override { out.append(e.raw); }

  void end() {
    // links is in reverse order: the filter nearest to the upstream ends first.
    for (std::size_t i = links.size(); i-- > 0;) links[i]->filter.end(links[i]->next);
  }

  std::vector<std::unique_ptr<EventFilter>> filters;
  std::vector<std::unique_ptr<Link>> links;
  EventSink* first = nullptr;
  std::string& out;
};

EventStreamBody::EventStreamBody(std::unique_ptr<net::BodySource> upstream, StreamDialect dialect,
                                 std::vector<std::unique_ptr<EventFilter>> filters)
    : upstream_(std::move(upstream)),
      dialect_(dialect),
      chain_(std::make_unique<Chain>(std::move(filters), out_)) {}

EventStreamBody::~EventStreamBody() = default;

bool EventStreamBody::take_events() {
  net::SseEvent event;
  while (!ended_ && splitter_.next(event)) {
    if (dialect_ == StreamDialect::kResponses) {
      if (const auto number = sequence_number(event.data)) {
        next_sequence_number_ = static_cast<std::int64_t>(*number) + 1;
      }
    }
    ended_ = is_end(dialect_, event);
    // What a filter holds back belongs before the end event; the end itself is not held.
    if (ended_) chain_->end();
    chain_->first->event(event);
  }
  return !out_.empty();
}

// What came together leaves together: a provider's burst is one write, not one an event.
bool EventStreamBody::gathers() const {
  return !ended_ && out_.size() < net::kBufferBytes && upstream_->at_hand();
}

Task<Result<std::string_view>> EventStreamBody::pull() {
  std::string().swap(out_);  // a waiting stream holds no memory for what it already gave
  if (broke_) co_return std::unexpected(*broke_);
  while (!ended_) {
    Result<std::string_view> piece = co_await upstream_->pull();
    if (piece && piece->empty()) {
      if (dialect_ != StreamDialect::kOther || !splitter_.unfinished().empty()) {
        piece = fail(Code::kUnavailable, "the stream ended without its end");
      } else {
        ended_ = true;
        chain_->end();
        co_return std::string_view(out_);
      }
    }
    if (!piece) {
      if (out_.empty()) co_return piece;
      broke_ = piece.error();  // what came before it goes out first
      co_return std::string_view(out_);
    }
    splitter_.feed(*piece);
    if (take_events() && !gathers()) co_return std::string_view(out_);
  }
  if (!upstream_->finished()) {
    const Result<std::string_view> dropped = co_await upstream_->pull();
    if (!dropped) co_return std::string_view();  // after the end nothing can break the answer
  }
  co_return std::string_view();
}

}  // namespace sallyport
