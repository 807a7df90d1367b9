// SPDX-License-Identifier: Apache-2.0
// Which service accounts at the provider are ours, so that no restart forgets one. Secrets are not
// in it: a lease does not outlive the process that made it; the next one makes its own and deletes
// this. Implemented by store/sqlite_leases.*.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "provider/config.h"

namespace sallyport::provider {

enum class LeaseState {
  kCreating,  // asked for; whether the account exists is not known unless account_id is
  kActive,    // in use by the process that made it
  kRetiring,  // to be deleted, and not yet known to be dead
};
std::string_view name(LeaseState state);

struct LeaseRow {
  std::string name;  // of the account; unique for ever, since generations are never used twice
  std::string upstream;
  std::string project;
  std::uint64_t generation = 0;
  LeaseState state = LeaseState::kCreating;
  std::string account_id, key_id;  // empty until known
  UtcTime since{};                 // of the state
};

class LeaseStore {
 public:
  virtual ~LeaseStore() = default;
  // All block on the disk, at most about 2 s; any thread. kUnavailable: the store did not answer.
  virtual Result<std::vector<LeaseRow>> list() = 0;
  // Takes the next generation and writes a row in kCreating, durable before it returns.
  virtual Result<LeaseRow> begin(std::string_view upstream, std::string_view project,
                                 std::string_view instance, UtcTime now) = 0;
  // Rows by name, new or not; all or none.
  virtual Result<void> put(const std::vector<LeaseRow>& rows) = 0;
  virtual Result<void> remove(std::string_view name) = 0;
};

// "sallyport-<instance>-<generation>".
std::string lease_name(std::string_view instance, std::uint64_t generation);
// Is this such a name of that instance? Of no other: the rest must be digits alone.
bool is_lease_name(std::string_view name, std::string_view instance);

// Whose task it is to end this lease: the upstream of its name if that has leases, else the first
// with leases of the same project and instance (it was renamed); null: nobody's.
const UpstreamCredential* owner_of(const LeaseRow& row,
                                   const std::vector<UpstreamCredential>& upstreams);

}  // namespace sallyport::provider
