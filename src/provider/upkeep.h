// SPDX-License-Identifier: Apache-2.0
// All that this room does by itself, as tasks on the house's loop: leases, exchanged tokens, the
// watch over the provider's audit log, keys and retention, and the comparison of usage. It has no
// thread of its own. What it holds is shared with its tasks, so it may end before the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/ports/setting_store.h"
#include "event/ports/usage.h"
#include "provider/config.h"
#include "provider/credential.h"
#include "provider/leases.h"
#include "provider/reconcile.h"
#include "provider/rotation.h"

namespace sallyport::provider {

class AccountWatch;

// All outlive the tasks, which end with the loop.
struct UpkeepParts {
  net::Loop& loop;
  net::Resolver& resolver;
  net::Offload& disk;
  const Clock& clock;
  Recorder& recorder;
  LeaseStore& leases;
  SettingStore& settings;
  const OwnUsage& usage;
};

// An issuer that this gate is, and the public part of its key.
struct OwnIssuer {
  std::string issuer;
  std::string jwk;
};

class Upkeep final : public CredentialSources {
 public:
  // kInvalid names what of the configuration is wrong. Nothing is asked before start().
  static Result<std::unique_ptr<Upkeep>> make(UpkeepParts parts,
                                              std::vector<UpstreamCredential> upstreams,
                                              Config watch, ReconcileConfig reconcile,
                                              AskLimits limits = {}, LeaseTimes times = {});
  ~Upkeep() override;

  void start();  // on the loop's thread, or before it runs
  void stop();

  // Any thread.
  std::shared_ptr<CredentialSource> find(std::string_view upstream) const override;

  // The loop's thread.
  std::vector<CredentialStatus> list() const;
  // Begins the renewal of one upstream's credential. kNotFound: no such upstream; kInvalid: its
  // credential is static; kDenied: one is under way.
  Result<void> rotate(std::string_view upstream, std::string actor,
                      std::optional<std::int64_t> drain_ms);
  // Of the upstreams with workload identity; what does not change while this lives.
  std::vector<OwnIssuer> issuers() const;
  // Null: there is no admin key for it.
  Reconciler* reconciler() const { return reconciler_.get(); }
  // The provider's word about what was spent; null without an admin key. Any thread.
  const ProviderUsage* spend() const { return reconciler_.get(); }

 private:
  struct Kept {
    UpstreamCredential upstream;
    std::shared_ptr<CredentialSource> source;        // null: static
    std::shared_ptr<RenewableCredential> renewable;  // the same object
    std::function<void()> start, stop;
    std::optional<OwnIssuer> issuer;  // of workload identity
  };
  explicit Upkeep(UpkeepParts parts) : parts_(parts) {}
  static Task<void> tell_ownerless(UpkeepParts parts, std::vector<UpstreamCredential> upstreams);
  Result<Kept> keep(UpstreamCredential upstream, AskLimits limits, LeaseTimes times);
  Result<void> watch(const Config& config, const ReconcileConfig& reconcile, AskLimits limits);

  UpkeepParts parts_;
  std::vector<UpstreamCredential> upstreams_;
  std::vector<Kept> kept_;
  std::shared_ptr<AccountWatch> watch_;
  std::shared_ptr<Reconciler> reconciler_;
};

}  // namespace sallyport::provider
