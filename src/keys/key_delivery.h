// SPDX-License-Identifier: Apache-2.0
// How a new secret reaches whoever needs it, without a person and without a log: into a file, or as
// a signed message to an address of the configuration. Nothing is executed, nothing is printed, and
// no answer to a request carries it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "keys/delivery_config.h"
#include "keys/key_info.h"
#include "net/connect.h"
#include "net/offload.h"
#include "net/tls.h"

namespace sallyport::keys {

// What delivering needs of the house; all of it outlives the deliveries.
struct DeliveryParts {
  net::Resolver& resolver;
  net::Offload& disk;
  const Clock& clock;
};

class KeyDelivery {
 public:
  static constexpr int kAttemptsMax = 6;
  static constexpr std::int64_t kAnswerMs = 10'000;
  static constexpr std::int64_t kFirstWaitMs = 1'000;  // doubles with every attempt

  // kInvalid: a target that cannot be used, by number and reason. `first_wait_ms` is for tests.
  static Result<std::unique_ptr<KeyDelivery>> make(const std::vector<DeliveryConfig>& targets,
                                                   DeliveryParts parts,
                                                   std::int64_t first_wait_ms = kFirstWaitMs);

  // The same for one of them, without its number: "to: a secret travels over https only". Opens the
  // file of authorities.
  static Result<void> check(const DeliveryConfig& config);

  // Is there a target for keys of this name on this layer?
  bool has_target(std::string_view name, std::string_view layer) const;
  // Its number in the configuration; nothing: there is none.
  std::optional<std::size_t> target(std::string_view name, std::string_view layer) const;

  struct Parcel {
    std::shared_ptr<const Secret> secret;
    std::string kid, name, layer;
    std::string replaces;     // kid of the old key; empty: none
    UtcTime expires_at{};     // of the new one
    std::string rotation_id;  // the message's id hangs on it: a repeated delivery is recognised
  };
  // Done when the file is durable or the receiver said 2xx. Tries again for about half a minute
  // what may work later. kNotFound: no target; kDenied: the receiver or the directory will not have
  // it; kUnavailable: it did not work within the attempts. The error never holds the secret.
  // On `loop`'s thread; this outlives the task.
  Task<Result<void>> deliver(net::Loop& loop, Parcel parcel) const;

 private:
  struct Target;
  static Result<std::shared_ptr<const Target>> make_target(const DeliveryConfig& config);
  KeyDelivery(DeliveryParts parts, std::int64_t first_wait_ms);
  const Target* find(std::string_view name, std::string_view layer) const;
  Task<Result<void>> to_file(net::Loop& loop, std::string path,
                             std::shared_ptr<const Secret> secret) const;
  Task<Result<void>> to_webhook(net::Loop& loop, const Target& target, Parcel parcel) const;
  Task<Result<int>> post(net::Loop& loop, const Target& target, std::string id,
                         std::string body) const;

  DeliveryParts parts_;
  std::int64_t first_wait_ms_;
  std::vector<std::shared_ptr<const Target>> targets_;
};

}  // namespace sallyport::keys
