// SPDX-License-Identifier: Apache-2.0
// Leases in memory, for tests: it forgets when it ends, and fails when told.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "provider/lease_store.h"

namespace sallyport::provider {

class MemoryLeaseStore final : public LeaseStore {
 public:
  Result<std::vector<LeaseRow>> list() override {
    const std::lock_guard lock(mutex_);
    if (broken) return fail(Code::kUnavailable, "the store did not answer");
    std::vector<LeaseRow> rows;
    for (const auto& [name, row] : rows_) rows.push_back(row);
    return rows;
  }
  Result<LeaseRow> begin(std::string_view upstream, std::string_view project,
                         std::string_view instance, UtcTime now) override {
    const std::lock_guard lock(mutex_);
    if (broken) return fail(Code::kUnavailable, "the store did not answer");
    LeaseRow row;
    row.generation = ++generation_;
    row.name = lease_name(instance, row.generation);
    row.upstream = upstream;
    row.project = project;
    row.since = now;
    rows_[row.name] = row;
    if (breaks_after_begin) broken = true;
    return row;
  }
  Result<void> put(const std::vector<LeaseRow>& rows) override {
    const std::lock_guard lock(mutex_);
    if (broken) return fail(Code::kUnavailable, "the store did not answer");
    for (const LeaseRow& row : rows) rows_[row.name] = row;
    return {};
  }
  Result<void> remove(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    if (broken) return fail(Code::kUnavailable, "the store did not answer");
    rows_.erase(std::string(name));
    return {};
  }

  std::atomic<bool> broken{false};
  std::atomic<bool> breaks_after_begin{false};

 private:
  std::mutex mutex_;
  std::uint64_t generation_ = 0;
  std::map<std::string, LeaseRow> rows_;
};

}  // namespace sallyport::provider
