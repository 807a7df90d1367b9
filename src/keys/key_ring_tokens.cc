// SPDX-License-Identifier: Apache-2.0
// What the ring knows of derived tokens: which are revoked, and whether one is genuine.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "keys/derived_caveats.h"
#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

// A token may be dated 60 s ahead of us and live a day; a minute more for clocks that differ.
constexpr std::chrono::milliseconds kForgetAfter =
    kDerivedLifeMax + kDerivedAheadMax + std::chrono::minutes(1);

std::string token_place(std::string_view kid, std::string_view tid) {
  return std::string(kid) + "." + std::string(tid);
}

}  // namespace

bool KeyRing::TokenSet::revoked(std::string_view kid, std::string_view tid) const {
  return !forget_ms.empty() && forget_ms.contains(token_place(kid, tid));
}

// A root that cannot be unwrapped closes the key to derived tokens, and to nothing else.
void KeyRing::take_root(Entry& entry, Pool& pool, const KeyRow& row) const {
  entry.derive = !row.derive_root.empty();
  if (!entry.derive || entry.root != nullptr) return;
  if (!wrap_) {
    log::warn("keys.no_derive_key",
              {{"kid", row.info.kid}, {"effect", "its derived tokens are refused"}});
    return;
  }
  Result<Secret> root = wrap_->unwrap(row.derive_root, row.info.kid);
  if (!root) {
    log::error("keys.root_not_unwrapped", {{"kid", row.info.kid},
                                           {"reason", root.error().what},
                                           {"effect", "its derived tokens are refused"}});
    return;
  }
  entry.root = &pool.roots.emplace_back(std::move(*root));
}

// --- Revoking one token

// One for the key of this kid, or for each living key of this name: after a rotation the token
// hangs on one that is being replaced.
Result<std::vector<TokenRevocation>> KeyRing::token_revocations(std::string_view kid_or_name,
                                                                std::string_view tid,
                                                                std::string_view actor,
                                                                std::string_view why) const {
  if (!is_tid(tid)) return fail(Code::kInvalid, "a token id is 16 characters of 0-9 A-Z a-z");
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (!why.empty() && !valid_label(why)) return fail(Code::kInvalid, "not a valid reason");
  const Result<KeyInfo> newest = show(kid_or_name);
  if (!newest) return std::unexpected(newest.error());
  std::vector<KeyInfo> parents = living(kid_or_name);
  if (parents.empty()) parents.push_back(*newest);
  const UtcTime now = clock_.now();
  std::vector<TokenRevocation> out;
  for (const KeyInfo& parent : parents) {
    out.push_back({.kid = parent.kid,
                   .tid = std::string(tid),
                   .at = now,
                   .by = std::string(actor),
                   .why = std::string(why),
                   .forget_at = latest(now) + kForgetAfter,
                   .version = 0});
  }
  return out;
}

Result<std::vector<TokenRevocation>> KeyRing::revoke_token(std::string_view kid_or_name,
                                                           std::string_view tid,
                                                           std::string_view actor,
                                                           std::string_view why) {
  // As revoke(): dead before the store is asked anything, then once more for what others made.
  revoke_token_now(kid_or_name, tid, actor, why);
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();
  auto revocations = token_revocations(kid_or_name, tid, actor, why);
  if (!revocations) {
    const bool unheard = !fresh && revocations.error().code == Code::kNotFound;
    return unheard ? std::unexpected(fresh.error()) : std::unexpected(revocations.error());
  }
  end_tokens_in_memory(*revocations);
  const Result<void> durable = make_tokens_durable();
  if (!durable) {
    return fail(Code::kUnavailable,
                "revoked in this process, not yet durable: " + durable.error().what);
  }
  return revocations;
}

void KeyRing::end_tokens_in_memory(std::span<const TokenRevocation> revocations) {
  const std::lock_guard lock(mutex_);
  for (const TokenRevocation& revocation : revocations) {
    undurable_tokens_.emplace(token_place(revocation.kid, revocation.tid), revocation);
  }
  publish_tokens(revocations);
}

Result<void> KeyRing::make_tokens_durable() {
  std::map<std::string, TokenRevocation> todo;
  {
    const std::lock_guard lock(mutex_);
    todo = undurable_tokens_;
  }
  for (const auto& [place, revocation] : todo) {
    const Result<TokenRevocation> stored = store_.revoke_token(revocation);
    // kNotFound: the store was replaced and does not know the key any more.
    if (!stored && stored.error().code != Code::kNotFound) {
      complain("token", place, stored.error());
      return std::unexpected(stored.error());
    }
    const std::lock_guard lock(mutex_);
    undurable_tokens_.erase(place);
  }
  return {};
}

void KeyRing::apply_tokens(const std::vector<TokenRevocation>& tokens) {
  if (tokens.empty()) return;
  const std::lock_guard lock(mutex_);
  publish_tokens(tokens);
}

// Holds mutex_. Those that can not be alive any more are forgotten on the way.
void KeyRing::publish_tokens(std::span<const TokenRevocation> more) {
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  const std::int64_t now_ms = ms(time_.confirmed());  // what is forgotten by mistake lives again
  auto next = std::make_shared<TokenSet>();
  for (const auto& [place, forget_ms] : old->tokens->forget_ms) {
    if (forget_ms > now_ms) next->forget_ms.emplace(place, forget_ms);
  }
  for (const TokenRevocation& token : more) {
    if (ms(token.forget_at) <= now_ms) continue;
    next->forget_ms.insert_or_assign(token_place(token.kid, token.tid), ms(token.forget_at));
  }
  Draft draft(*old, false);
  draft.next->tokens = std::move(next);
  published_.publish(draft.finish());
}

// --- What a token may do, once it is known to be genuine

KeyFault KeyRing::token_fault(const Found& found, std::string_view tid, UtcTime issued_at,
                              UtcTime expires_at, UtcTime now) const {
  if (found.snapshot->tokens->revoked(text(found.shard->kids[found.at]), tid)) {
    return KeyFault::kTokenRevoked;
  }
  if (issued_at > now + kDerivedAheadMax) return KeyFault::kNotYetValid;
  if (found.layer != nullptr) {
    // The date is the maker's word: good enough for tokens that leaked, not for a parent that did.
    const KeyFault above = found.layer->fault(ms(issued_at), now);
    if (above != KeyFault::kNone) return above;
  }
  return latest(now) >= expires_at ? KeyFault::kTokenExpired : KeyFault::kNone;
}

bool KeyRing::alive(const Principal& who, UtcTime now) const {
  if (!alive(who.kid, now)) return false;
  if (!who.tid) return true;
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  const Found found = locate(*snapshot, who.kid);
  return found.shard != nullptr && token_fault(found, *who.tid, who.dated_at.value_or(UtcTime()),
                                               who.expires_at, now) == KeyFault::kNone;
}

// --- Whose is it?

Result<Whose> KeyRing::whose(std::string_view secret) const {
  Whose out;
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  if (secret.starts_with(kDerivedPrefix)) {
    const ParsedDerived token = parse_derived(secret);
    if (token.fault != FormatFault::kNone) return out;
    out.kid = token.kid;
    out.tid = token.tid;
    const Found found = locate(*snapshot, token.kid);
    if (found.shard == nullptr || found.entry().root == nullptr) return out;
    Result<DerivedMac> chain = DerivedMac::make();
    if (!chain) return std::unexpected(chain.error());
    const Result<bool> right = chain->verify(token, *found.entry().root);
    if (!right) return std::unexpected(right.error());
    out.genuine = *right;
    if (!out.genuine) return out;
    const Result<DerivedClaims> claims = read_caveats(token.caveats());
    out.token_fault = KeyFault::kBadCaveat;
    if (!claims) return out;
    out.token_expires_at = claims->expires_at;
    out.token_fault =
        token_fault(found, token.tid, claims->issued_at, claims->expires_at, clock_.now());
    return out;
  }
  const ParsedKey key = parse_key(secret);
  if (key.fault != FormatFault::kNone) return out;
  out.kid = key.kid;
  const Found found = locate(*snapshot, key.kid);
  if (found.shard == nullptr || is_public_kid(key.kid)) return out;
  const std::uint8_t pepper = found.entry().pepper;
  if (pepper > previous_.size()) return out;  // under a pepper that is not here: cannot be told
  Result<KeyMac> hmac = (pepper == 0 ? mac_ : previous_[pepper - 1U]).copy();
  if (!hmac) return std::unexpected(hmac.error());
  const Result<Mac> mac = hmac->compute(secret);
  if (!mac) return std::unexpected(mac.error());
  out.genuine = equal(*mac, found.entry().mac);
  return out;
}

}  // namespace sallyport::keys
