// SPDX-License-Identifier: Apache-2.0
#include "keys/key_delivery.h"

#include <string.h>

#include <utility>

#include "base/json_writer.h"
#include "base/log.h"
#include "keys/secret_file.h"
#include "keys/webhook_signature.h"
#include "net/http_client.h"

namespace sallyport::keys {
namespace {

constexpr std::string_view kFile = "file:";
constexpr std::string_view kName = "{name}";

// "app-chat", "app-*"; empty fits all.
bool fits(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return true;
  if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == text;
}

bool is_loopback(const std::string& host) {
  const auto address = IpAddress::parse(host);
  return host == "localhost" || (address && address->is_loopback());
}

// Worth another attempt: the receiver is overloaded, broken or slow, not unwilling.
bool may_work_later(int status) {
  return status >= 500 || status == 408 || status == 425 || status == 429;
}

std::string message(const KeyDelivery::Parcel& parcel, UtcTime now) {
  std::string body;
  body.reserve(2048);  // one buffer, so that one wipe is enough
  JsonWriter(body)
      .begin_object()
      .field("type", "key.rotated")
      .field("timestamp", std::string_view(format_utc(now)))
      .key("data")
      .begin_object()
      .field("name", parcel.name)
      .field("layer", parcel.layer)
      .field("kid", parcel.kid)
      .field("replaces", parcel.replaces)
      .field("expires_at", std::string_view(format_utc(parcel.expires_at)))
      .field("rotation_id", parcel.rotation_id)
      .field("key", parcel.secret->reveal())
      .end_object()
      .end_object();
  return body;
}

// An id of a message has no dot; the same rotation gives the same id.
std::string message_id(const KeyDelivery::Parcel& parcel) { return "msg_" + parcel.kid; }

}  // namespace

struct KeyDelivery::Target {
  std::string key, layer;
  std::string path;  // of a file; empty: a webhook
  std::string url_text;
  std::shared_ptr<const Secret> sign_with;
  std::shared_ptr<const net::TlsContext> tls;
};

KeyDelivery::KeyDelivery(DeliveryParts parts, std::int64_t first_wait_ms)
    : parts_(parts), first_wait_ms_(first_wait_ms) {}

namespace {

Result<std::string> check_path(const DeliveryConfig& config) {
  const std::string path = config.to.substr(kFile.size());
  const std::size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash + 1 == path.size()) {
    return fail(Code::kInvalid, "to: file: needs an absolute path");
  }
  if (path.find(kName) < slash) {
    return fail(Code::kInvalid, "to: {name} may stand in the last part of a path only");
  }
  const bool many = config.key.empty() || config.key.ends_with('*');
  if (many && !path.contains(kName)) {
    return fail(Code::kInvalid, "to: several keys would share one file: put {name} into the path");
  }
  return path;
}

// '*' is only understood at the end; anywhere else it would fit no key, and silently.
Result<void> check_patterns(const DeliveryConfig& config) {
  for (const auto& [field, pattern] : {std::pair{"key", &config.key}, {"layer", &config.layer}}) {
    const std::size_t star = pattern->find('*');
    if (star == std::string::npos || star + 1 == pattern->size()) continue;
    return fail(Code::kInvalid, std::string(field) + ": * may stand at the end only");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<KeyDelivery>> KeyDelivery::make(const std::vector<DeliveryConfig>& targets,
                                                       DeliveryParts parts,
                                                       std::int64_t first_wait_ms) {
  std::unique_ptr<KeyDelivery> made(new KeyDelivery(parts, first_wait_ms));
  for (const DeliveryConfig& config : targets) {
    auto target = make_target(config);
    if (!target) {
      return fail(Code::kInvalid, "keys.deliver[" + std::to_string(made->targets_.size()) + "]." +
                                      target.error().what);
    }
    made->targets_.push_back(std::move(*target));
  }
  return made;
}

Result<void> KeyDelivery::check(const DeliveryConfig& config) {
  const auto target = make_target(config);
  if (!target) return std::unexpected(target.error());
  return {};
}

Result<std::shared_ptr<const KeyDelivery::Target>> KeyDelivery::make_target(
    const DeliveryConfig& config) {
  const Result<void> readable = check_patterns(config);
  if (!readable) return std::unexpected(readable.error());
  if (config.to.empty()) {
    return fail(Code::kInvalid,
                "to: missing; write file:/run/keys/{name}, or an https address with sign_with");
  }
  auto target = std::make_shared<Target>();
  target->key = config.key;
  target->layer = config.layer;
  if (config.to.starts_with(kFile)) {
    Result<std::string> path = check_path(config);
    if (!path) return std::unexpected(path.error());
    target->path = std::move(*path);
    return target;
  }
  const Result<net::Url> url = net::parse_url(config.to);
  if (!url) return fail(Code::kInvalid, "to: " + url.error().what);
  if (!url->tls && !is_loopback(url->host)) {
    return fail(Code::kInvalid, "to: a secret travels over https only");
  }
  if (!config.sign_with) return fail(Code::kInvalid, "sign_with: missing");
  const Result<std::string> proof = webhook_signature(*config.sign_with, "msg", 0, "");
  if (!proof) return fail(Code::kInvalid, "sign_with: " + proof.error().what);
  if (url->tls) {
    auto context = net::TlsContext::client(config.ca_file.value_or(""));
    if (!context) return fail(Code::kInvalid, "ca: " + context.error().what);
    target->tls = std::move(*context);
  }
  target->url_text = config.to;
  target->sign_with = config.sign_with;
  return target;
}

const KeyDelivery::Target* KeyDelivery::find(std::string_view name, std::string_view layer) const {
  for (const auto& target : targets_) {
    if (fits(target->key, name) && fits(target->layer, layer)) return target.get();
  }
  return nullptr;
}

bool KeyDelivery::has_target(std::string_view name, std::string_view layer) const {
  return find(name, layer) != nullptr;
}

std::optional<std::size_t> KeyDelivery::target(std::string_view name,
                                               std::string_view layer) const {
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (fits(targets_[i]->key, name) && fits(targets_[i]->layer, layer)) return i;
  }
  return std::nullopt;
}

Task<Result<void>> KeyDelivery::deliver(net::Loop& loop, Parcel parcel) const {
  const Target* target = find(parcel.name, parcel.layer);
  if (target == nullptr) co_return fail(Code::kNotFound, "no target for keys of this name");
  if (target->path.empty()) {
    Result<void> sent = co_await to_webhook(loop, *target, std::move(parcel));
    co_return sent;
  }
  std::string path = target->path;
  // A name is made of letters that are safe in a path; "." and ".." are refused when it is opened.
  const std::size_t at = path.find(kName);
  if (at != std::string::npos) path.replace(at, kName.size(), parcel.name);
  Result<void> written = co_await to_file(loop, std::move(path), parcel.secret);
  co_return written;
}

Task<Result<void>> KeyDelivery::to_file(net::Loop& loop, std::string path,
                                        std::shared_ptr<const Secret> secret) const {
  const auto outcome = std::make_shared<Result<void>>(fail(Code::kUnavailable, "shutting down"));
  std::function<void()> work = [outcome, path, secret] {
    *outcome = write_secret_file(path, *secret);
  };
  co_await parts_.disk.run(loop, std::move(work));
  co_return *outcome;
}

Task<Result<int>> KeyDelivery::post(net::Loop& loop, const Target& target, std::string id,
                                    std::string body) const {
  const std::int64_t now_s =
      std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.now().time_since_epoch())
          .count();
  const Result<std::string> signature = webhook_signature(*target.sign_with, id, now_s, body);
  if (!signature) co_return std::unexpected(signature.error());
  net::Question question;
  question.method = "POST";
  question.url = target.url_text;
  question.headers.emplace_back("content-type", "application/json");
  question.headers.emplace_back("webhook-id", std::move(id));
  question.headers.emplace_back("webhook-timestamp", std::to_string(now_s));
  question.headers.emplace_back("webhook-signature", *signature);
  question.body = std::move(body);
  question.answer_bytes_max = 64 * 1024;  // nobody reads it
  question.timeout_ms = kAnswerMs;
  const Result<net::Reply> reply =
      co_await net::ask(loop, parts_.resolver, target.tls, std::move(question));
  if (!reply) co_return std::unexpected(reply.error());
  co_return reply->status;
}

Task<Result<void>> KeyDelivery::to_webhook(net::Loop& loop, const Target& target,
                                           Parcel parcel) const {
  const std::string id = message_id(parcel);
  std::string body = message(parcel, parts_.clock.now());
  std::int64_t wait_ms = first_wait_ms_;
  Result<void> outcome;
  for (int attempt = 1; attempt <= kAttemptsMax; ++attempt) {
    const Result<int> status = co_await post(loop, target, id, body);
    if (status && *status >= 200 && *status < 300) {
      outcome = {};
      break;
    }
    const bool again = !status || may_work_later(*status);
    outcome = fail(again ? Code::kUnavailable : Code::kDenied,
                   status ? "the receiver answered " + std::to_string(*status)
                          : "the receiver did not answer: " + status.error().what);
    log::warn("keys.not_delivered", {{"name", parcel.name},
                                     {"kid", parcel.kid},
                                     {"attempt", attempt},
                                     {"reason", outcome.error().what}});
    if (!again || attempt == kAttemptsMax) break;
    co_await loop.sleep_for(wait_ms);
    wait_ms *= 2;
  }
  explicit_bzero(body.data(), body.size());
  co_return outcome;
}

}  // namespace sallyport::keys
