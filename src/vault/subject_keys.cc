// SPDX-License-Identifier: Apache-2.0
#include "vault/subject_keys.h"

#include <openssl/hmac.h>
#include <string.h>

#include <array>
#include <utility>

#include "base/aead.h"
#include "base/random.h"

namespace sallyport::vault {
namespace {

constexpr std::size_t kSecretBytes = 32, kIdLength = 16;

// HMAC-SHA-256 (RFC 2104) of a label and `text` under `key`.
Result<Secret> mac(const Secret& key, std::string_view label, std::string_view text) {
  std::string input(label);
  input += text;
  std::array<unsigned char, kSecretBytes> out{};
  const bool done = ::HMAC(EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
                           reinterpret_cast<const unsigned char*>(input.data()), input.size(),
                           out.data(), nullptr) != nullptr;
  wipe(input);
  if (!done) return fail(Code::kUnavailable, "OpenSSL failed at HMAC");
  Secret made({reinterpret_cast<const char*>(out.data()), out.size()});
  explicit_bzero(out.data(), out.size());
  return made;
}

Secret fresh_secret() {
  std::array<unsigned char, kSecretBytes> bytes{};
  fill_random(bytes);
  Secret made({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  explicit_bzero(bytes.data(), bytes.size());
  return made;
}

std::string about(std::string_view owner, std::string_view id) {
  return std::string(owner) + '\n' + std::string(id);
}

std::string subject_owner(std::string_view subject) { return "subject:" + std::string(subject); }
std::string day_owner(std::string_view day) { return "day:" + std::string(day); }

}  // namespace

std::string day_of(UtcTime time) {
  const std::string text = format_utc(time);  // 2026-11-25T...
  return text.substr(0, 4) + text.substr(5, 2) + text.substr(8, 2);
}

Result<std::unique_ptr<SubjectKeys>> SubjectKeys::make(const Secret& root, SubjectKeyStore& store) {
  if (root.reveal().size() < kAeadKeyBytes) {
    return fail(Code::kInvalid, "the root key has fewer than 32 bytes");
  }
  Result<Secret> key = mac(root, "sallyport/vault/wrap/1", "");
  if (!key) return std::unexpected(key.error());
  std::unique_ptr<SubjectKeys> keys(new SubjectKeys(std::move(*key), store));
  const Result<Known> known = keys->own(kRootOwner);
  if (known) return keys;
  if (known.error().code != Code::kCorrupt) return std::unexpected(known.error());
  return fail(Code::kDenied,
              "the root key of sealed fields (audit.seal) is not the one that the store's secrets "
              "were wrapped under");
}

Result<SubjectKeys::Known> SubjectKeys::unwrap(const StoredSecret& stored) const {
  Result<Secret> secret = aead_open(root_, stored.wrapped, about(stored.owner, stored.id));
  if (!secret) return std::unexpected(secret.error());
  return Known{stored.id, std::make_shared<const Secret>(std::move(*secret))};
}

// The owner's secret, made when there is none. Called with the lock.
Result<SubjectKeys::Known> SubjectKeys::own(const std::string& owner) {
  const auto known = owners_.find(owner);
  if (known != owners_.end()) return known->second;
  Result<std::optional<StoredSecret>> stored = store_.of_owner(owner);
  if (!stored) return std::unexpected(stored.error());
  if (!*stored) {
    StoredSecret fresh{owner, random_base62(kIdLength), {}};
    Result<std::string> wrapped =
        aead_seal(root_, fresh_secret().reveal(), about(fresh.owner, fresh.id));
    if (!wrapped) return std::unexpected(wrapped.error());
    fresh.wrapped = std::move(*wrapped);
    Result<StoredSecret> kept = store_.put_new(fresh);
    if (!kept) return std::unexpected(kept.error());
    *stored = std::move(*kept);
  }
  Result<Known> unwrapped = unwrap(**stored);
  if (!unwrapped) return unwrapped;
  if (owners_.size() >= kCachedMax) drop_cache();
  owners_.emplace(owner, *unwrapped);
  return unwrapped;
}

void SubjectKeys::drop_cache() {
  owners_.clear();
  by_id_.clear();
  combined_.clear();
}

Result<SubjectKeys::Shared> SubjectKeys::combine(const std::string& id, const Secret& subject,
                                                 std::string_view day, const Secret& of_day) {
  Result<Secret> key = mac(subject, "sallyport/vault/seal/1", of_day.reveal());
  if (!key) return std::unexpected(key.error());
  auto shared = std::make_shared<const Secret>(std::move(*key));
  if (combined_.size() >= kCachedMax) combined_.clear();
  combined_.insert_or_assign(id + ' ' + std::string(day), shared);
  return shared;
}

Result<SubjectKeys::Key> SubjectKeys::for_sealing(std::string_view subject, std::string_view day) {
  const std::lock_guard lock(mutex_);
  const Result<Known> of_subject = own(subject_owner(subject));
  if (!of_subject) return std::unexpected(of_subject.error());
  const auto known = combined_.find(of_subject->id + ' ' + std::string(day));
  if (known != combined_.end()) return Key{of_subject->id, known->second};
  const Result<Known> of_day = own(day_owner(day));
  if (!of_day) return std::unexpected(of_day.error());
  Result<Shared> key = combine(of_subject->id, *of_subject->secret, day, *of_day->secret);
  if (!key) return std::unexpected(key.error());
  return Key{of_subject->id, std::move(*key)};
}

Result<std::shared_ptr<const Secret>> SubjectKeys::for_opening(std::string_view id,
                                                               std::string_view day) {
  const std::lock_guard lock(mutex_);
  const std::string name(id);
  const auto known = combined_.find(name + ' ' + std::string(day));
  if (known != combined_.end()) return known->second;
  Shared subject;
  if (const auto at = by_id_.find(name); at != by_id_.end()) {
    subject = at->second;
  } else {
    const Result<std::optional<StoredSecret>> stored = store_.of_id(name);
    if (!stored) return std::unexpected(stored.error());
    if (!*stored) return fail(Code::kNotFound, "the subject was forgotten");
    Result<Known> unwrapped = unwrap(**stored);
    if (!unwrapped) return std::unexpected(unwrapped.error());
    subject = unwrapped->secret;
    if (by_id_.size() >= kCachedMax) by_id_.clear();
    by_id_.emplace(name, subject);
  }
  const Result<std::optional<StoredSecret>> stored = store_.of_owner(day_owner(day));
  if (!stored) return std::unexpected(stored.error());
  if (!*stored) return fail(Code::kNotFound, "the day was forgotten");
  const Result<Known> of_day = unwrap(**stored);
  if (!of_day) return std::unexpected(of_day.error());
  return combine(name, *subject, day, *of_day->secret);
}

Result<std::size_t> SubjectKeys::forget_subject(std::string_view subject) {
  const std::lock_guard lock(mutex_);
  drop_cache();
  return store_.forget(subject_owner(subject));
}

Result<std::optional<UtcTime>> SubjectKeys::oldest_day() {
  const Result<std::optional<std::string>> day = store_.oldest_day();
  if (!day) return std::unexpected(day.error());
  if (!*day || (*day)->size() != 8) return std::nullopt;
  const std::string& text = **day;
  return parse_utc(text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6) +
                   "T00:00:00.000Z");
}

Result<std::size_t> SubjectKeys::forget_days_before(UtcTime time) {
  const std::lock_guard lock(mutex_);
  drop_cache();
  return store_.forget_days_before(day_of(time));
}

}  // namespace sallyport::vault
