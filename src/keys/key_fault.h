// SPDX-License-Identifier: Apache-2.0
// What a caller shows, and why it is not honoured. The reason is for the record, never for the
// caller: from outside every fault but kUnavailable looks the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ip_address.h"
#include "event/ports/geography.h"

namespace sallyport::keys {

enum class KeyFault : std::uint8_t {
  kNone,
  kBadFormat,
  kBadChecksum,
  kPublicKid,  // a key of the published test vectors
  kUnknown,
  kBadSecret,    // the kid is ours, the rest is not
  kOtherPepper,  // the row was written under a pepper that is not configured any more
  kRevoked,
  kLayerRevoked,  // the key's layer, or one above it
  kDamaged,       // the row cannot be read, or hangs on a layer that is not there
  kExpired,
  kBlocked,  // paused by an operator; it may come back
  kNotYetValid,
  kIssuedBefore,  // older than what its layers still accept
  kLayerExpired,
  kWrongSource,
  kWrongCountry,  // or unknown
  kWrongNetwork,  // or unknown
  kWrongHours,
  kWrongCertificate,
  kWrongProof,    // no DPoP proof under the key it is bound to
  kNoDerived,     // a derived token of a key that may have none
  kBadCaveat,     // a caveat that is not known, cannot be read, or leaves nothing
  kTokenRevoked,  // this derived token; its key lives
  kTokenExpired,
  kUnavailable,  // not the caller's fault: the store has been silent for too long
};
const char* name(KeyFault fault);  // "bad_format", "bad_checksum", ...

// A layer and what it does to those below: kLayerRevoked, kLayerExpired, kIssuedBefore, kDamaged.
struct DeadLayer {
  std::string path;
  KeyFault fault = KeyFault::kNone;
};

// Does the request carry a valid DPoP proof (RFC 9449) under the public key of this thumbprint?
using DpopCheck = std::function<bool(std::string_view thumbprint)>;

// What the request shows beside its credential. What is not there satisfies no binding.
struct Presented {
  UtcTime now{};                              // wall clock
  const IpAddress* source = nullptr;          // the client, after trusted proxies
  std::string_view certificate_thumbprint{};  // of a verified client certificate
  const Geography* geography = nullptr;       // asked only if a binding needs it, and then once
  const DpopCheck* dpop = nullptr;            // null: proofs cannot be checked here
};

}  // namespace sallyport::keys
