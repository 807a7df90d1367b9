// SPDX-License-Identifier: Apache-2.0
#include "notify/otlp.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"
#include "base/log.h"
#include "base/text.h"
#include "notify/http_peer.h"
#include "notify/otlp_metrics.h"
#include "notify/otlp_records.h"

namespace sallyport::notify {
namespace {

constexpr std::chrono::milliseconds kPushMin{5'000}, kPushMax{3'600'000};
constexpr std::size_t kMessageBytesMax = 200;
constexpr std::size_t kHeaderBytesMax = 64;

const SinkType& type() { return *find_sink_type("otlp"); }

bool is_header(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= kHeaderBytesMax && std::ranges::all_of(name, plain);
}

// How many were not taken, and why not; nothing when the answer is not one of the protocol.
struct Partial {
  std::int64_t rejected = 0;
  std::string message;
};
std::optional<Partial> partial_of(std::string_view body, std::string_view rejected) {
  if (body.empty()) return Partial{};
  const Result<JsonValue> answer = JsonValue::parse(body);
  if (!answer || !answer->is_object()) return std::nullopt;
  const std::optional<JsonValue> partial = answer->at("partialSuccess");
  if (!partial || !partial->is_object()) return Partial{};
  Partial found;
  const std::optional<JsonValue> count = partial->at(rejected);
  const std::optional<JsonValue> message = partial->at("errorMessage");
  if (count && count->integer()) found.rejected = *count->integer();
  // 64-bit integers are text in this JSON; some receivers write numbers.
  if (count && count->string()) {
    found.rejected = static_cast<std::int64_t>(parse_uint(*count->string()).value_or(0));
  }
  if (message) found.message = message->string().value_or("").substr(0, kMessageBytesMax);
  return found;
}

class OtlpSink final : public Sink {
 public:
  OtlpSink(const SinkConfig& config, const SinkParts& parts, std::unique_ptr<HttpPeer> peer)
      : url_(config.url),
        token_(config.token),
        header_(option(config, type(), "header")),
        traces_(option(config, type(), "traces") == "yes"),
        push_ms_(parse_duration(option(config, type(), "metrics"))->count()),
        name_(config.name),
        sources_(parts.metrics),
        resource_{std::string(option(config, type(), "service")), parts.host, parts.version},
        metrics_(resource_, parts.clock.now(), option(config, type(), "temporality") == "delta"),
        peer_(std::move(peer)) {
    while (url_.ends_with('/')) url_.pop_back();
  }

  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    const std::string whole = batch->front().id + " " + batch->back().id;
    if (logged_ != whole) {
      std::string logs = otlp_logs(*batch, resource_, peer_->now());
      const Result<net::Reply> reply = co_await post(loop, "/v1/logs", std::move(logs));
      if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
      Verdict verdict = judge_otlp(*reply, "rejectedLogRecords", *batch, peer_->wait(*reply));
      const bool all = verdict.kind == Verdict::Kind::kDone && verdict.dead.empty();
      if (!all) co_return verdict;
    }
    std::string spans = traces_ ? otlp_traces(*batch, resource_) : std::string();
    if (!spans.empty()) {
      logged_ = whole;  // if the spans fail, the logs are not repeated
      const Result<net::Reply> reply = co_await post(loop, "/v1/traces", std::move(spans));
      if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
      Verdict verdict = judge_otlp(*reply, "rejectedSpans", *batch, peer_->wait(*reply));
      if (verdict.kind == Verdict::Kind::kHalve) logged_.clear();
      const bool all = verdict.kind == Verdict::Kind::kDone && verdict.dead.empty();
      if (!all) co_return verdict;
    }
    logged_.clear();
    metrics_.count(*batch);
    co_await push(loop);
    co_return Verdict{};
  }

  Task<void> idle(net::Loop& loop) override {
    co_await push(loop);
    peer_->tidy(loop.now_ms());
  }
  void let_go() override { peer_->hang_up(); }

 private:
  Task<Result<net::Reply>> post(net::Loop& loop, std::string_view path, std::string body) {
    net::Question question;
    question.method = "POST";
    question.url = url_ + std::string(path);
    question.headers.emplace_back("content-type", "application/json");
    if (token_ && !token_->empty()) {
      question.headers.emplace_back(header_, std::string(token_->reveal()));
    }
    question.body = std::move(body);
    Result<net::Reply> reply = co_await peer_->ask(loop, std::move(question));
    co_return reply;
  }

  // Metrics are of now: what did not arrive is not kept, the next push says it all again.
  Task<void> push(net::Loop& loop) {
    if (push_ms_ == 0 || loop.now_ms() < push_at_ms_) co_return;
    push_at_ms_ = loop.now_ms() + push_ms_;
    static const std::vector<const MetricSource*> kNone;
    std::string body = metrics_.body(sources_ ? *sources_ : kNone, peer_->now());
    const Result<net::Reply> reply = co_await post(loop, "/v1/metrics", std::move(body));
    const bool good = reply && reply->status == 200;
    if (good) metrics_.taken();
    if (good == pushed_) co_return;
    pushed_ = good;
    if (good) {
      log::info("sink.metrics_pushed", {{"sink", name_}});
    } else {
      log::warn("sink.metrics_not_pushed",
                {{"sink", name_},
                 {"reason", reply ? "the receiver answered " + std::to_string(reply->status)
                                  : reply.error().what}});
    }
  }

  std::string url_;
  const std::shared_ptr<const Secret> token_;
  const std::string header_;
  const bool traces_;
  const std::int64_t push_ms_;
  const std::string name_;
  const std::vector<const MetricSource*>* sources_;
  const OtlpResource resource_;
  OtlpMetrics metrics_;
  const std::unique_ptr<HttpPeer> peer_;
  std::string
      logged_;  // first and last of the batch whose logs were taken and whose spans were not
  std::int64_t push_at_ms_ = 0;
  bool pushed_ = true;
};

}  // namespace

Verdict judge_otlp(const net::Reply& reply, std::string_view rejected, const Batch& batch,
                   std::chrono::milliseconds wait) {
  const int status = reply.status;
  Verdict verdict;
  if (status == 200) {
    const std::optional<Partial> partial = partial_of(reply.body, rejected);
    if (!partial) {
      return {.kind = Verdict::Kind::kAgain, .why = "the answer is not that of an OTLP receiver"};
    }
    if (partial->rejected <= 0) return verdict;
    // Which ones it does not say, and the protocol forbids to send any of them again.
    const std::string why = std::to_string(partial->rejected) + " of these " +
                            std::to_string(batch.size()) + " were rejected: " + partial->message;
    for (std::size_t i = 0; i < batch.size(); ++i) verdict.dead.push_back({i, why});
    const auto rejected = static_cast<std::size_t>(partial->rejected);
    verdict.taken = batch.size() - std::min(batch.size(), rejected);
    return verdict;
  }
  verdict.why = "the receiver answered " + std::to_string(status);
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    verdict.kind = Verdict::Kind::kAgain;
    verdict.wait = wait;
  } else if (status == 413 || status == 400) {
    verdict.kind = Verdict::Kind::kHalve;  // alone it shows which one is bad
  } else {
    verdict.kind = Verdict::Kind::kStop;
  }
  return verdict;
}

Result<void> check_otlp(const SinkConfig& config) {
  if (!is_header(option(config, type(), "header"))) {
    return fail(Code::kInvalid, "options.header: a-z 0-9 -");
  }
  const std::string_view traces = option(config, type(), "traces");
  if (traces != "yes" && traces != "no") return fail(Code::kInvalid, "options.traces: yes or no");
  const std::string_view temporality = option(config, type(), "temporality");
  if (temporality != "cumulative" && temporality != "delta") {
    return fail(Code::kInvalid, "options.temporality: cumulative or delta");
  }
  const Result<void> compression = check_compression(config, type());
  if (!compression) return compression;
  const auto push = parse_duration(option(config, type(), "metrics"));
  if (push && (push->count() == 0 || (*push >= kPushMin && *push <= kPushMax))) return {};
  return fail(Code::kInvalid, "options.metrics: 5s to 1h, or 0s");
}

Result<std::unique_ptr<Sink>> make_otlp(const SinkConfig& config, const SinkParts& parts) {
  const Result<void> checked = check_otlp(config);
  if (!checked) return std::unexpected(checked.error());
  Result<std::unique_ptr<HttpPeer>> peer = HttpPeer::make(config, config.url, parts);
  if (!peer) return std::unexpected(std::move(peer).error());
  return std::make_unique<OtlpSink>(config, parts, std::move(*peer));
}

}  // namespace sallyport::notify
