// SPDX-License-Identifier: Apache-2.0
// Keeping a lease: what is due, making one, swapping it in. Its end is in lease_retirement.cc.
#include "provider/leases.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/log.h"
#include "provider/record.h"

namespace sallyport::provider {
namespace {

// Whatever was begun has its row, and the next start ends it.
constexpr const char* kStopped = "the gateway stops";

}  // namespace

std::string_view name(Rotation::State state) {
  switch (state) {
    case Rotation::State::kRunning:
      return "running";
    case Rotation::State::kDone:
      return "done";
    case Rotation::State::kFailed:
      return "failed";
  }
  return "unknown";
}

Result<std::shared_ptr<LeasedCredential>> LeasedCredential::make(LeaseParts parts,
                                                                 std::string upstream,
                                                                 LeaseConfig config,
                                                                 AdminAccess access, Probe probe,
                                                                 LeaseTimes times) {
  auto client = AdminClient::make(parts.loop, parts.resolver, std::move(access));
  if (!client) return std::unexpected(client.error());
  return std::shared_ptr<LeasedCredential>(new LeasedCredential(
      parts, std::move(upstream), std::move(config), std::move(*client), std::move(probe), times));
}

LeasedCredential::LeasedCredential(LeaseParts parts, std::string upstream, LeaseConfig config,
                                   std::shared_ptr<const AdminClient> client, Probe probe,
                                   LeaseTimes times)
    : parts_(parts),
      upstream_(std::move(upstream)),
      config_(std::move(config)),
      client_(std::move(client)),
      probe_(std::move(probe)),
      times_(times),
      retry_ms_(times.retry_ms) {}

void LeasedCredential::refused(std::string_view provider_key_id) {
  const auto now = credential_.snapshot();
  if (now && now->provider_key_id == provider_key_id) {
    refused_.store(true, std::memory_order_relaxed);
  }
}

void LeasedCredential::start() { parts_.loop.spawn(keep(shared_from_this())); }

Result<void> LeasedCredential::request(std::string actor, std::optional<std::int64_t> drain_ms) {
  if (rotating_ || requested_by_) return fail(Code::kDenied, "a rotation is under way");
  if (!parts_.recorder.accepting()) {
    return fail(Code::kUnavailable, "the journal cannot write; nothing was done");
  }
  requested_by_ = std::move(actor);
  requested_drain_ms_ = drain_ms;
  // A key that is still being drained may be the one that leaked.
  const std::int64_t until_ms = parts_.loop.now_ms() + drain_ms.value_or(config_.drain_ms);
  for (const auto& [name, one] : retiring_) {
    if (one->drain_until_ms) one->drain_until_ms = std::min(*one->drain_until_ms, until_ms);
  }
  last_ = std::make_shared<Rotation>();
  last_->upstream = upstream_;
  last_->trigger = "request";
  last_->actor = *requested_by_;
  last_->started_at = parts_.clock.now();
  return {};
}

CredentialStatus LeasedCredential::status() const {
  CredentialStatus status;
  status.upstream = upstream_;
  status.mode = config_.mode;
  if (const auto now = credential_.snapshot()) {
    status.provider_key_id = now->provider_key_id;
    status.issued_at = now->issued_at;
    status.renew_at = now->issued_at + std::chrono::milliseconds(config_.life_ms / 2);
    status.ends_at = now->ends_at;
  }
  status.pending_deletions = retiring_.size();
  status.last = last_;
  return status;
}

// The only task that renews, so that two renewals never meet.
Task<void> LeasedCredential::keep(Self self) {
  net::Loop& loop = self->parts_.loop;
  while (!self->stopped_) {
    if (!self->recovered_) {
      Task<bool> recovering = self->recover();
      self->recovered_ = co_await recovering;
    }
    Task<std::string> asking = self->due();
    const std::string trigger = co_await asking;
    if (!trigger.empty()) {
      self->rotating_ = true;
      Task<bool> rotating = self->rotate(trigger);
      const bool done = co_await rotating;
      self->rotating_ = false;
      self->retry_ms_ =
          done ? self->times_.retry_ms : std::min(self->retry_ms_ * 2, self->times_.retry_max_ms);
      self->next_try_ms_ = loop.now_ms() + (done ? 0 : self->retry_ms_ / 2);
    }
    // Only with a lease of our own in use: a sweep that goes wrong must not leave us without one.
    if (self->recovered_ && self->active_ && loop.now_ms() >= self->next_sweep_ms_) {
      self->next_sweep_ms_ = loop.now_ms() + self->times_.sweep_every_ms;
      Task<void> sweeping = self->sweep();
      co_await sweeping;
    }
    co_await loop.sleep_for(self->times_.tick_ms);
  }
}

// What an earlier process left. Its accounts are retired once we have one of our own; until then
// they do no harm, and an outage of the Admin API should not take more away.
Task<bool> LeasedCredential::recover() {
  Task<Result<std::vector<LeaseRow>>> asking = rows();
  Result<std::vector<LeaseRow>> found = co_await asking;
  if (!found) {
    log::error("lease.store_unavailable",
               {{"upstream", upstream_}, {"reason", found.error().what}});
    co_return false;
  }
  std::vector<LeaseRow> old;
  for (LeaseRow& row : *found) {
    if (owns_ ? !owns_(row) : row.upstream != upstream_) continue;
    remember(row.key_id);
    if (row.upstream != upstream_) {
      log::warn("lease.adopted", {{"lease", row.name}, {"from", row.upstream}, {"by", upstream_}});
      row.upstream = upstream_;
    }
    row.state = LeaseState::kRetiring;
    row.since = parts_.clock.now();
    old.push_back(row);
  }
  if (old.empty()) co_return true;
  Task<Result<void>> putting = put(old);
  const Result<void> kept = co_await putting;
  if (!kept) co_return false;
  for (const LeaseRow& row : old) tell("lease.found", row, "", "left by an earlier process");
  co_return true;
}

Task<std::string> LeasedCredential::due() {
  const std::int64_t now_ms = parts_.loop.now_ms();
  if (requested_by_) co_return "request";
  if (now_ms < next_try_ms_ || !recovered_ || !parts_.recorder.accepting()) co_return "";
  const auto current = credential_.snapshot();
  if (!current) co_return "start";
  const UtcTime now = parts_.clock.now();
  if (now >= current->issued_at + std::chrono::milliseconds(config_.life_ms / 2)) {
    if (current->ends_at && now >= *current->ends_at && !std::exchange(overdue_told_, true)) {
      tell("lease.overdue", *active_, "lease_overdue",
           "the lease could not be renewed in its life");
    }
    co_return "schedule";
  }
  if (refused_.load(std::memory_order_relaxed) && now_ms >= refused_again_ms_) {
    refused_again_ms_ = now_ms + times_.refused_pause_ms;
    Task<bool> asking = still_refused();
    const bool refused = co_await asking;
    refused_.store(refused, std::memory_order_relaxed);
    if (refused) co_return "refused";
  }
  co_return "";
}

// A 401 may have been about one request only; a renewal is not free.
Task<bool> LeasedCredential::still_refused() {
  const auto current = credential_.snapshot();
  Task<Result<bool>> asking = probe_key(parts_.loop, parts_.resolver, probe_, current->secret);
  const Result<bool> works = co_await asking;
  co_return works && !*works;
}

Task<bool> LeasedCredential::rotate(std::string trigger) {
  Log log = trigger == "request" ? last_ : std::make_shared<Rotation>();
  last_ = log;
  log->upstream = upstream_;
  log->trigger = trigger;
  log->started_at = parts_.clock.now();
  std::int64_t drain_ms = requested_drain_ms_.value_or(config_.drain_ms);
  requested_by_.reset();
  requested_drain_ms_.reset();
  const auto old = credential_.snapshot();
  if (old) log->old_key_id = old->provider_key_id;
  if (trigger == "refused") drain_ms = 0;  // what the provider refuses serves nobody

  Task<Result<Minted>> minting = mint(log);
  Result<Minted> minted = co_await minting;
  if (!minted) {
    log->state = Rotation::State::kFailed;
    if (stopped_) co_return false;
    log::error("lease.renewal_failed", {{"upstream", upstream_},
                                        {"trigger", trigger},
                                        {"reason", minted.error().what},
                                        {"in_use", old ? old->provider_key_id : "none"}});
    co_return false;
  }
  const std::int64_t began_ms = parts_.loop.now_ms();
  std::optional<LeaseRow> replaced = std::exchange(active_, minted->row);
  credential_.publish(minted->credential);
  refused_.store(false, std::memory_order_relaxed);
  overdue_told_ = false;
  log->new_key_id = minted->credential->provider_key_id;

  std::vector<LeaseRow> changed{minted->row};
  if (replaced) {
    replaced->state = LeaseState::kRetiring;
    replaced->since = parts_.clock.now();
    changed.push_back(*replaced);
  }
  // Should the store not take this, a restart retires both all the same: no row is "kept" by one.
  Task<Result<void>> putting = put(std::move(changed));
  const Result<void> kept = co_await putting;
  step(log, minted->row, "swap", began_ms, kept ? nullptr : &kept.error());
  if (trigger == "request") wait_for_earlier(log);
  if (replaced) {
    begin_retiring(std::move(*replaced), old, log, drain_ms);
  } else {
    if (log->waits_for == 0) log->state = Rotation::State::kDone;
    next_sweep_ms_ = 0;  // retires what recover() found
  }
  co_return true;
}

Task<Result<LeasedCredential::Minted>> LeasedCredential::mint(Log log) {
  std::int64_t began_ms = parts_.loop.now_ms();
  Task<Result<LeaseRow>> beginning = begin_row();
  Result<LeaseRow> row = co_await beginning;
  if (!row) {
    step(log, LeaseRow(), "create", began_ms, &row.error());
    co_return std::unexpected(std::move(row).error());
  }
  Task<Result<MintedKey>> creating = client_->create_service_account(config_.project, row->name);
  Result<MintedKey> made = co_await creating;
  if (stopped_) co_return fail(Code::kUnavailable, kStopped);
  if (!made) {
    step(log, *row, "create", began_ms, &made.error());
    const bool nothing = AdminClient::without_effect(made.error());
    Task<void> giving_up = give_up(*row, made.error().what, !nothing, nullptr);
    co_await giving_up;
    co_return std::unexpected(std::move(made).error());
  }
  row->account_id = made->account.id;
  row->key_id = made->key_id;
  remember(row->key_id);
  Task<Result<void>> putting = put({*row});
  const Result<void> kept = co_await putting;
  step(log, *row, "create", began_ms, nullptr);
  if (!kept) {
    // Its row says "creating" and has its name: it would be found. But a lease that we cannot keep
    // book of is not used.
    Task<void> giving_up = give_up(*row, kept.error().what, true, made->value);
    co_await giving_up;
    co_return std::unexpected(kept.error());
  }
  began_ms = parts_.loop.now_ms();
  Task<Result<void>> testing = test(made->value);
  const Result<void> works = co_await testing;
  if (stopped_) co_return fail(Code::kUnavailable, kStopped);
  step(log, *row, "test", began_ms, works ? nullptr : &works.error());
  if (!works) {
    Task<void> giving_up = give_up(*row, works.error().what, true, made->value);
    co_await giving_up;
    co_return std::unexpected(works.error());
  }
  auto credential = std::make_shared<Credential>();
  credential->provider_key_id = made->key_id;
  credential->secret = made->value;
  credential->issued_at = parts_.clock.now();
  credential->ends_at = credential->issued_at + std::chrono::milliseconds(config_.life_ms);
  row->state = LeaseState::kActive;
  row->since = credential->issued_at;
  co_return Minted{std::move(*row), std::move(credential)};
}

// A new key may need a moment before every server of the provider knows it.
Task<Result<void>> LeasedCredential::test(std::shared_ptr<const Secret> key) {
  const std::int64_t until = parts_.loop.now_ms() + times_.test_for_ms;
  for (;;) {
    Task<Result<bool>> asking = probe_key(parts_.loop, parts_.resolver, probe_, key);
    const Result<bool> works = co_await asking;
    if (works && *works) co_return Result<void>();
    if (stopped_ || parts_.loop.now_ms() >= until) {
      if (!works) co_return std::unexpected(works.error());
      co_return fail(Code::kUnavailable, "the provider does not accept the new key");
    }
    co_await parts_.loop.sleep_for(times_.probe_every_ms);
  }
}

// A lease that came to nothing. `may_exist`: its account may be there, and is then deleted.
Task<void> LeasedCredential::give_up(LeaseRow row, std::string why, bool may_exist,
                                     std::shared_ptr<const Secret> key) {
  if (!may_exist) {
    Task<Result<void>> forgetting = forget(row.name);
    (void)co_await forgetting;  // a row that stays is looked for once more and found to be nothing
    co_return;
  }
  row.state = LeaseState::kRetiring;
  row.since = parts_.clock.now();
  tell("lease.abandoned", row, "", why);
  Task<Result<void>> putting = put({row});
  (void)co_await putting;  // "creating" on disk is retired by the next start as well
  std::shared_ptr<Credential> unused;
  if (key) {  // with it the deletion can be proved
    unused = std::make_shared<Credential>();
    unused->provider_key_id = row.key_id;
    unused->secret = std::move(key);
  }
  begin_retiring(std::move(row), std::move(unused), nullptr, {});
}

void LeasedCredential::remember(const std::string& key_id) {
  if (key_id.empty() || std::ranges::find(key_ids_, key_id) != key_ids_.end()) return;
  key_ids_.push_back(key_id);
  if (key_ids_.size() > kKeyIdsMax) key_ids_.pop_front();
}

void LeasedCredential::step(const Log& log, const LeaseRow& row, std::string name,
                            std::int64_t began_ms, const Error* wrong) {
  const std::int64_t took_ms = parts_.loop.now_ms() - began_ms;
  tell("lease." + name, row, wrong ? "lease_" + name + "_failed" : "", wrong ? wrong->what : "",
       took_ms, log);
  if (log)
    log->steps.push_back({std::move(name), wrong == nullptr, wrong ? wrong->what : "", took_ms});
}

void LeasedCredential::tell(std::string_view action, const LeaseRow& row, std::string_view error,
                            std::string_view what, std::optional<std::int64_t> ms, const Log& log) {
  Event event = make_event(parts_.clock.now(), action, [&](JsonWriter& json) {
    json.field("lease", row.name).field("generation", row.generation);
    json.field("project", row.project.empty() ? config_.project : row.project);
    if (!row.account_id.empty()) json.field("account_id", row.account_id);
    if (log) json.field("trigger", log->trigger);
    if (!what.empty()) json.field("reason", what);
    if (ms) json.field(action == "lease.dead" ? "time_to_death_ms" : "took_ms", *ms);
  });
  event.upstream = upstream_;
  if (!row.key_id.empty()) event.provider_key_id = row.key_id;
  if (!error.empty()) event.error = std::string(error);
  if (log && !log->actor.empty()) event.actor = log->actor;
  record(parts_.recorder, std::move(event));
}

namespace {

// Work for the disk's thread and what came of it; owned by both sides.
template <class T>
struct Work {
  std::optional<Result<T>> done;
};

}  // namespace

Task<Result<void>> LeasedCredential::put(std::vector<LeaseRow> rows) {
  auto work = std::make_shared<Work<void>>();
  std::function<void()> act = [work, &store = parts_.store, rows = std::move(rows)] {
    work->done.emplace(store.put(rows));
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  co_return std::move(*work->done);
}

Task<Result<void>> LeasedCredential::forget(std::string name) {
  auto work = std::make_shared<Work<void>>();
  std::function<void()> act = [work, &store = parts_.store, name = std::move(name)] {
    work->done.emplace(store.remove(name));
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  co_return std::move(*work->done);
}

Task<Result<std::vector<LeaseRow>>> LeasedCredential::rows() {
  auto work = std::make_shared<Work<std::vector<LeaseRow>>>();
  std::function<void()> act = [work, &store = parts_.store] { work->done.emplace(store.list()); };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  co_return std::move(*work->done);
}

Task<Result<LeaseRow>> LeasedCredential::begin_row() {
  auto work = std::make_shared<Work<LeaseRow>>();
  std::function<void()> act = [work, &store = parts_.store, upstream = upstream_,
                               project = config_.project, instance = config_.instance,
                               now = parts_.clock.now()] {
    work->done.emplace(store.begin(upstream, project, instance, now));
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  co_return std::move(*work->done);
}

}  // namespace sallyport::provider
