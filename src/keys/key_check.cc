// SPDX-License-Identifier: Apache-2.0
// The path of every request through the ring: no lock, no allocation, no disk.
#include <utility>

#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

std::int64_t ms(UtcTime time) { return time.time_since_epoch().count(); }

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
    case KeyFault::kExpired:
      return "expired";
    case KeyFault::kNotYetValid:
      return "not_yet_valid";
    case KeyFault::kUnavailable:
      return "key_store_unavailable";
  }
  return "unknown";
}

UtcTime KeyRing::latest(UtcTime now) const {
  std::int64_t seen = latest_ms_.load(std::memory_order_relaxed);
  while (ms(now) > seen) {
    if (latest_ms_.compare_exchange_weak(seen, ms(now), std::memory_order_relaxed)) return now;
  }
  return UtcTime(std::chrono::milliseconds(seen));
}

bool KeyRing::alive(std::string_view kid, UtcTime now) const {
  if (kid == kOpenKid) return !required_;
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  const std::shared_ptr<const Entry>* entry = snapshot->find(kid);
  if (entry == nullptr) return false;
  const KeyInfo& key = (*entry)->info;
  return key.state != KeyState::kRevoked && latest(now) < key.expires_at;
}

KeyRing::Reader::Reader(const KeyRing& ring, KeyMac mac)
    : ring_(&ring), mac_(std::move(mac)), snapshot_(ring.published_) {}

Result<KeyRing::Reader> KeyRing::Reader::make(const KeyRing& ring) {
  Result<KeyMac> mac = ring.mac_.copy();
  if (!mac) return std::unexpected(mac.error());
  return Reader(ring, std::move(*mac));
}

KeyCheck KeyRing::Reader::check(std::string_view credential, UtcTime now) {
  const ParsedKey parsed = parse_key(credential);
  const auto refuse = [&](KeyFault fault) {
    return KeyCheck{.fault = fault, .principal = nullptr, .claimed_kid = parsed.kid};
  };
  if (parsed.fault == FormatFault::kBadFormat) return refuse(KeyFault::kBadFormat);
  if (parsed.fault == FormatFault::kBadChecksum) return refuse(KeyFault::kBadChecksum);
  if (ring_->stale_.load(std::memory_order_relaxed)) return refuse(KeyFault::kUnavailable);

  // The same work for a kid we know and one we do not.
  const Result<Mac> mac = mac_.compute(credential);
  if (!mac) return refuse(KeyFault::kUnavailable);
  const std::shared_ptr<const Entry>* found = snapshot_->find(parsed.kid);
  const bool right = equal(*mac, found ? (*found)->mac : ring_->dummy_mac_);
  if (is_public_kid(parsed.kid)) return refuse(KeyFault::kPublicKid);
  if (found == nullptr) return refuse(KeyFault::kUnknown);
  const Entry& entry = **found;
  if (entry.other_pepper) return refuse(KeyFault::kOtherPepper);
  if (!right) return refuse(KeyFault::kBadSecret);

  // No role and no flag comes before this.
  if (entry.info.state == KeyState::kRevoked) return refuse(KeyFault::kRevoked);
  if (ring_->latest(now) >= entry.info.expires_at) return refuse(KeyFault::kExpired);
  if (entry.info.not_before && now < *entry.info.not_before) return refuse(KeyFault::kNotYetValid);
  return {.fault = KeyFault::kNone,
          .principal = std::shared_ptr<const Principal>(*found, &entry.principal),
          .claimed_kid = parsed.kid};
}

}  // namespace sallyport::keys
