// SPDX-License-Identifier: Apache-2.0
// The path of every request through the ring: no lock, no disk; what a request is told of its key
// is made when the key is first seen, and kept.
#include <algorithm>
#include <utility>

#include "keys/bindings.h"
#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

// Principals that a thread keeps; a key that is pushed out costs about a microsecond again.
constexpr std::size_t kSlots = 1024;
constexpr std::size_t kTokenSlots = 256;  // derived tokens that were verified lately
constexpr std::int64_t kUseStepMs = 60'000;

}  // namespace

const char* name(KeyFault fault) {
  switch (fault) {
    case KeyFault::kNone:
      return "none";
    case KeyFault::kBadFormat:
      return "bad_format";
    case KeyFault::kBadChecksum:
      return "bad_checksum";
    case KeyFault::kPublicKid:
      return "public_kid";
    case KeyFault::kUnknown:
      return "unknown";
    case KeyFault::kBadSecret:
      return "bad_secret";
    case KeyFault::kOtherPepper:
      return "other_pepper";
    case KeyFault::kRevoked:
      return "revoked";
    case KeyFault::kLayerRevoked:
      return "layer_revoked";
    case KeyFault::kDamaged:
      return "damaged";
    case KeyFault::kExpired:
      return "expired";
    case KeyFault::kBlocked:
      return "key_blocked";
    case KeyFault::kNotYetValid:
      return "not_yet_valid";
    case KeyFault::kIssuedBefore:
      return "issued_before";
    case KeyFault::kLayerExpired:
      return "layer_expired";
    case KeyFault::kWrongSource:
      return "wrong_source";
    case KeyFault::kWrongCountry:
      return "wrong_country";
    case KeyFault::kWrongNetwork:
      return "wrong_network";
    case KeyFault::kWrongHours:
      return "wrong_hours";
    case KeyFault::kWrongCertificate:
      return "wrong_certificate";
    case KeyFault::kWrongProof:
      return "wrong_proof";
    case KeyFault::kNoDerived:
      return "no_derived_tokens";
    case KeyFault::kBadCaveat:
      return "bad_caveat";
    case KeyFault::kTokenRevoked:
      return "token_revoked";
    case KeyFault::kTokenExpired:
      return "token_expired";
    case KeyFault::kUnavailable:
      return "key_store_unavailable";
  }
  return "unknown";
}

// --- The state of a key and its layers

// A call of the store that hangs answers nobody: so the time is compared here.
bool KeyRing::silent() const {
  if (!watched_.load(std::memory_order_relaxed)) return false;
  if (keep_when_silent_.load(std::memory_order_relaxed)) return false;
  return clock_.steady_us() - heard_us_.load(std::memory_order_relaxed) > kStalenessMaxUs;
}

// What is final comes before what is a matter of time; no role and no flag comes before either.
KeyFault KeyRing::chain_fault(const Found& found, UtcTime now) {
  const Entry& entry = found.entry();
  if (entry.revoked()) return KeyFault::kRevoked;
  KeyFault above = KeyFault::kNone;
  if (entry.layer != nullptr) {
    above = found.layer == nullptr ? KeyFault::kDamaged : found.layer->fault(entry.created_ms, now);
  }
  if (above == KeyFault::kLayerRevoked) return above;
  if (entry.damaged) return KeyFault::kDamaged;
  if (ms(now) >= entry.expires_ms) return KeyFault::kExpired;
  return entry.blocked ? KeyFault::kBlocked : above;
}

KeyRing::Found KeyRing::locate(const Snapshot& snapshot, std::string_view kid) {
  Found found{.snapshot = &snapshot, .shard = nullptr, .at = 0, .layer = nullptr};
  found.shard = snapshot.find(kid, found.at);
  if (found.shard == nullptr) return found;
  const std::string* path = found.entry().layer;
  if (path != nullptr) found.layer = snapshot.tree->find(*path);
  return found;
}

bool KeyRing::alive(std::string_view kid, UtcTime now) const {
  if (kid == kOpenKid) return !required_;
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  const Found found = locate(*snapshot, kid);
  return found.shard != nullptr && chain_fault(found, latest(now)) == KeyFault::kNone;
}

// --- Reader

struct KeyRing::Reader::Slot {
  Kid kid{};
  std::uint64_t serial = 0;  // of the snapshot it was made from
  std::shared_ptr<const Principal> principal;
};

KeyRing::Reader::Reader(const KeyRing& ring, KeyMac mac, std::vector<KeyMac> previous,
                        DerivedMac chain)
    : ring_(&ring),
      mac_(std::move(mac)),
      previous_(std::move(previous)),
      snapshot_(ring.published_),
      chain_(std::move(chain)),
      slots_(kSlots),
      tokens_(kTokenSlots) {}
KeyRing::Reader::Reader(Reader&&) noexcept = default;
KeyRing::Reader& KeyRing::Reader::operator=(Reader&&) noexcept = default;
KeyRing::Reader::~Reader() = default;

Result<KeyRing::Reader> KeyRing::Reader::make(const KeyRing& ring) {
  Result<KeyMac> mac = ring.mac_.copy();
  if (!mac) return std::unexpected(mac.error());
  std::vector<KeyMac> previous;
  for (const KeyMac& old : ring.previous_) {
    Result<KeyMac> copy = old.copy();
    if (!copy) return std::unexpected(copy.error());
    previous.push_back(std::move(*copy));
  }
  Result<DerivedMac> chain = DerivedMac::make();
  if (!chain) return std::unexpected(chain.error());
  return Reader(ring, std::move(*mac), std::move(previous), std::move(*chain));
}

KeyCheck KeyRing::Reader::check(std::string_view credential, const Presented& shown) {
  if (credential.starts_with(kDerivedPrefix)) return check_derived(credential, shown);
  const ParsedKey parsed = parse_key(credential);
  const auto refuse = [&](KeyFault fault) {
    return KeyCheck{.fault = fault, .principal = nullptr, .claimed_kid = parsed.kid};
  };
  if (parsed.fault == FormatFault::kBadFormat) return refuse(KeyFault::kBadFormat);
  if (parsed.fault == FormatFault::kBadChecksum) return refuse(KeyFault::kBadChecksum);
  if (ring_->silent()) return refuse(KeyFault::kUnavailable);

  const Found found = locate(*snapshot_, parsed.kid);
  const KeyFault stranger = authenticate(credential, parsed.kid, found);
  if (stranger != KeyFault::kNone) return refuse(stranger);
  Bindings bindings(shown);
  const KeyFault unfit = admit(found, bindings, shown);
  if (unfit != KeyFault::kNone) return refuse(unfit);
  return {.fault = KeyFault::kNone, .principal = principal(found), .claimed_kid = parsed.kid};
}

// The same work for a kid we know and one we do not.
KeyFault KeyRing::Reader::authenticate(std::string_view credential, std::string_view kid,
                                       const Found& found) {
  const std::uint8_t pepper = found.shard == nullptr ? 0 : found.entry().pepper;
  const bool old = pepper > 0 && pepper <= previous_.size();
  const Result<Mac> mac = (old ? previous_[pepper - 1U] : mac_).compute(credential);
  if (!mac) return KeyFault::kUnavailable;
  const bool right = equal(*mac, found.shard ? found.entry().mac : ring_->dummy_mac_);
  if (is_public_kid(kid)) return KeyFault::kPublicKid;
  if (found.shard == nullptr) return KeyFault::kUnknown;
  if (pepper > previous_.size()) return KeyFault::kOtherPepper;
  if (!right) return KeyFault::kBadSecret;
  if (old) {
    const Result<Mac> renewed = mac_.compute(credential);
    if (renewed) ring_->offer_remac(kid, pepper, *renewed);
  }
  return KeyFault::kNone;
}

KeyFault KeyRing::Reader::admit(const Found& found, Bindings& bindings, const Presented& shown) {
  const UtcTime now = ring_->latest(shown.now);
  const KeyFault dead = chain_fault(found, now);
  if (dead != KeyFault::kNone) return dead;
  const Entry& entry = found.entry();
  if (entry.not_before_ms != kNoTime && ms(shown.now) < entry.not_before_ms) {
    return KeyFault::kNotYetValid;
  }
  KeyFault fault = bindings.fault(entry.grant->restrictions);
  for (const LayerNode* node = found.layer; node != nullptr && fault == KeyFault::kNone;
       node = node->parent.get()) {
    fault = bindings.fault(node->info.restrictions);
  }
  if (fault != KeyFault::kNone) return fault;
  if (entry.used_ms->load(std::memory_order_relaxed) + kUseStepMs <= ms(shown.now)) {
    entry.used_ms->store(ms(shown.now), std::memory_order_relaxed);
  }
  return KeyFault::kNone;
}

namespace {

// What a layer does not list is nothing a key below may call its work.
void keep_listed(const std::vector<std::string>& listed, std::vector<std::string>& may_say,
                 std::string& own) {
  if (listed.empty()) return;
  const auto unknown = [&](const std::string& text) {
    return std::ranges::find(listed, text) == listed.end();
  };
  std::erase_if(may_say, unknown);
  if (unknown(own)) own = "unlisted";
}

}  // namespace

std::shared_ptr<const Principal> KeyRing::Reader::principal(const Found& found) {
  const Kid& kid = found.shard->kids[found.at];
  Slot& slot = slots_[TextHash()(text(kid)) % kSlots];
  if (slot.principal && slot.serial == found.snapshot->serial && slot.kid == kid) {
    return slot.principal;
  }
  const Entry& entry = found.entry();
  const KeyScope& scope = entry.grant->scope;
  auto made = std::make_shared<Principal>();
  made->api_key_id = found.shard->name(entry);
  made->kid = text(kid);
  made->expires_at = utc(entry.expires_ms);
  for (const LayerNode* node = found.layer; node != nullptr; node = node->parent.get()) {
    if (node->info.expires_at)
      made->expires_at = std::min(made->expires_at, *node->info.expires_at);
  }
  auto layer = std::make_shared<Layer>();
  layer->parent = found.layer == nullptr ? nullptr : found.layer->layer;
  layer->account = "key:" + made->api_key_id;
  layer->restrictions = entry.grant->restrictions;
  made->layer = std::move(layer);
  if (entry.layer != nullptr) made->layer_path = *entry.layer;
  made->upstream = scope.upstream;
  made->may_name_organization = scope.may_name_organization;
  made->modules = scope.modules;
  made->purposes = scope.purposes;
  made->module = scope.module;
  made->purpose = scope.purpose;
  for (const LayerNode* node = found.layer; node != nullptr; node = node->parent.get()) {
    const Restrictions& above = node->info.restrictions;
    keep_listed(above.modules, made->modules, made->module);
    keep_listed(above.purposes, made->purposes, made->purpose);
  }
  slot = {.kid = kid, .serial = found.snapshot->serial, .principal = std::move(made)};
  return slot.principal;
}

}  // namespace sallyport::keys
