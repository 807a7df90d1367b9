// SPDX-License-Identifier: Apache-2.0
#include "notify/splunk.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "notify/splunk_ack.h"

namespace sallyport::notify {
namespace {

constexpr std::string_view kPath = "/services/collector/event";

// The codes of an answer that say what to do better than its HTTP status.
constexpr std::int64_t kDead[] = {5, 6, 12, 13, 15};              // this event can never be taken
constexpr std::int64_t kStopped[] = {1, 2, 3, 4, 7, 10, 11, 14};  // token, index or channel
constexpr std::int64_t kLater[] = {8, 9};                         // internal error, busy

bool among(std::span<const std::int64_t> codes, std::int64_t code) {
  return std::ranges::find(codes, code) != codes.end();
}

class SplunkFormat final : public HttpFormat {
 public:
  SplunkFormat(const SinkConfig& config, const SinkParts& parts, const RecordFormat& record)
      : url_(config.url), token_(config.token), host_(parts.host), record_(record) {
    const SinkType& type = *find_sink_type("splunk");
    while (url_.ends_with('/')) url_.pop_back();
    index_ = option(config, type, "index");
    source_ = option(config, type, "source");
    sourcetype_ = option(config, type, "sourcetype");
  }

  Result<net::Question> encode(const Batch& batch, UtcTime) override {
    net::Question question;
    question.method = "POST";
    question.url = url_ + std::string(kPath);
    question.headers.emplace_back("authorization", "Splunk " + std::string(token_->reveal()));
    question.headers.emplace_back("content-type", "application/json");
    for (const Outgoing& record : batch) append(question.body, record);
    return question;
  }

  Verdict judge(const net::Reply& reply, const Batch& batch,
                std::chrono::milliseconds wait) override {
    const Result<JsonValue> answer = JsonValue::parse(reply.body);
    const auto number = [&](std::string_view name) -> std::optional<std::int64_t> {
      if (!answer || !answer->is_object()) return std::nullopt;
      const std::optional<JsonValue> value = answer->at(name);
      return value ? value->integer() : std::nullopt;
    };
    const std::optional<std::int64_t> code = number("code");
    Verdict verdict = verdict_of_status(reply.status, batch, wait);
    if (!code) {
      // 200 without the collector's own word came from something else: a proxy, a login page.
      if (verdict.kind == Verdict::Kind::kDone && verdict.dead.empty()) {
        verdict.kind = Verdict::Kind::kAgain;
        verdict.why = "the answer is not that of an event collector";
      }
      return verdict;
    }
    verdict.why = fmt::format("the collector answered {}, code {}", reply.status, *code);
    if (*code == 0 && reply.status == 200) return Verdict{};
    verdict.dead.clear();
    if (among(kDead, *code))
      return judge_dead(std::move(verdict), number("invalid-event-number"), batch);
    if (among(kStopped, *code)) verdict.kind = Verdict::Kind::kStop;
    if (among(kLater, *code)) verdict.kind = Verdict::Kind::kAgain;
    if (verdict.kind == Verdict::Kind::kDone) verdict.kind = Verdict::Kind::kStop;  // unknown code
    return verdict;
  }

 private:
  void append(std::string& out, const Outgoing& record) const {
    const auto ms = record.event.timestamp_utc.time_since_epoch().count();
    out += fmt::format("{{\"time\":{}.{:03},\"host\":", ms / 1000, ms % 1000);
    append_json_string(out, host_);
    out += ",\"source\":";
    append_json_string(out, source_);
    out += ",\"sourcetype\":";
    append_json_string(out, sourcetype_);
    if (!index_.empty()) {
      out += ",\"index\":";
      append_json_string(out, index_);
    }
    out += ",\"event\":";
    record_.append(out, record);
    out += "}";
  }

  // One event is bad. Those before it may have been taken, those behind it were not: all the others
  // go again, and whoever has them twice sees the same id.
  static Verdict judge_dead(Verdict verdict, std::optional<std::int64_t> at, const Batch& batch) {
    if (!at || *at < 0 || static_cast<std::size_t>(*at) >= batch.size()) {
      verdict.kind = Verdict::Kind::kHalve;  // which one it is shows when it is alone
      return verdict;
    }
    const auto bad = static_cast<std::size_t>(*at);
    verdict.dead.push_back({bad, verdict.why});
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (i != bad) verdict.again.push_back(i);
    }
    verdict.kind = verdict.again.empty() ? Verdict::Kind::kDone : Verdict::Kind::kAgain;
    verdict.wait = std::chrono::milliseconds(1);
    verdict.why.clear();
    return verdict;
  }

  std::string url_;
  std::shared_ptr<const Secret> token_;
  std::string host_, index_, source_, sourcetype_;
  const RecordFormat& record_;
};

}  // namespace

Result<void> check_splunk(const SinkConfig& config) {
  const Result<void> compression = check_compression(config, *find_sink_type("splunk"));
  if (!compression) return compression;
  const Result<void> ack = check_splunk_ack(config);
  if (!ack) return ack;
  const Result<const RecordFormat*> record = record_format(config, *find_sink_type("splunk"));
  if (!record) return std::unexpected(record.error());
  return {};
}

Result<std::unique_ptr<HttpFormat>> splunk_format(const SinkConfig& config,
                                                  const SinkParts& parts) {
  const Result<const RecordFormat*> record = record_format(config, *find_sink_type("splunk"));
  if (!record) return std::unexpected(record.error());
  return std::make_unique<SplunkFormat>(config, parts, **record);
}

Result<std::unique_ptr<Sink>> make_splunk(const SinkConfig& config, const SinkParts& parts) {
  Result<std::unique_ptr<HttpFormat>> format = splunk_format(config, parts);
  if (!format) return std::unexpected(std::move(format).error());
  if (option(config, *find_sink_type("splunk"), "ack") == "yes") {
    Result<std::unique_ptr<HttpPeer>> peer = HttpPeer::make(config, config.url, parts);
    if (!peer) return std::unexpected(std::move(peer).error());
    return make_splunk_ack(config, std::move(*format), std::move(*peer));
  }
  return make_http_sink(config, parts, std::move(*format));
}

}  // namespace sallyport::notify
