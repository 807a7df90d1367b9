// SPDX-License-Identifier: Apache-2.0
#include "provider/workload_identity.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "provider/admin_json.h"
#include "provider/patient_ask.h"
#include "provider/record.h"

namespace sallyport::provider {
namespace {

constexpr std::size_t kTokenBytesMax = 8 * 1024;
constexpr std::string_view kGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view kSubjectType = "urn:ietf:params:oauth:token-type:jwt";

}  // namespace

Result<std::shared_ptr<WorkloadIdentity>> WorkloadIdentity::make(ExchangeParts parts,
                                                                 std::string upstream,
                                                                 LeaseConfig config,
                                                                 AskLimits limits,
                                                                 ExchangeTimes times) {
  auto key = IdentityKey::open(config.key_file.value_or(""));
  if (!key) return std::unexpected(key.error());
  const Result<net::Url> url = net::parse_url(config.token_url);
  if (!url) return fail(Code::kInvalid, "token_url: " + url.error().what);
  std::shared_ptr<const net::TlsContext> tls;
  if (url->tls) {
    auto made = net::TlsContext::client("");
    if (!made) return std::unexpected(made.error());
    tls = std::move(*made);
  }
  return std::shared_ptr<WorkloadIdentity>(new WorkloadIdentity(parts, std::move(upstream),
                                                                std::move(config), limits, times,
                                                                std::move(*key), std::move(tls)));
}

WorkloadIdentity::WorkloadIdentity(ExchangeParts parts, std::string upstream, LeaseConfig config,
                                   AskLimits limits, ExchangeTimes times,
                                   std::shared_ptr<const IdentityKey> key,
                                   std::shared_ptr<const net::TlsContext> tls)
    : parts_(parts),
      upstream_(std::move(upstream)),
      config_(std::move(config)),
      limits_(limits),
      times_(times),
      key_(std::move(key)),
      tls_(std::move(tls)),
      retry_ms_(times.retry_ms) {}

void WorkloadIdentity::start() {
  parts_.loop.spawn(keep(shared_from_this()));
  parts_.loop.spawn(drop_when_over(shared_from_this()));
}

Result<void> WorkloadIdentity::request(std::string actor, std::optional<std::int64_t>) {
  if (exchanging_ || requested_by_) return fail(Code::kDenied, "a rotation is under way");
  requested_by_ = std::move(actor);
  last_ = std::make_shared<Rotation>();
  last_->upstream = upstream_;
  last_->trigger = "request";
  last_->actor = *requested_by_;
  last_->started_at = parts_.clock.now();
  return {};
}

CredentialStatus WorkloadIdentity::status() const {
  CredentialStatus status;
  status.upstream = upstream_;
  status.mode = config_.mode;
  if (const auto now = token_.snapshot()) {
    status.provider_key_id = now->provider_key_id;
    status.issued_at = now->issued_at;
    status.ends_at = now->ends_at;
    if (now->ends_at) status.renew_at = now->issued_at + (*now->ends_at - now->issued_at) * 2 / 3;
  }
  status.last = last_;
  return status;
}

std::chrono::seconds WorkloadIdentity::asked_life() const {
  const std::chrono::milliseconds life(config_.life_ms);
  return std::min(kLifeMax, std::chrono::ceil<std::chrono::seconds>(life));
}

Task<void> WorkloadIdentity::keep(Self self) {
  net::Loop& loop = self->parts_.loop;
  while (!self->stopped_) {
    const std::string trigger = self->due();
    if (!trigger.empty()) {
      self->exchanging_ = true;
      Task<bool> renewing = self->renew(trigger);
      const bool done = co_await renewing;
      self->exchanging_ = false;
      self->next_try_ms_ = loop.now_ms() + (done ? 0 : self->retry_ms_);
      self->retry_ms_ =
          done ? self->times_.retry_ms : std::min(self->retry_ms_ * 2, self->times_.retry_max_ms);
    }
    co_await loop.sleep_for(self->times_.tick_ms);
  }
}

// Beside the renewal, which may wait for an answer while the token's life ends.
Task<void> WorkloadIdentity::drop_when_over(Self self) {
  while (!self->stopped_) {
    const auto token = self->token_.snapshot();
    const UtcTime now = self->parts_.clock.now();
    if (token && token->ends_at && now >= *token->ends_at) self->token_.publish(nullptr);
    co_await self->parts_.loop.sleep_for(self->times_.tick_ms);
  }
}

std::string WorkloadIdentity::due() {
  const std::int64_t now_ms = parts_.loop.now_ms();
  const UtcTime now = parts_.clock.now();
  const auto token = token_.snapshot();
  if (requested_by_) return "request";
  if (now_ms < next_try_ms_) return "";
  if (!token) return "start";
  if (token->ends_at && now >= token->issued_at + (*token->ends_at - token->issued_at) * 2 / 3) {
    return "schedule";
  }
  if (now_ms >= refused_again_ms_ && refused_.exchange(false, std::memory_order_relaxed)) {
    refused_again_ms_ = now_ms + times_.refused_pause_ms;
    return "refused";
  }
  return "";
}

Task<bool> WorkloadIdentity::renew(std::string trigger) {
  auto log = trigger == "request" ? last_ : std::make_shared<Rotation>();
  last_ = log;
  log->upstream = upstream_;
  log->trigger = trigger;
  log->started_at = parts_.clock.now();
  requested_by_.reset();
  const std::int64_t began_ms = parts_.loop.now_ms();
  if (token_.snapshot()) log->old_key_id = config_.service_account_id;
  Task<Result<Token>> exchanging = exchange();
  Result<Token> token = co_await exchanging;
  const std::int64_t took_ms = parts_.loop.now_ms() - began_ms;
  log->steps.push_back({"exchange", token.has_value(), token ? "" : token.error().what, took_ms});
  log->state = token ? Rotation::State::kDone : Rotation::State::kFailed;
  tell(*log, token ? nullptr : &token.error());
  if (!token) {
    log::error("identity.exchange_failed",
               {{"upstream", upstream_}, {"reason", token.error().what}});
    co_return false;
  }
  auto credential = std::make_shared<Credential>();
  credential->provider_key_id = config_.service_account_id;
  credential->secret = token->secret;
  credential->issued_at = parts_.clock.now();
  credential->ends_at = credential->issued_at + token->life;
  log->new_key_id = credential->provider_key_id;
  token_.publish(std::move(credential));
  refused_.store(false, std::memory_order_relaxed);
  co_return true;
}

Task<Result<WorkloadIdentity::Token>> WorkloadIdentity::exchange() {
  IdentityClaims claims;
  claims.issuer = config_.issuer;
  claims.audience = config_.audience;
  claims.subject = config_.subject.empty() ? "sallyport:" + config_.instance : config_.subject;
  claims.issued_at = parts_.clock.now();
  claims.life = asked_life();
  Result<std::string> jwt = key_->sign(claims);
  if (!jwt) co_return std::unexpected(jwt.error());
  PatientQuestion question;
  question.question.method = "POST";
  question.question.url = config_.token_url;
  question.question.headers = {{"content-type", "application/json"},
                               {"accept", "application/json"}};
  JsonWriter json(question.question.body);
  json.begin_object().field("grant_type", kGrant).field("subject_token_type", kSubjectType);
  json.field("subject_token", *jwt).field("identity_provider_id", config_.identity_provider_id);
  json.field("service_account_id", config_.service_account_id);
  if (!config_.client_id.empty()) json.field("client_id", config_.client_id);
  json.end_object();
  question.limits = limits_;
  Task<Result<net::Reply>> asking =
      ask_patiently(parts_.loop, parts_.resolver, tls_, std::move(question));
  Result<net::Reply> reply = co_await asking;
  if (!reply) co_return std::unexpected(std::move(reply).error());
  const Result<JsonValue> answer = JsonValue::parse(reply->body);
  explicit_bzero(reply->body.data(), reply->body.size());
  const auto value = answer && answer->is_object() ? answer->at("access_token") : std::nullopt;
  const auto text = value ? value->string() : std::nullopt;
  const bool fits = text && !text->empty() && text->size() <= kTokenBytesMax &&
                    std::ranges::all_of(*text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!fits) co_return fail(Code::kCorrupt, "the token endpoint's answer has no access_token");
  // Without expires_in an hour, as the provider's own clients assume; never longer than what it was
  // made from.
  const std::int64_t told_s = integer_of(*answer, "expires_in").value_or(kLifeMax.count());
  if (told_s <= 0) co_return fail(Code::kCorrupt, "the token's life is over before it begins");
  Token token;
  token.secret = std::make_shared<const Secret>(*text);
  token.life = std::min(std::chrono::seconds(told_s), asked_life());
  co_return token;
}

void WorkloadIdentity::tell(const Rotation& rotation, const Error* wrong) {
  Event event = make_event(parts_.clock.now(), "identity.exchange", [&](JsonWriter& json) {
    json.field("trigger", rotation.trigger).field("kid", key_->kid());
    json.field("identity_provider_id", config_.identity_provider_id);
    json.field("took_ms", rotation.steps.back().took_ms);
    if (wrong) json.field("reason", wrong->what);
  });
  event.upstream = upstream_;
  event.provider_key_id = config_.service_account_id;
  if (!rotation.actor.empty()) event.actor = rotation.actor;
  if (wrong) event.error = "identity_exchange_failed";
  record(parts_.recorder, std::move(event));
}

}  // namespace sallyport::provider
