// SPDX-License-Identifier: Apache-2.0
// Stage: whose request is this? Trusts `http` to have taken the credential from exactly one place.
// Writes x.principal, or x.claimed_kid and x.denied_because. From outside all failures look the
// same.
#pragma once

#include <memory>

#include "base/clock.h"
#include "event/ports/geography.h"
#include "exchange/stage.h"
#include "keys/config.h"
#include "keys/dpop.h"
#include "keys/key_ring.h"

namespace sallyport::keys {

// One per thread: it owns the thread's reader of the ring.
class Identify final : public Stage {
 public:
  // All outlive the stage; kUnavailable only if OpenSSL fails. Without a geography a key that is
  // bound to a country or a network opens nothing, without `proofs` one that is bound to a
  // proof of possession.
  static Result<std::unique_ptr<Identify>> make(const Config& config, const KeyRing& ring,
                                                const Clock& clock,
                                                const Geography* geography = nullptr,
                                                DpopProofs* proofs = nullptr);
  const char* name() const override { return "identify"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

  // The same decision for callers that are not coroutines (tests, measurements).
  std::optional<Refusal> decide(Exchange& x);

 private:
  Identify(bool required, KeyRing::Reader reader, const Clock& clock, const Geography* geography,
           DpopProofs* proofs);

  KeyRing::Reader reader_;
  const Clock& clock_;
  const Geography* geography_;
  DpopProofs* proofs_;
  std::shared_ptr<const Principal> everybody_;  // only where no key is required
};

}  // namespace sallyport::keys
