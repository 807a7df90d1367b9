// SPDX-License-Identifier: Apache-2.0
// What a renewal of an upstream's credential did, step by step, for the record and the operator.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sallyport::provider {

struct RotationStep {
  std::string name;  // create, test, swap, drain, delete, verify; exchange
  bool ok = true;
  std::string what;  // of a failure; no secrets
  std::int64_t took_ms = 0;
};

// A key that an earlier renewal replaced and that was still alive: its end is waited for as well.
struct EarlierKey {
  std::string key_id;
  bool dead = false;
  std::optional<std::int64_t> time_to_death_ms;  // none: not dead yet, or its secret is not known
};

struct Rotation {
  enum class State { kRunning, kDone, kFailed } state = State::kRunning;
  std::string upstream;
  std::string trigger;  // start, schedule, refused, request
  std::string actor;    // of a request
  UtcTime started_at{};
  std::string old_key_id, new_key_id;  // empty: there was none
  std::vector<RotationStep> steps;
  // From the provider's answer to the deletion to the first of the refusals that prove it.
  std::optional<std::int64_t> time_to_death_ms;
  std::vector<EarlierKey> earlier;  // of a request
  std::size_t waits_for = 0;        // keys of it that are not dead yet; done when there is none
};
std::string_view name(Rotation::State state);

struct CredentialStatus {
  std::string upstream;
  std::string mode;             // as in the configuration
  std::string provider_key_id;  // in use; empty: none yet
  std::optional<UtcTime> issued_at, renew_at, ends_at;
  std::size_t pending_deletions = 0;
  std::shared_ptr<const Rotation> last;  // the newest, also while it runs
};

// What is wrong with the newest renewal, or that there was none yet; empty: nothing. No secrets.
std::string trouble_of(const CredentialStatus& status);

// A credential that can be replaced while requests go on. On the house's loop.
class RenewableCredential {
 public:
  virtual ~RenewableCredential() = default;
  // Begins; the outcome stands in status().last. kDenied: one is under way. kInvalid: this kind
  // cannot be replaced. `drain_ms`: how long streams may keep the old one, instead of what is
  // configured; 0 in an incident. It holds for those that are being drained already, too.
  virtual Result<void> request(std::string actor, std::optional<std::int64_t> drain_ms) = 0;
  virtual CredentialStatus status() const = 0;
  // Those in use and those before, as far as this process knows.
  virtual std::vector<std::string> key_ids() const { return {}; }
};

}  // namespace sallyport::provider
