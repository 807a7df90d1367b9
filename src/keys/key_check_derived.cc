// SPDX-License-Identifier: Apache-2.0
// Derived tokens on the path of a request. A token is its parent with less: the parent must live
// and be let in as if it had come itself, and the token's own caveats are one more layer.
#include <algorithm>
#include <cstring>
#include <utility>

#include "keys/bindings.h"
#include "keys/derived_caveats.h"
#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

std::size_t slot_of(const Mac& digest, std::size_t slots) {
  std::size_t place = 0;
  std::memcpy(&place, digest.data(), sizeof place);
  return place % slots;
}

// A token says of its work what its parent may say, and then no header says otherwise: who makes a
// token does not choose his baseline.
bool fix(const std::optional<std::string>& claim, std::vector<std::string>& may_say,
         std::string& own) {
  if (!claim) return true;
  if (*claim != own && std::ranges::find(may_say, *claim) == may_say.end()) return false;
  own = *claim;
  may_say.clear();
  return true;
}

}  // namespace

KeyCheck KeyRing::Reader::check_derived(std::string_view credential, const Presented& shown) {
  const ParsedDerived token = parse_derived(credential);
  const auto refuse = [&](KeyFault fault) {
    return KeyCheck{.fault = fault, .principal = nullptr, .claimed_kid = token.kid};
  };
  if (token.fault == FormatFault::kBadFormat) return refuse(KeyFault::kBadFormat);
  if (token.fault == FormatFault::kBadChecksum) return refuse(KeyFault::kBadChecksum);
  if (ring_->silent()) return refuse(KeyFault::kUnavailable);

  const Found found = locate(*snapshot_, token.kid);
  std::shared_ptr<const Principal> who;
  const KeyFault stranger = verify(token, credential, found, who);
  if (stranger != KeyFault::kNone) return refuse(stranger);

  Bindings bindings(shown);
  KeyFault unfit = admit(found, bindings, shown);
  if (unfit == KeyFault::kNone) {
    unfit = ring_->token_fault(found, token.tid, *who->dated_at, who->expires_at, shown.now);
  }
  if (unfit == KeyFault::kNone) unfit = bindings.fault(who->layer->restrictions);
  if (unfit != KeyFault::kNone) return refuse(unfit);
  return {.fault = KeyFault::kNone, .principal = std::move(who), .claimed_kid = token.kid};
}

// What was verified under this snapshot is known by the digest of its whole text; the same chain is
// computed for a kid we do not know.
KeyFault KeyRing::Reader::verify(const ParsedDerived& token, std::string_view credential,
                                 const Found& found, std::shared_ptr<const Principal>& who) {
  const Result<Mac> digest = mac_.compute(credential);
  if (!digest) return KeyFault::kUnavailable;
  TokenSlot& slot = tokens_[slot_of(*digest, tokens_.size())];
  if (slot.principal && slot.serial == snapshot_->serial && equal(slot.digest, *digest)) {
    who = slot.principal;
    return KeyFault::kNone;
  }
  const Secret* const root = found.shard == nullptr ? nullptr : found.entry().root;
  const Result<bool> genuine = chain_.verify(token, root ? *root : ring_->dummy_root_);
  if (!genuine) return KeyFault::kUnavailable;
  if (is_public_kid(token.kid)) return KeyFault::kPublicKid;
  if (found.shard == nullptr) return KeyFault::kUnknown;
  if (root == nullptr) return KeyFault::kNoDerived;
  if (!*genuine) return KeyFault::kBadSecret;
  Result<std::shared_ptr<const Principal>> made = principal_of(token, found);
  if (!made) return KeyFault::kBadCaveat;
  who = std::move(*made);
  slot = {.digest = *digest, .serial = found.snapshot->serial, .principal = who};
  return KeyFault::kNone;
}

Result<std::shared_ptr<const Principal>> KeyRing::Reader::principal_of(const ParsedDerived& token,
                                                                       const Found& found) {
  Result<DerivedClaims> claims = read_caveats(token.caveats());
  if (!claims) return std::unexpected(claims.error());
  const std::shared_ptr<const Principal> parent = principal(found);
  auto made = std::make_shared<Principal>(*parent);
  made->tid = std::string(token.tid);
  made->dated_at = claims->issued_at;
  made->expires_at = std::min(parent->expires_at, claims->expires_at);
  auto layer = std::make_shared<Layer>();
  layer->parent = parent->layer;
  // Two keys may have tokens of one tid: each counts for itself.
  layer->account = "token:" + std::string(token.kid) + "." + std::string(token.tid);
  layer->restrictions = std::move(claims->restrictions);
  made->layer = std::move(layer);
  if (!fix(claims->module, made->modules, made->module) ||
      !fix(claims->purpose, made->purposes, made->purpose)) {
    return fail(Code::kDenied, "more than the parent may say");
  }
  return std::shared_ptr<const Principal>(std::move(made));
}

}  // namespace sallyport::keys
