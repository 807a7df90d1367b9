// SPDX-License-Identifier: Apache-2.0
// What others do to the account at the provider: its audit log goes into our record, keys and admin
// keys that nobody here knows or nobody uses are told, and so is a retention setting that is not
// the expected one. Everything is told once; what was told survives a restart.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "net/loop.h"
#include "net/offload.h"
#include "provider/admin_client.h"
#include "provider/config.h"
#include "provider/lease_store.h"

namespace sallyport::provider {

// All outlive the watch and its tasks.
struct WatchParts {
  net::Loop& loop;
  net::Offload& disk;
  const Clock& clock;
  Recorder& recorder;
  SettingStore& settings;
  LeaseStore& leases;
};

class AccountWatch final : public std::enable_shared_from_this<AccountWatch> {
 public:
  using Known = std::function<std::vector<std::string>()>;  // ids of our keys; loop's thread
  using AdminSecrets = std::vector<std::shared_ptr<const Secret>>;
  static constexpr std::chrono::hours kExpiryNotice{7 * 24};  // before the end of our admin key
  static constexpr std::chrono::minutes kOverlap{10};  // entries may appear late, and out of order
  static constexpr std::chrono::hours kFirstLookBack{24};
  static constexpr std::size_t kIdsMax = 2'000;   // audit entries remembered against telling twice
  static constexpr std::size_t kKeysMax = 1'000;  // told; that there are more is told as well
  static constexpr int kPagesMax = 50;            // of the audit log, in one round

  // `own`: the admin keys that this gate itself uses.
  AccountWatch(WatchParts parts, std::shared_ptr<const AdminClient> client, Config config,
               Known known, AdminSecrets own = {});

  void start();
  void stop() { stopped_ = true; }

  // One round each; the schedule calls them.
  Task<void> read_audit_log();
  Task<void> look_at_keys();
  Task<void> look_at_admin_keys();
  Task<void> look_at_retention();

 private:
  using Self = std::shared_ptr<AccountWatch>;
  struct Cursor {
    std::int64_t since_s = 0;      // of the newest entry that was told
    std::vector<std::string> ids;  // told, newest last
  };
  static Task<void> follow_audit_log(Self self);
  static Task<void> follow_keys(Self self);
  using Entries = std::vector<AuditLogEntry>;
  Task<Result<void>> read_pages(bool tenant, std::shared_ptr<Entries> fresh);
  void tell_entry(const AuditLogEntry& entry);
  bool tell_once(const char* error, const std::string& key_id);
  void tell_key(const ProjectKey& key, const std::string& project, const char* error);
  void tell_admin_key(const AdminKey& key, const char* error);
  Task<void> keep_told_keys(std::size_t told_before);
  void tell_unavailable(const char* what, const Error& error);
  Task<Result<std::string>> get(std::string name);  // empty: there is none
  Task<Result<void>> put(std::string name, std::string value);
  Task<bool> load_cursor();
  Task<bool> load_told_keys();
  // By name, with the id of the account where it is known.
  using Accounts = std::map<std::string, std::string>;
  Task<Accounts> our_accounts();

  WatchParts parts_;
  const std::shared_ptr<const AdminClient> client_;
  const Config config_;
  const Known known_;
  const AdminSecrets own_;
  bool stopped_ = false;
  bool cursor_loaded_ = false, keys_loaded_ = false;
  Cursor cursor_;
  std::set<std::string> told_keys_;  // "unknown key_x", "dormant key_y"
  std::string told_retention_;
  std::set<std::string> unavailable_;  // told, until it works again
};

}  // namespace sallyport::provider
