// SPDX-License-Identifier: Apache-2.0
#include "notify/splunk_ack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/json_reader.h"
#include "base/random.h"
#include "base/text.h"
#include "notify/sink_table.h"

namespace sallyport::notify {
namespace {

constexpr std::string_view kPath = "/services/collector/ack";
constexpr std::int64_t kPollFirstMs = 100;  // doubles: indexers need from a moment to many seconds
constexpr std::int64_t kPollMaxMs = 5'000;
constexpr std::chrono::milliseconds kTimeoutMin{1'000}, kTimeoutMax{3'600'000};

const SinkType& type() { return *find_sink_type("splunk"); }

// A channel is a client of the collector by any UUID; this one lives as long as the process.
std::string random_uuid() {
  std::array<unsigned char, 16> bytes;
  fill_random(bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);  // version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string text = to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (const std::size_t dash : {8u, 13u, 18u, 23u}) text.insert(dash, 1, '-');
  return text;
}

std::optional<JsonValue> member(const std::optional<JsonValue>& object, std::string_view name) {
  return object && object->is_object() ? object->at(name) : std::nullopt;
}

class SplunkAckSink final : public Sink {
 public:
  SplunkAckSink(const SinkConfig& config, std::unique_ptr<HttpFormat> format,
                std::unique_ptr<HttpPeer> peer)
      : url_(config.url),
        timeout_ms_(parse_duration(option(config, type(), "ack_timeout"))->count()),
        channel_(random_uuid()),
        format_(std::move(format)),
        peer_(std::move(peer)) {
    while (url_.ends_with('/')) url_.pop_back();
  }

  // The first call sends, the next ones ask: meanwhile the worker hears what it is told.
  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    const std::string whole = batch->front().id + " " + batch->back().id;
    const bool asks = waiting_ && waiting_->whole == whole;
    const Batch first = asks ? Batch{batch->front()} : Batch();  // for the credential around it
    Result<net::Question> question = format_->encode(asks ? first : *batch, peer_->now());
    if (!question) co_return HttpPeer::verdict_of_error(question.error());
    question->headers.emplace_back("x-splunk-request-channel", channel_);
    if (asks) {
      question->url = url_ + std::string(kPath) + "?channel=" + channel_;
      question->body = fmt::format(R"({{"acks":[{}]}})", waiting_->ack_id);
    }
    const Result<net::Reply> reply = co_await peer_->ask(loop, std::move(*question));
    if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
    if (asks) co_return judge_ack(*reply, *batch, loop.now_ms());
    co_return judge_events(*reply, *batch, whole, loop.now_ms());
  }

  Task<void> idle(net::Loop& loop) override {
    peer_->tidy(loop.now_ms());
    co_return;
  }
  void let_go() override { peer_->hang_up(); }

 private:
  // A batch that was accepted.
  struct Waiting {
    std::string whole;  // its first and last id
    std::int64_t ack_id = 0;
    std::int64_t until_ms = 0;  // then it goes again
    std::int64_t poll_ms = kPollFirstMs;
  };

  Verdict judge_events(const net::Reply& reply, const Batch& batch, const std::string& whole,
                       std::int64_t now_ms) {
    const Verdict verdict = format_->judge(reply, batch, peer_->wait(reply));
    const bool accepted = verdict.kind == Verdict::Kind::kDone && verdict.dead.empty();
    if (!accepted) return verdict;
    const Result<JsonValue> answer = JsonValue::parse(reply.body);
    const std::optional<JsonValue> id =
        answer ? member(*answer, "ackId") : std::optional<JsonValue>();
    if (!id || !id->integer()) {
      return {.kind = Verdict::Kind::kStop,
              .why = "the collector gave no ackId: indexer acknowledgement is off for this token"};
    }
    if (batch.front().seq == 0) return verdict;  // a test of the connection is not waited for
    waiting_ = Waiting{.whole = whole, .ack_id = *id->integer(), .until_ms = now_ms + timeout_ms_};
    return not_yet();
  }

  Verdict judge_ack(const net::Reply& reply, const Batch& batch, std::int64_t now_ms) {
    if (reply.status != 200) {
      Verdict verdict = verdict_of_status(reply.status, batch, peer_->wait(reply));
      // There is no record in this question that could be wrong or too large.
      if (verdict.kind != Verdict::Kind::kAgain) verdict.kind = Verdict::Kind::kStop;
      verdict.dead.clear();
      verdict.why += " to the question for acknowledgements";
      waiting_.reset();  // it may not know this channel any more: the batch goes again
      return verdict;
    }
    const Result<JsonValue> answer = JsonValue::parse(reply.body);
    const std::optional<JsonValue> acks =
        answer ? member(*answer, "acks") : std::optional<JsonValue>();
    const std::optional<JsonValue> one = member(acks, std::to_string(waiting_->ack_id));
    if (!one || !one->boolean()) {
      return {.kind = Verdict::Kind::kAgain, .why = "the answer is not that of an event collector"};
    }
    if (*one->boolean()) {
      waiting_.reset();
      return {};
    }
    if (now_ms < waiting_->until_ms) return not_yet();
    waiting_.reset();
    return {.kind = Verdict::Kind::kAgain, .why = "accepted, and not indexed in time"};
  }

  Verdict not_yet() {
    const std::int64_t wait_ms = waiting_->poll_ms;
    waiting_->poll_ms = std::min(kPollMaxMs, wait_ms * 2);
    return {.kind = Verdict::Kind::kAgain, .wait = std::chrono::milliseconds(wait_ms)};
  }

  std::string url_;
  const std::int64_t timeout_ms_;
  const std::string channel_;
  const std::unique_ptr<HttpFormat> format_;
  const std::unique_ptr<HttpPeer> peer_;
  std::optional<Waiting> waiting_;
};

}  // namespace

Result<void> check_splunk_ack(const SinkConfig& config) {
  const std::string_view ack = option(config, type(), "ack");
  if (ack != "yes" && ack != "no") return fail(Code::kInvalid, "options.ack: yes or no");
  const auto timeout = parse_duration(option(config, type(), "ack_timeout"));
  if (timeout && *timeout >= kTimeoutMin && *timeout <= kTimeoutMax) return {};
  return fail(Code::kInvalid, "options.ack_timeout: 1s to 1h");
}

std::unique_ptr<Sink> make_splunk_ack(const SinkConfig& config, std::unique_ptr<HttpFormat> format,
                                      std::unique_ptr<HttpPeer> peer) {
  return std::make_unique<SplunkAckSink>(config, std::move(format), std::move(peer));
}

}  // namespace sallyport::notify
