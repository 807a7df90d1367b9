// SPDX-License-Identifier: Apache-2.0
#include "notify/webhook.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "base/log.h"
#include "net/webhook_signature.h"
#include "notify/http_peer.h"
#include "notify/http_sink.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kBodyBytesMax = 20'000;  // Standard Webhooks: keep payloads small

class WebhookSink final : public Sink {
 public:
  WebhookSink(const SinkConfig& config, const RecordFormat& format, std::unique_ptr<HttpPeer> peer)
      : config_(config), format_(format), peer_(std::move(peer)) {}

  // In order: behind a message that did not arrive none is sent.
  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    const std::int64_t until = loop.now_ms() + config_.timeout.count();
    Verdict all;
    for (std::size_t i = 0; i < batch->size(); ++i) {
      if (i > 0 && loop.now_ms() >= until) {
        all.kind = Verdict::Kind::kAgain;  // the rest of a long batch, without a failure
        rest(all, i, batch->size());
        co_return all;
      }
      Batch one{(*batch)[i]};
      const Verdict verdict = co_await post(loop, std::move(one));
      if (!verdict.dead.empty() || verdict.kind == Verdict::Kind::kHalve) {
        all.dead.push_back({i, verdict.why});
        continue;
      }
      if (verdict.kind == Verdict::Kind::kDone) continue;
      all.kind = Verdict::Kind::kAgain;
      all.wait = verdict.wait;
      all.why = verdict.why;
      if (verdict.kind == Verdict::Kind::kStop) all.kind = Verdict::Kind::kStop;
      rest(all, i, batch->size());
      co_return all;
    }
    co_return all;
  }

  Task<void> idle(net::Loop& loop) override {
    peer_->tidy(loop.now_ms());
    co_return;
  }
  void let_go() override { peer_->hang_up(); }

 private:
  static void rest(Verdict& verdict, std::size_t from, std::size_t end) {
    for (std::size_t i = from; i < end; ++i) verdict.again.push_back(i);
  }

  Task<Verdict> post(net::Loop& loop, Batch one) {
    Result<net::Question> question = webhook_question(config_, format_, one[0], peer_->now());
    if (!question) co_return HttpPeer::verdict_of_error(question.error());
    const Result<net::Reply> reply = co_await peer_->ask(loop, std::move(*question));
    if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
    co_return verdict_of_status(reply->status, one, peer_->wait(*reply));
  }

  const SinkConfig config_;
  const RecordFormat& format_;
  std::unique_ptr<HttpPeer> peer_;
};

}  // namespace

std::string webhook_type(const Event& event) {
  std::string type(name(event.kind));
  if (event.kind == Kind::kRequest) {
    const bool refused = event.status.value_or(0) >= 400;
    return type + (refused ? ".refused" : event.status ? ".done" : ".aborted");
  }
  if (!event.action || event.action->empty()) return type;
  type += '.';
  for (const char c : *event.action) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    type += plain ? c : '_';
  }
  return type;
}

std::string webhook_id(std::string_view record_id) {
  std::string id(record_id);
  std::ranges::replace(id, '.', '_');
  return id;
}

Result<std::string> webhook_signatures(const Secret& secrets, std::string_view id,
                                       std::int64_t timestamp_s, std::string_view body) {
  std::string all;
  std::string_view rest = secrets.reveal();
  while (!rest.empty()) {
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    const Secret one(rest.substr(0, blank));
    const Result<std::string> signature = net::webhook_signature(one, id, timestamp_s, body);
    if (!signature) return std::unexpected(signature.error());
    all += (all.empty() ? "" : " ") + *signature;
    rest.remove_prefix(std::min(blank + 1, rest.size()));
  }
  return all;
}

Result<net::Question> webhook_question(const SinkConfig& config, const RecordFormat& format,
                                       const Outgoing& record, UtcTime now) {
  net::Question question;
  question.method = "POST";
  question.url = config.url;
  JsonWriter json(question.body);
  const std::string type = webhook_type(record.event);
  const std::string at = format_utc(record.event.timestamp_utc);
  std::string data;
  format.append(data, record);
  json.begin_object().field("type", type).field("timestamp", at).key("data").raw(data).end_object();
  if (question.body.size() > kBodyBytesMax) {
    // The receiver can fetch the record by its id; half a record would be worse than none.
    question.body.clear();
    std::string thin;
    JsonWriter(thin)
        .begin_object()
        .field("id", record.id)
        .field("cut_bytes", data.size())
        .end_object();
    JsonWriter short_json(question.body);
    short_json.begin_object().field("type", type).field("timestamp", at);
    short_json.key("data").raw(thin).end_object();
  }
  const std::int64_t now_s =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  std::string id = webhook_id(record.id);
  Result<std::string> signatures = webhook_signatures(*config.token, id, now_s, question.body);
  if (!signatures) return std::unexpected(std::move(signatures).error());
  question.headers.emplace_back("content-type", "application/json");
  question.headers.emplace_back("webhook-id", std::move(id));
  question.headers.emplace_back("webhook-timestamp", std::to_string(now_s));
  question.headers.emplace_back("webhook-signature", std::move(*signatures));
  return question;
}

Result<void> check_webhook(const SinkConfig& config) {
  const Result<std::string> proof = webhook_signatures(*config.token, "msg", 0, "");
  if (!proof) return fail(Code::kInvalid, "token: " + proof.error().what);
  const Result<const RecordFormat*> format = record_format(config, *find_sink_type("webhook"));
  if (!format) return std::unexpected(format.error());
  return {};
}

Result<std::unique_ptr<Sink>> make_webhook(const SinkConfig& config, const SinkParts& parts) {
  const Result<const RecordFormat*> format = record_format(config, *find_sink_type("webhook"));
  if (!format) return std::unexpected(format.error());
  Result<std::unique_ptr<HttpPeer>> peer = HttpPeer::make(config, config.url, parts);
  if (!peer) return std::unexpected(std::move(peer).error());
  return std::make_unique<WebhookSink>(config, **format, std::move(*peer));
}

}  // namespace sallyport::notify
