// SPDX-License-Identifier: Apache-2.0
// One service account per lease. A lease is created, tested, swapped in; the old one is drained,
// deleted, and its death verified. At every step a failure leaves a working credential in place,
// and an account that may exist is written down before it is asked for, so that it is found again.
//
//   row "creating" -> POST -> probe until 200 -> swap -> rows "active", old "retiring"
//   "retiring": wait for its streams -> DELETE until it worked -> probe until 401 twice -> no row
//
// Secrets stay in memory. A start therefore makes a lease of its own and retires all it finds; of
// these the provider's lists prove the death, since nobody has the keys to try them with.
// Everything but published() and refused() belongs to the loop's thread.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/ports/recorder.h"
#include "net/loop.h"
#include "net/offload.h"
#include "provider/admin_client.h"
#include "provider/config.h"
#include "provider/credential.h"
#include "provider/lease_store.h"
#include "provider/rotation.h"

namespace sallyport::provider {

// How patient a lease is; the defaults are for the provider, tests have less.
struct LeaseTimes {
  std::int64_t tick_ms = 500;         // between two looks at what is due
  std::int64_t probe_every_ms = 500;  // a new key until it works, an old one until it does not
  std::int64_t probe_every_max_ms = 30'000;
  std::int64_t test_for_ms = 60'000;  // for a new key to work; then it is given up
  std::int64_t retry_ms = 1'000;      // after a failure; doubled up to retry_max_ms
  std::int64_t retry_max_ms = 300'000;
  std::int64_t incident_after_ms = 60'000;  // a deletion that takes longer is told
  std::int64_t settle_ms = 120'000;  // an account whose creation was not answered may come late
  std::int64_t sweep_every_ms = 600'000;
  std::int64_t refused_pause_ms = 30'000;  // between two renewals because of a 401
};

// All outlive the lease and its tasks, which end with the loop.
struct LeaseParts {
  net::Loop& loop;
  net::Resolver& resolver;
  net::Offload& disk;
  const Clock& clock;
  Recorder& recorder;
  LeaseStore& store;
};

class LeasedCredential final : public CredentialSource,
                               public RenewableCredential,
                               public std::enable_shared_from_this<LeasedCredential> {
 public:
  static constexpr std::size_t kRetiringMax = 64;  // deletions at one time; others wait their turn
  static constexpr std::size_t kSecretsMax = 256;  // of keys to be deleted; beyond it lists prove
  static constexpr std::size_t kKeyIdsMax = 256;   // of ours, the newest
  using Owns = std::function<bool(const LeaseRow& row)>;

  static Result<std::shared_ptr<LeasedCredential>> make(LeaseParts parts, std::string upstream,
                                                        LeaseConfig config, AdminAccess access,
                                                        Probe probe, LeaseTimes times = {});

  // Any thread.
  const Published<Credential>& published() const override { return credential_; }
  void refused(std::string_view provider_key_id) override;

  // Which of the rows that a start finds are for it to retire; without this those of its name.
  void owns(Owns owns) { owns_ = std::move(owns); }
  void start();  // spawns the task that keeps a lease; it ends with the loop or after stop()
  // Nothing new is begun; a deletion under way is ended by the next start, which finds its row.
  void stop() { stopped_ = true; }

  Result<void> request(std::string actor, std::optional<std::int64_t> drain_ms) override;
  CredentialStatus status() const override;
  std::vector<std::string> key_ids() const override { return {key_ids_.begin(), key_ids_.end()}; }

 private:
  struct Minted {
    LeaseRow row;
    std::shared_ptr<const Credential> credential;
  };
  using Self = std::shared_ptr<LeasedCredential>;
  using Log = std::shared_ptr<Rotation>;
  struct Retirement {
    LeaseRow row;
    std::shared_ptr<const Credential> old;       // null: its secret is not known any more
    std::optional<std::int64_t> drain_until_ms;  // loop's clock; none: nobody uses it
    Log log;                                     // of the renewal that replaced it
    std::vector<Log> others;                     // of requests that came while it was under way
  };
  using Ending = std::shared_ptr<Retirement>;

  LeasedCredential(LeaseParts parts, std::string upstream, LeaseConfig config,
                   std::shared_ptr<const AdminClient> client, Probe probe, LeaseTimes times);

  static Task<void> keep(Self self);
  Task<bool> recover();
  Task<std::string> due();
  Task<bool> still_refused();
  Task<bool> rotate(std::string trigger);
  Task<Result<Minted>> mint(Log log);
  Task<Result<void>> test(std::shared_ptr<const Secret> key);
  Task<void> give_up(LeaseRow row, std::string why, bool may_exist,
                     std::shared_ptr<const Secret> key);

  // One deletion, from its streams to the proof.
  static Task<void> retire(Self self, Ending one);
  void begin_retiring(LeaseRow row, std::shared_ptr<const Credential> old, Log log,
                      std::optional<std::int64_t> drain_ms);
  void wait_for_earlier(const Log& log);
  void ended(Retirement& one, std::optional<std::int64_t> death_ms);
  void remember(const std::string& key_id);
  Task<void> drain(Ending one);
  Task<Result<std::string>> find_account(LeaseRow row);
  Task<bool> remove_account(LeaseRow row);
  Task<Result<bool>> unlisted(LeaseRow row);
  Task<Result<bool>> dead(LeaseRow row, std::shared_ptr<const Credential> old);
  Task<std::int64_t> verify(LeaseRow row, std::shared_ptr<const Credential> old);
  Task<void> sweep();

  Task<Result<void>> put(std::vector<LeaseRow> rows);
  Task<Result<void>> forget(std::string name);
  Task<Result<std::vector<LeaseRow>>> rows();
  Task<Result<LeaseRow>> begin_row();

  void step(const Log& log, const LeaseRow& row, std::string name, std::int64_t began_ms,
            const Error* wrong);
  void tell(std::string_view action, const LeaseRow& row, std::string_view error,
            std::string_view what, std::optional<std::int64_t> ms = {}, const Log& log = nullptr);

  LeaseParts parts_;
  const std::string upstream_;
  const LeaseConfig config_;
  const std::shared_ptr<const AdminClient> client_;
  const Probe probe_;
  const LeaseTimes times_;

  Published<Credential> credential_{nullptr};
  std::atomic<bool> refused_{false};
  bool stopped_ = false;
  bool recovered_ = false;
  bool rotating_ = false;
  std::optional<LeaseRow> active_;
  Owns owns_;
  std::map<std::string, Ending> retiring_;  // by name: deletions under way
  std::map<std::string, std::shared_ptr<const Credential>> secrets_;  // by name, until dead
  std::deque<std::string> key_ids_;
  std::optional<std::string> requested_by_;
  std::optional<std::int64_t> requested_drain_ms_;
  Log last_;
  std::int64_t next_try_ms_ = 0;  // of an automatic renewal after a failure; loop's clock
  std::int64_t retry_ms_ = 0;
  std::int64_t next_sweep_ms_ = 0;
  std::int64_t refused_again_ms_ = 0;
  bool overdue_told_ = false;
};

}  // namespace sallyport::provider
