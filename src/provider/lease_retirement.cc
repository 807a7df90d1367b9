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
                                      std::optional<std::int64_t> drain_ms) {
  if (old && secrets_.size() < kSecretsMax) secrets_[row.name] = old;
  if (retiring_.size() >= kRetiringMax || retiring_.contains(row.name)) {
    // The next sweep finds its row. A rotation cannot wait for that.
    if (log) log->state = Rotation::State::kFailed;
    return;
  }
  auto one = std::make_shared<Retirement>();
  one->row = std::move(row);
  one->old = std::move(old);
  if (const auto kept = secrets_.find(one->row.name); !one->old && kept != secrets_.end()) {
    one->old = kept->second;
  }
  if (drain_ms) one->drain_until_ms = parts_.loop.now_ms() + *drain_ms;
  one->log = std::move(log);
  if (one->log) ++one->log->waits_for;
  retiring_[one->row.name] = one;
  parts_.loop.spawn(retire(shared_from_this(), std::move(one)));
}

// Whoever asks for a rotation wants to know of every key that may have leaked when it is dead. An
// account whose key was never told to anybody is not among them.
void LeasedCredential::wait_for_earlier(const Log& log) {
  for (const auto& [name, one] : retiring_) {
    if (one->row.key_id.empty()) continue;
    log->earlier.push_back({.key_id = one->row.key_id, .dead = false, .time_to_death_ms = {}});
    one->others.push_back(log);
    ++log->waits_for;
  }
}

void LeasedCredential::ended(Retirement& one, std::optional<std::int64_t> death_ms) {
  for (const Log& log : one.others) {
    const auto at = std::ranges::find(log->earlier, one.row.key_id, &EarlierKey::key_id);
    if (at == log->earlier.end()) continue;
    at->dead = true;
    at->time_to_death_ms = death_ms;
    if (--log->waits_for == 0 && log->state == Rotation::State::kRunning) {
      log->state = Rotation::State::kDone;
    }
  }
  if (one.log && --one.log->waits_for == 0) one.log->state = Rotation::State::kDone;
  secrets_.erase(one.row.name);
  retiring_.erase(one.row.name);
}

Task<void> LeasedCredential::retire(Self self, Ending one) {
  net::Loop& loop = self->parts_.loop;
  LeaseRow& row = one->row;
  const Log log = one->log;
  std::int64_t began_ms = loop.now_ms();
  if (one->old && one->drain_until_ms) {
    Task<void> draining = self->drain(one);
    co_await draining;
    self->step(log, row, "drain", began_ms, nullptr);
  }
  began_ms = loop.now_ms();
  if (row.account_id.empty()) {
    const std::int64_t settled_ms = began_ms + self->times_.settle_ms;
    for (;;) {
      Task<Result<std::string>> looking = self->find_account(row);
      const Result<std::string> found = co_await looking;
      if (self->stopped_) co_return;
      if (found) row.account_id = *found;
      if (found && (!found->empty() || loop.now_ms() >= settled_ms)) break;
      co_await loop.sleep_for(self->times_.retry_ms);
    }
  }
  std::optional<std::int64_t> death_ms;
  if (row.account_id.empty()) {
    self->tell("lease.absent", row, "", "the account was never made");
  } else {
    Task<bool> removing = self->remove_account(row);
    const bool removed = co_await removing;
    if (!removed) co_return;
    self->step(log, row, "delete", began_ms, nullptr);
    began_ms = loop.now_ms();
    Task<std::int64_t> verifying = self->verify(row, one->old);
    const std::int64_t waited_ms = co_await verifying;
    if (self->stopped_) co_return;
    if (one->old) death_ms = waited_ms;
    if (one->old && log) log->time_to_death_ms = death_ms;
    if (log) log->steps.push_back({"verify", true, "", loop.now_ms() - began_ms});
    // How long the key lived on is not known where it cannot be tried.
    self->tell("lease.dead", row, "",
               one->old ? ""
                        : "by the lists of accounts and keys: its secret went with the process "
                          "that made it",
               death_ms, log);
  }
  for (;;) {
    Task<Result<void>> forgetting = self->forget(row.name);
    const Result<void> forgotten = co_await forgetting;
    if (forgotten || self->stopped_) break;
    co_await loop.sleep_for(self->times_.retry_max_ms);
  }
  self->ended(*one, death_ms);
}

// Twice without a user: a request may have taken the snapshot and not yet counted itself. The end
// may come nearer meanwhile.
Task<void> LeasedCredential::drain(Ending one) {
  for (int quiet = 0; quiet < 2 && parts_.loop.now_ms() < *one->drain_until_ms;) {
    quiet = one->old->uses().load(std::memory_order_acquire) == 0 ? quiet + 1 : 0;
    if (quiet < 2) co_await parts_.loop.sleep_for(std::min<std::int64_t>(times_.tick_ms, 250));
  }
}

// The id of the account of that name; empty: there is none.
Task<Result<std::string>> LeasedCredential::find_account(LeaseRow row) {
  Task<Result<std::vector<ServiceAccount>>> asking = client_->list_service_accounts(row.project);
  const Result<std::vector<ServiceAccount>> accounts = co_await asking;
  if (!accounts) co_return std::unexpected(accounts.error());
  const auto at = std::ranges::find(*accounts, row.name, &ServiceAccount::name);
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

// Where nobody has the key any more, the lists are all that can be asked: its account is off the
// one, and the key itself off the other, where the admin key may read that.
Task<Result<bool>> LeasedCredential::unlisted(LeaseRow row) {
  Task<Result<std::vector<ServiceAccount>>> asking = client_->list_service_accounts(row.project);
  const Result<std::vector<ServiceAccount>> accounts = co_await asking;
  if (!accounts) co_return std::unexpected(accounts.error());
  if (std::ranges::find(*accounts, row.account_id, &ServiceAccount::id) != accounts->end()) {
    co_return false;
  }
  if (row.key_id.empty()) co_return true;
  Task<Result<std::vector<ProjectKey>>> listing = client_->list_project_keys(row.project);
  const Result<std::vector<ProjectKey>> keys = co_await listing;
  if (!keys && (keys.error().code == Code::kDenied || keys.error().code == Code::kNotFound)) {
    co_return true;
  }
  if (!keys) co_return std::unexpected(keys.error());
  co_return std::ranges::find(*keys, row.key_id, &ProjectKey::id) == keys->end();
}

// Is the key refused?
Task<Result<bool>> LeasedCredential::dead(LeaseRow row, std::shared_ptr<const Credential> old) {
  if (!old) {
    Task<Result<bool>> looking = unlisted(row);
    co_return co_await looking;
  }
  Task<Result<bool>> asking = probe_key(parts_.loop, parts_.resolver, probe_, old->secret);
  const Result<bool> works = co_await asking;
  if (!works) co_return std::unexpected(works.error());
  co_return !*works;
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
    if (ours && !retiring_.contains(row.name)) begin_retiring(row, nullptr, nullptr, {});
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
    begin_retiring(std::move(row), nullptr, nullptr, {});
  }
}

}  // namespace sallyport::provider
