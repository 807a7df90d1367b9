// SPDX-License-Identifier: Apache-2.0
// The end of a lease: its streams end, its account is deleted, its death is proved. Nothing gives
// up here: a row stays until its account is known to be gone.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "provider/leases.h"
#include "provider/record.h"

namespace sallyport::provider {

void LeasedCredential::begin_retiring(LeaseRow row, std::shared_ptr<const Credential> old, Log log,
                                      std::int64_t drain_ms) {
  if (retiring_.size() >= kRetiringMax || !retiring_.insert(row.name).second) {
    // The next sweep finds its row. A rotation cannot wait for that.
    if (log) log->state = Rotation::State::kFailed;
    return;
  }
  parts_.loop.spawn(
      retire(shared_from_this(), std::move(row), std::move(old), std::move(log), drain_ms));
}

Task<void> LeasedCredential::retire(Self self, LeaseRow row, std::shared_ptr<const Credential> old,
                                    Log log, std::int64_t drain_ms) {
  net::Loop& loop = self->parts_.loop;
  std::int64_t began_ms = loop.now_ms();
  if (old) {
    Task<void> draining = self->drain(old, drain_ms);
    co_await draining;
    self->step(log, row, "drain", began_ms, nullptr);
  }
  began_ms = loop.now_ms();
  if (row.account_id.empty()) {
    const std::int64_t settled_ms = began_ms + self->times_.settle_ms;
    for (;;) {
      Task<Result<std::string>> looking = self->find_account(row.name);
      const Result<std::string> found = co_await looking;
      if (self->stopped_) co_return;
      if (found) row.account_id = *found;
      if (found && (!found->empty() || loop.now_ms() >= settled_ms)) break;
      co_await loop.sleep_for(self->times_.retry_ms);
    }
  }
  if (row.account_id.empty()) {
    self->tell("lease.absent", row, "", "the account was never made");
  } else {
    Task<bool> removing = self->remove_account(row);
    const bool removed = co_await removing;
    if (!removed) co_return;
    self->step(log, row, "delete", began_ms, nullptr);
    began_ms = loop.now_ms();
    Task<std::int64_t> verifying = self->verify(row, old);
    const std::int64_t death_ms = co_await verifying;
    if (self->stopped_) co_return;
    if (old && log) log->time_to_death_ms = death_ms;
    if (log) log->steps.push_back({"verify", true, "", loop.now_ms() - began_ms});
    // Without the secret only the list was asked: how long the key lived on is not known.
    self->tell("lease.dead", row, "", old ? "" : "by the list of accounts",
               old ? std::optional(death_ms) : std::nullopt, log);
  }
  for (;;) {
    Task<Result<void>> forgetting = self->forget(row.name);
    const Result<void> forgotten = co_await forgetting;
    if (forgotten || self->stopped_) break;
    co_await loop.sleep_for(self->times_.retry_max_ms);
  }
  if (log) log->state = Rotation::State::kDone;
  self->retiring_.erase(row.name);
}

// Twice without a user: a request may have taken the snapshot and not yet counted itself.
Task<void> LeasedCredential::drain(std::shared_ptr<const Credential> old, std::int64_t drain_ms) {
  const std::int64_t until = parts_.loop.now_ms() + drain_ms;
  for (int quiet = 0; quiet < 2 && parts_.loop.now_ms() < until;) {
    quiet = old->uses().load(std::memory_order_acquire) == 0 ? quiet + 1 : 0;
    if (quiet < 2) co_await parts_.loop.sleep_for(std::min<std::int64_t>(times_.tick_ms, 250));
  }
}

// The id of the account of that name; empty: there is none.
Task<Result<std::string>> LeasedCredential::find_account(std::string name) {
  Task<Result<std::vector<ServiceAccount>>> asking =
      client_->list_service_accounts(config_.project);
  const Result<std::vector<ServiceAccount>> accounts = co_await asking;
  if (!accounts) co_return std::unexpected(accounts.error());
  const auto at = std::ranges::find(*accounts, name, &ServiceAccount::name);
  co_return at == accounts->end() ? std::string() : at->id;
}

Task<bool> LeasedCredential::remove_account(LeaseRow row) {
  const std::int64_t began_ms = parts_.loop.now_ms();
  std::int64_t pause_ms = times_.retry_ms;
  bool told = false;
  for (;;) {
    Task<Result<void>> asking = client_->delete_service_account(row.project, row.account_id);
    const Result<void> deleted = co_await asking;
    const std::int64_t waited_ms = parts_.loop.now_ms() - began_ms;
    if (stopped_) co_return false;
    if (deleted) co_return true;
    log::warn("lease.delete_failed",
              {{"upstream", upstream_}, {"lease", row.name}, {"reason", deleted.error().what}});
    if (waited_ms >= times_.incident_after_ms && !std::exchange(told, true)) {
      tell("lease.delete", row, "lease_delete_failed", deleted.error().what, waited_ms);
    }
    co_await parts_.loop.sleep_for(pause_ms);
    pause_ms = std::min(pause_ms * 2, times_.retry_max_ms);
  }
}

// Is the key refused? Where its secret is gone: is its account off the list?
Task<Result<bool>> LeasedCredential::dead(LeaseRow row, std::shared_ptr<const Credential> old) {
  if (old) {
    Task<Result<bool>> asking = probe_key(parts_.loop, parts_.resolver, probe_, old->secret);
    const Result<bool> works = co_await asking;
    if (!works) co_return std::unexpected(works.error());
    co_return !*works;
  }
  Task<Result<std::string>> looking = find_account(row.name);
  const Result<std::string> found = co_await looking;
  if (!found) co_return std::unexpected(found.error());
  co_return found->empty();
}

// Twice in a row: a deleted key was seen to be answered now and then (facts in the docs). The value
// is when the first of the two came.
Task<std::int64_t> LeasedCredential::verify(LeaseRow row, std::shared_ptr<const Credential> old) {
  const std::int64_t began_ms = parts_.loop.now_ms();
  std::int64_t pause_ms = times_.probe_every_ms;
  std::optional<std::int64_t> first_ms;
  bool told = false;
  for (;;) {
    Task<Result<bool>> asking = dead(row, old);
    const Result<bool> gone = co_await asking;
    const std::int64_t waited_ms = parts_.loop.now_ms() - began_ms;
    if (stopped_) co_return 0;
    if (gone && *gone && first_ms) co_return *first_ms;
    if (gone) first_ms = *gone ? std::optional(waited_ms) : std::nullopt;
    if (!first_ms && waited_ms >= times_.incident_after_ms && !std::exchange(told, true)) {
      tell("lease.verify", row, "lease_still_alive", "the deleted key is still accepted",
           waited_ms);
    }
    const std::int64_t wait_ms = first_ms ? times_.probe_every_ms : pause_ms;
    co_await parts_.loop.sleep_for(wait_ms);
    pause_ms = std::min(pause_ms * 3 / 2, times_.probe_every_max_ms);
  }
}

// Rows that nobody works on, and accounts with our name that no row claims.
Task<void> LeasedCredential::sweep() {
  // Rows before the accounts and after them: of what is made or deleted meanwhile one has its row.
  Task<Result<std::vector<LeaseRow>>> reading = rows();
  const Result<std::vector<LeaseRow>> before = co_await reading;
  Task<Result<std::vector<ServiceAccount>>> asking =
      client_->list_service_accounts(config_.project);
  Result<std::vector<ServiceAccount>> accounts = co_await asking;
  reading = rows();
  Result<std::vector<LeaseRow>> known = co_await reading;
  if (!before || !known) co_return;
  for (LeaseRow& row : *known) {
    const bool ours = row.upstream == upstream_ && (!active_ || row.name != active_->name);
    if (ours && !retiring_.contains(row.name)) begin_retiring(row, nullptr, nullptr, 0);
  }
  if (!accounts) {
    log::warn("lease.sweep_failed", {{"upstream", upstream_}, {"reason", accounts.error().what}});
    co_return;
  }
  for (const ServiceAccount& account : *accounts) {
    if (!is_lease_name(account.name, config_.instance)) continue;
    if (std::ranges::find(*known, account.name, &LeaseRow::name) != known->end()) continue;
    if (std::ranges::find(*before, account.name, &LeaseRow::name) != before->end()) continue;
    if (retiring_.contains(account.name)) continue;
    LeaseRow row;
    row.name = account.name;
    row.upstream = upstream_;
    row.project = config_.project;
    row.state = LeaseState::kRetiring;
    row.account_id = account.id;
    row.since = parts_.clock.now();
    Task<Result<void>> putting = put({row});
    const Result<void> kept = co_await putting;
    if (!kept) co_return;
    tell("lease.orphan", row, "lease_orphan", "an account with our name that no lease claims");
    begin_retiring(std::move(row), nullptr, nullptr, 0);
  }
}

}  // namespace sallyport::provider
