// SPDX-License-Identifier: Apache-2.0
// RFC 8693: a workload brings the token of its own issuer (a pod, a CI job, a SPIFFE identity) and
// gets a short key; nothing static lies in images or settings. This is the decision; the route is
// exchange_route.h, and making the key is left to whoever owns the ring.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/secret.h"
#include "base/source_places.h"
#include "keys/identity_mapping.h"
#include "keys/key_source.h"
#include "keys/replay_memory.h"
#include "net/offload.h"

namespace sallyport::keys {

// What the ring answers. Blocks on the disk; called on a thread of the Offload, never on a loop,
// possibly on several at once. An error means that no key was made.
struct Issued {
  Secret text;
  std::string kid;
  UtcTime expires_at{};
};
using Mint = std::function<Result<Issued>(const Exchanged& granted)>;

// Why there is no key: what the caller hears, and the reason for the record.
struct ExchangeFault {
  int status = 400;
  const char* error = "invalid_grant";  // RFC 6749 5.2
  const char* reason = "";              // stable; never told to the caller
};

struct ExchangeRequest {
  Secret subject_token;
  std::string scope;  // empty: all that the mapping grants
};
// Can a body of this type be read at all?
bool exchange_content(std::string_view content_type);
// `content_type` as it came. Delegation (actor_token) and other targets are refused: to leave them
// out silently would grant another thing than was asked for.
std::expected<ExchangeRequest, ExchangeFault> parse_exchange(std::string_view content_type,
                                                             std::string_view body);

// What the new key is bound to, and where it was asked for.
struct ExchangeBinding {
  std::string ip;           // of the caller, for the record
  std::string certificate;  // x5t#S256 of the connection; empty: none
  // Answers with the thumbprint of the key that a DPoP proof proves, or why it does not; null: no
  // proof came. Called at most once, on a thread of the Offload, when the token has proved genuine:
  // owns what it needs.
  std::function<std::expected<std::string, const char*>()> prove;
  IpAddress source = {};  // the caller as he is counted
};

struct Granted {
  Issued key;
  std::string mapping_id;
  bool proved = false;  // bound to a DPoP key
};

// One for all threads of the gate.
class TokenExchange {
 public:
  // Keys being made at one time, and requests of one source and of all from the verification of
  // their signature on; further ones are told to come again. Whoever brings forged tokens never
  // comes so far as to a place among those whose keys are being made.
  static constexpr int kUnderWayMax = 8;
  static constexpr std::size_t kPlaces = 64, kPlacesPerSource = 12;

  // Where the work is done. `verify` is never held up by a disk.
  struct Threads {
    net::Offload& verify;
    net::Offload& mint;
  };
  // kInvalid: a mapping that may not stand (its sentence says why). What is passed outlives
  // this, and this the end of the threads.
  static Result<std::unique_ptr<TokenExchange>> make(const std::vector<IdentityMapping>& mappings,
                                                     KeySources& sources, Threads threads,
                                                     const Clock& clock, Mint mint);

  // A new configuration: what is not in it any more mints nothing from now on, not even for
  // requests under way. kInvalid, and nothing changes: as make(). On the loop of the sources'
  // keep_fresh.
  Result<void> take(const std::vector<IdentityMapping>& mappings);

  // A signature is verified only when issuer, audience, algorithm, times, claims and the key's name
  // fit. `loop` is the caller's.
  Task<std::expected<Granted, ExchangeFault>> exchange(net::Loop& loop, ExchangeRequest request,
                                                       ExchangeBinding binding);

 private:
  struct Mapping {
    IdentityMapping config;
    JwtExpectations expected;
    KeySource* source = nullptr;
  };
  struct Case;  // one request on its way

  TokenExchange(KeySources& sources, Threads threads, const Clock& clock, Mint mint);
  using Mappings = std::shared_ptr<const std::vector<Mapping>>;
  Mappings mappings() const;
  bool stands(const IdentityMapping& mapping) const;  // in the configuration as it is now
  static std::expected<const Mapping*, ExchangeFault> match(const std::vector<Mapping>& mappings,
                                                            const Jwt& jwt, UtcTime now);
  std::expected<Exchanged, ExchangeFault> grant(const Mapping& mapping, const Jwt& jwt,
                                                const ExchangeRequest& request,
                                                const ExchangeBinding& binding, UtcTime now) const;
  void decide(Case& of);  // on a thread of `mint`

  mutable std::mutex mutex_;
  Mappings mappings_ = std::make_shared<const std::vector<Mapping>>();  // under mutex_
  KeySources& sources_;
  const Threads threads_;
  const Clock& clock_;
  const Mint mint_;
  const UtcTime started_;
  ReplayMemory used_;
  SourcePlaces places_{kPlaces, kPlacesPerSource};
  std::shared_ptr<std::atomic<int>> minting_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace sallyport::keys
