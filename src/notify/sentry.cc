// SPDX-License-Identifier: Apache-2.0
#include "notify/sentry.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "notify/http_peer.h"
#include "notify/severity.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kEventIdBytes = 16;
constexpr std::size_t kEnvelopeBytesMax = 100'000;  // far below what any Sentry takes
constexpr std::size_t kTroublesMax = 1'000;
constexpr std::chrono::milliseconds kWindowMax{86'400'000};
constexpr std::chrono::milliseconds kLimitMax{3'600'000};  // one wrong header must not silence us
constexpr int kServerError = 500;

const SinkType& type() { return *find_sink_type("sentry"); }

std::string event_id(std::string_view record_id) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(record_id.data()), record_id.size(), digest);
  return to_hex({reinterpret_cast<const char*>(digest), kEventIdBytes});
}

std::string_view level_of(Severity severity) {
  static constexpr std::string_view kLevels[] = {"info", "info", "warning", "error", "fatal"};
  return kLevels[static_cast<int>(severity)];
}

void tag(JsonWriter& json, std::string_view name, const std::optional<std::string>& value) {
  if (value && !value->empty()) json.field(name, *value);
}

std::string event_json(const Outgoing& record, const SentryWords& words,
                       const std::vector<std::string>& fingerprint, std::uint64_t times) {
  const Event& event = record.event;
  const auto ms = event.timestamp_utc.time_since_epoch().count();
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("event_id", event_id(record.id));
  json.key("timestamp").raw(fmt::format("{}.{:03}", ms / 1000, ms % 1000));
  json.field("platform", "native").field("logger", "sallyport");
  json.field("level", level_of(std::max(severity_of(event), Severity::kMedium)));
  json.field("server_name", words.host).field("release", "sallyport@" + words.version);
  json.field("environment", words.environment);
  json.key("message").begin_object().field("formatted", headline(event)).end_object();
  json.key("fingerprint").begin_array();
  for (const std::string& part : fingerprint) json.value(part);
  json.end_array();
  json.key("tags").begin_object().field("kind", name(event.kind)).field("record", record.id);
  tag(json, "error", event.error);
  tag(json, "action", event.action);
  tag(json, "model", event.model);
  tag(json, "upstream", event.upstream);
  tag(json, "api_key_id", event.api_key_id);
  tag(json, "request_id", event.request_id);
  if (event.status) json.field("status", std::to_string(*event.status));
  if (event.upstream_status) json.field("upstream_status", std::to_string(*event.upstream_status));
  if (times > 1) json.field("times", std::to_string(times));
  json.end_object().end_object();
  return out;
}

class SentrySink final : public Sink {
 public:
  SentrySink(const SinkConfig& config, const SinkParts& parts, SentryAddress address,
             std::unique_ptr<HttpPeer> peer)
      : address_(std::move(address)),
        words_{parts.host, std::string(option(config, type(), "environment")), parts.version},
        window_(*parse_duration(option(config, type(), "window"))),
        timeout_ms_(config.timeout.count()),
        peer_(std::move(peer)) {}

  // In order: behind an event that did not arrive none is sent.
  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    const net::Deadline until = loop.now_ms() + timeout_ms_;
    Verdict all;
    all.taken = 0;  // what is no trouble, or was told lately, is not shown to Sentry
    for (std::size_t i = 0; i < batch->size(); ++i) {
      const Outgoing& record = (*batch)[i];
      const std::vector<std::string> fingerprint = sentry_fingerprint(record.event);
      if (fingerprint.empty()) continue;
      Trouble& trouble = find(fingerprint);
      if (told_lately(trouble)) {
        ++trouble.times;
        continue;
      }
      Verdict verdict;
      if (limited_until_ > peer_->now()) {
        verdict = {.kind = Verdict::Kind::kAgain, .wait = limited_until_ - peer_->now()};
      } else if (i > 0 && loop.now_ms() >= until) {
        verdict.kind = Verdict::Kind::kAgain;  // the rest of a long batch, without a failure
      } else {
        Batch one{record};
        verdict = co_await post(loop, std::move(one), trouble.times + 1);
      }
      if (!verdict.dead.empty() || verdict.kind == Verdict::Kind::kHalve) {
        all.dead.push_back({i, verdict.why});
        continue;
      }
      if (verdict.kind != Verdict::Kind::kDone) {
        for (std::size_t rest = i; rest < batch->size(); ++rest) all.again.push_back(rest);
        all.kind = verdict.kind;
        all.wait = verdict.wait;
        all.why = verdict.why;
        co_return all;
      }
      ++*all.taken;
      trouble.told = peer_->now();
      trouble.times = 0;
    }
    co_return all;
  }

  Task<void> idle(net::Loop& loop) override {
    peer_->tidy(loop.now_ms());
    co_return;
  }
  void let_go() override { peer_->hang_up(); }

 private:
  struct Trouble {
    std::optional<UtcTime> told;
    std::uint64_t times = 0;  // since then
  };

  Trouble& find(const std::vector<std::string>& fingerprint) {
    std::string key;
    for (const std::string& part : fingerprint) key += part + '\n';
    if (troubles_.size() >= kTroublesMax && !troubles_.contains(key)) troubles_.clear();
    return troubles_[key];
  }

  bool told_lately(const Trouble& trouble) const {
    return trouble.told && peer_->now() - *trouble.told < window_;
  }

  Task<Verdict> post(net::Loop& loop, Batch one, std::uint64_t times) {
    net::Question question;
    question.method = "POST";
    question.url = address_.url;
    question.headers.emplace_back("content-type", "application/x-sentry-envelope");
    question.headers.emplace_back("x-sentry-auth",
                                  "Sentry sentry_version=7, sentry_key=" + address_.key +
                                      ", sentry_client=sallyport/" + words_.version);
    question.body = sentry_envelope(one[0], words_, times, peer_->now());
    if (question.body.size() > kEnvelopeBytesMax) {
      co_return Verdict{.kind = Verdict::Kind::kHalve, .why = "larger than an envelope may be"};
    }
    const Result<net::Reply> reply = co_await peer_->ask(loop, std::move(question));
    if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
    co_return judge(*reply, one);
  }

  Verdict judge(const net::Reply& reply, const Batch& one) {
    std::chrono::milliseconds closed{0};
    for (const auto& [name, value] : reply.headers) {
      if (name == "x-sentry-rate-limits") closed = std::max(closed, sentry_rate_limit(value));
    }
    // It may come with 200: what was sent is taken, and nothing more for a while.
    if (closed.count() > 0) limited_until_ = peer_->now() + closed;
    Verdict verdict = verdict_of_status(reply.status, one, std::max(peer_->wait(reply), closed));
    if (reply.status < 200 || reply.status >= 300) return verdict;
    const Result<JsonValue> answer = JsonValue::parse(reply.body);
    if (answer && answer->is_object() && answer->at("id")) return verdict;
    return {.kind = Verdict::Kind::kAgain, .why = "the answer is not that of Sentry"};
  }

  const SentryAddress address_;
  const SentryWords words_;
  const std::chrono::milliseconds window_;
  const std::int64_t timeout_ms_;
  const std::unique_ptr<HttpPeer> peer_;
  std::map<std::string, Trouble> troubles_;
  UtcTime limited_until_{};
};

}  // namespace

Result<SentryAddress> parse_dsn(std::string_view dsn) {
  const auto wrong = fail(Code::kInvalid, "token: a DSN is https://KEY@HOST/PROJECT");
  const std::size_t scheme = dsn.find("://");
  const std::size_t at = dsn.find('@');
  const std::size_t slash = dsn.rfind('/');
  if (scheme == std::string_view::npos || at == std::string_view::npos || at < scheme + 4 ||
      slash < at) {
    return wrong;
  }
  std::string_view key = dsn.substr(scheme + 3, at - scheme - 3);
  key = key.substr(0, key.find(':'));  // old ones have a secret behind it, which is not used
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const std::string_view project = dsn.substr(slash + 1);
  if (key.empty() || !std::ranges::all_of(key, hex) || !parse_uint(project)) return wrong;
  const std::string base(dsn.substr(at + 1, slash - at - 1));
  const std::size_t path = base.find('/');
  SentryAddress address;
  address.key = key;
  address.url = std::string(dsn.substr(0, scheme + 3)) + base.substr(0, path) +
                (path == std::string::npos ? "" : base.substr(path)) + "/api/" +
                std::string(project) + "/envelope/";
  if (!net::parse_url(address.url.substr(0, address.url.size() - 1))) return wrong;
  return address;
}

std::vector<std::string> sentry_fingerprint(const Event& event) {
  const std::string kind(name(event.kind));
  switch (event.kind) {
    case Kind::kRequest: {
      if (event.status.value_or(0) < kServerError) return {};
      return {kind, std::to_string(*event.status), event.error.value_or(""),
              event.upstream.value_or("")};
    }
    case Kind::kIntent:
    case Kind::kProgress:
    case Kind::kAdmin:
      return {};
    case Kind::kBreaker:
      return {kind, event.action.value_or(""), event.upstream.value_or("")};
    case Kind::kProvider:
      if (!event.error) return {};
      return {kind, event.action.value_or(""), *event.error};
    case Kind::kAction:
      return {kind, event.action.value_or(""), event.api_key_id.value_or("")};
    case Kind::kFinding:
    case Kind::kIncident:
      if (!event.finding || event.finding->severity < Severity::kMedium) return {};
      if (!event.finding->incident_id.empty()) return {"incident", event.finding->incident_id};
      return {kind, event.finding->detector, event.api_key_id.value_or(event.ip)};
  }
  return {};
}

std::string sentry_envelope(const Outgoing& record, const SentryWords& words, std::uint64_t times,
                            UtcTime now) {
  const std::string payload = event_json(record, words, sentry_fingerprint(record.event), times);
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("event_id", event_id(record.id))
      .field("sent_at", format_utc(now))
      .end_object();
  out += '\n';
  JsonWriter(out)
      .begin_object()
      .field("type", "event")
      .field("length", payload.size())
      .end_object();
  out += '\n';
  return out + payload + '\n';
}

std::chrono::milliseconds sentry_rate_limit(std::string_view header) {
  std::chrono::milliseconds longest{0};
  while (!header.empty()) {
    const std::size_t comma = std::min(header.find(','), header.size());
    const std::string_view one = trim_ows(header.substr(0, comma));
    header.remove_prefix(std::min(comma + 1, header.size()));
    const std::size_t first = std::min(one.find(':'), one.size());
    const std::optional<std::uint64_t> seconds = parse_uint(one.substr(0, first));
    if (!seconds || first == one.size()) continue;
    const std::string_view rest = one.substr(first + 1);
    const std::string categories = ";" + std::string(rest.substr(0, rest.find(':'))) + ";";
    // No category means all of them.
    if (categories != ";;" && !categories.contains(";error;")) continue;
    const std::uint64_t bounded = std::min<std::uint64_t>(*seconds, kLimitMax.count() / 1000);
    longest = std::max(longest, std::chrono::milliseconds(bounded * 1000));
  }
  return longest;
}

Result<void> check_sentry(const SinkConfig& config) {
  const auto window = parse_duration(option(config, type(), "window"));
  if (!window || *window > kWindowMax) return fail(Code::kInvalid, "options.window: 0s to 1d");
  return {};
}

Result<std::unique_ptr<Sink>> make_sentry(const SinkConfig& config, const SinkParts& parts) {
  Result<SentryAddress> address = parse_dsn(config.token->reveal());
  if (!address) return std::unexpected(std::move(address).error());
  std::string checked = address->url;
  while (checked.ends_with('/')) checked.pop_back();
  Result<std::unique_ptr<HttpPeer>> peer = HttpPeer::make(config, checked, parts);
  if (!peer) return std::unexpected(std::move(peer).error());
  return std::make_unique<SentrySink>(config, parts, std::move(*address), std::move(*peer));
}

}  // namespace sallyport::notify
