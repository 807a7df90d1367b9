// SPDX-License-Identifier: Apache-2.0
#include "audit/journal.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "audit/segment.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace sallyport::audit {
namespace {

// The outcome of a request whose own outcome never reached the log: what was known of it stays.
Event aborted(Event event, UtcTime now) {
  event.kind = Kind::kRequest;
  event.timestamp_utc = now;
  event.status.reset();
  event.error = "aborted";
  event.time_raised_ms.reset();
  return event;
}

std::size_t segment_bytes_of(const Config& config, const Limits& limits) {
  return std::clamp(config.segment_bytes, limits.segment_bytes_min, kSegmentBytesMax / 2);
}

// A batch never fills a segment alone, so that no segment grows beyond its size.
Limits within(Limits limits, std::size_t segment_bytes) {
  limits.batch_bytes_max = std::min(limits.batch_bytes_max, segment_bytes / 4);
  return limits;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const Config& config, const Clock& clock,
                                               FileSystem& files, Limits limits, Sealer* sealer) {
  const Result<void> made = files.make_directory(segment_directory(config.path));
  if (!made) return std::unexpected(made.error());
  Result<std::unique_ptr<FileSystem::Lock>> lock = files.lock(config.path + "/lock");
  if (!lock) return std::unexpected(std::move(lock.error()));
  Result<Recovered> found = recover(files, config.path);
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->cut_bytes > 0) {
    log::warn("journal.tail_cut", {{"bytes", static_cast<std::uint64_t>(found->cut_bytes)},
                                   {"next_seq", found->state.written_seq + 1}});
  }
  std::unique_ptr<Journal> journal(
      new Journal(config, clock, files, limits, std::move(*lock), std::move(found->state), sealer));
  journal->begin();
  return journal;
}

Journal::Journal(const Config& config, const Clock& clock, FileSystem& files, Limits limits,
                 std::unique_ptr<FileSystem::Lock> lock, LogState state, Sealer* sealer)
    : config_(config),
      clock_(clock),
      limits_(within(limits, segment_bytes_of(config, limits))),
      lock_(std::move(lock)),
      log_(files, config.path, {segment_bytes_of(config, limits), limits.allocate_bytes},
           std::move(state), sealer),
      backoff_(limits.backoff_first) {}

Journal::~Journal() { stop(); }

void Journal::begin() {
  accepting_ = !config_.refuse_on_write_failure;
  if (try_recover()) {
    Taken nothing;
    settle(nothing);
  }
  durable_seq_.store(log_.synced_seq(), std::memory_order_release);  // what earlier starts wrote
  thread_ = std::thread(&Journal::run, this);
}

void Journal::record(Event event, Durability until, Done done) {
  record_soon(std::move(event), until, std::move(done));
  wake();
}

void Journal::record_soon(Event event, Durability until, Done done) {
  enqueue({.event = std::move(event), .until = until, .done = std::move(done)});
}

void Journal::record_twice(Event event, Done written, Done synced) {
  enqueue({.event = std::move(event),
           .until = Durability::kSynced,
           .done = std::move(synced),
           .written = std::move(written)});
}

void Journal::enqueue(Pending pending) {
  {
    const std::lock_guard lock(mutex_);
    if (!failed_ && !stopping_ && queue_.size() < config_.queue_records_max) {
      queue_.push_back(std::move(pending));
      counters_.queue_depth.store(queue_.size(), std::memory_order_relaxed);
      return;
    }
  }
  refuse(std::move(pending));
}

void Journal::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty() || !std::exchange(asleep_, false)) return;
  }
  wake_.notify_one();
}

bool Journal::accepting() const { return accepting_.load(std::memory_order_acquire); }

// Answers a record that will not be written, and remembers that it was not.
void Journal::refuse(Pending pending) {
  const bool pass = !config_.refuse_on_write_failure;
  {
    const std::lock_guard lock(mutex_);
    const UtcTime now = clock_.now();
    if (gap_.records++ == 0) gap_.first = now;
    gap_.last = now;
    if (pending.event.kind == Kind::kRequest && lost_outcomes_.size() < limits_.lost_outcomes_max) {
      lost_outcomes_.push_back(std::move(pending.event));
    }
  }
  counters_.gap_records.fetch_add(1, std::memory_order_relaxed);
  (pass ? counters_.unrecorded : counters_.refused).fetch_add(1, std::memory_order_relaxed);
  for (Done* const done : {&pending.written, &pending.done}) {
    if (!*done) continue;
    if (pass) {
      (*done)(std::uint64_t{0});
    } else {
      (*done)(fail(Code::kUnavailable, "the journal does not accept records"));
    }
  }
}

void Journal::run() {
  Taken taken;
  while (true) {
    take(taken);
    if (!log_.healthy() && Steady::now() >= retry_at_) try_recover();
    commit(taken.records);
    settle(taken);
    if (log_.healthy() && log_.owes_sync() && Steady::now() >= sync_due_) sync();
    if (taken.stopping && taken.records.empty()) break;
    taken.records.clear();
  }
  finish();
}

Journal::Steady::time_point Journal::wake_at() const {
  if (!log_.healthy()) return retry_at_;
  if (log_.owes_sync()) return sync_due_;
  return Steady::time_point::max();
}

// Waits for records, for a sync that is owed, for the next attempt to recover, or for the end.
void Journal::take(Taken& taken) {
  const Steady::time_point until = wake_at();
  std::unique_lock lock(mutex_);
  const auto ready = [this] {
    return !queue_.empty() || stopping_ || (!failed_ && gap_.records > 0);
  };
  while (!ready() && Steady::now() < until) {
    asleep_ = true;
    if (until == Steady::time_point::max()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, until);
    }
  }
  asleep_ = false;
  taken.records.swap(queue_);
  if (!failed_) {
    taken.lost_outcomes.swap(lost_outcomes_);
    taken.gap = std::exchange(gap_, {});
  }
  taken.stopping = stopping_;
  counters_.queue_depth.store(0, std::memory_order_relaxed);
}

// Begins a new segment. Its first write and sync are the proof that the disk works again.
bool Journal::try_recover() {
  const Result<void> opened = log_.open_segment();
  if (!opened) {
    fail_with(opened.error());
    return false;
  }
  if (std::exchange(told_failure_, false)) {
    log::info("journal.recovered", {{"next_seq", log_.written_seq() + 1}});
  }
  backoff_ = limits_.backoff_first;
  answer_durable();
  const std::lock_guard lock(mutex_);
  failed_ = false;
  accepting_.store(!stopping_, std::memory_order_release);
  return true;
}

void Journal::fail_with(const Error& why) {
  counters_.failures.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(told_failure_, true)) log::error("journal.write_failed", {{"why", why.what}});
  retry_at_ = Steady::now() + backoff_;
  backoff_ = std::min(backoff_ * 2, limits_.backoff_max);

  answer_durable();
  std::vector<Pending> queued = std::exchange(awaiting_, {});
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    if (config_.refuse_on_write_failure) accepting_.store(false, std::memory_order_release);
    std::move(queue_.begin(), queue_.end(), std::back_inserter(queued));
    queue_.clear();
  }
  for (Pending& pending : queued) refuse(std::move(pending));
}

void Journal::commit(std::vector<Pending>& records) {
  std::size_t from = 0;
  while (from < records.size() && log_.healthy()) {
    std::size_t to = from;
    while (to < records.size() && log_.batch_records() < limits_.batch_records_max &&
           log_.batch_bytes() < limits_.batch_bytes_max) {
      log_.add(records[to++].event);
    }
    if (!commit_batch(records, from, to)) break;
    from = to;
  }
  for (Pending& pending : records) {
    if (!pending.answered) refuse(std::move(pending));
  }
}

bool Journal::commit_batch(std::vector<Pending>& records, std::size_t from, std::size_t to) {
  const std::size_t bytes = log_.batch_bytes();
  const bool owed_before = log_.owes_sync();
  const Result<void> written = log_.write_batch();
  if (!written) {
    fail_with(written.error());
    return false;
  }
  counters_.batches.fetch_add(1, std::memory_order_relaxed);
  counters_.records.fetch_add(to - from, std::memory_order_relaxed);
  counters_.bytes.fetch_add(bytes, std::memory_order_relaxed);
  const auto now = Steady::now();
  if (!owed_before) sync_due_ = now + limits_.sync_owed;
  answer_durable();  // a segment that was full has been synced on the way

  std::uint64_t seq = log_.written_seq() - (to - from);
  for (std::size_t i = from; i < to; ++i) {
    records[i].seq = ++seq;
    if (records[i].until != Durability::kSynced) {
      answer(records[i]);
      continue;
    }
    if (records[i].written) {
      std::exchange(records[i].written, {})(records[i].seq);
    }
    if (awaiting_.empty()) sync_due_ = std::min(sync_due_, now + limits_.sync_shared);
    awaiting_.push_back(std::move(records[i]));
    records[i].answered = true;  // by whoever empties awaiting_
  }
  const bool at_once = awaiting_.size() >= limits_.sync_records ||
                       (!awaiting_.empty() && limits_.sync_shared.count() == 0);
  return !at_once || sync();
}

void Journal::answer(Pending& pending) {
  pending.answered = true;
  if (pending.done) pending.done(pending.seq);
}

void Journal::answer_durable() {
  durable_seq_.store(log_.synced_seq(), std::memory_order_release);
  std::size_t durable = 0;
  while (durable < awaiting_.size() && awaiting_[durable].seq <= log_.synced_seq()) {
    answer(awaiting_[durable++]);
  }
  awaiting_.erase(awaiting_.begin(), awaiting_.begin() + static_cast<std::ptrdiff_t>(durable));
}

bool Journal::sync() {
  const auto begun = Steady::now();
  const Result<void> done = log_.sync();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - begun);
  counters_.count_sync(static_cast<std::uint64_t>(took.count()));
  if (done) {
    answer_durable();
  } else {
    fail_with(done.error());
  }
  return done.has_value();
}

// After the records of others, the journal's own: outcomes for intents that lost theirs, and the
// gap.
void Journal::settle(Taken& taken) {
  const bool anything =
      close_open_intents_ || !taken.lost_outcomes.empty() || taken.gap.records > 0;
  if (!anything) return;
  // Which intents are open is known as of the last sync.
  bool done = log_.healthy() && (!log_.owes_sync() || sync());
  if (done) done = write_own(owed_events(taken));
  if (done) {
    close_open_intents_ = false;
    counters_.gap_records.fetch_sub(taken.gap.records, std::memory_order_relaxed);
  } else {
    keep(taken);
  }
  taken.lost_outcomes.clear();
  taken.gap = {};
}

// True when all of them are written. If the sync then fails they are still ours: the next segment
// begins with them, so they must not be written twice.
bool Journal::write_own(std::vector<Event> events) {
  std::size_t at = 0;
  while (at < events.size()) {
    while (at < events.size() && log_.batch_records() < limits_.batch_records_max &&
           log_.batch_bytes() < limits_.batch_bytes_max) {
      log_.add(events[at++]);
    }
    const std::size_t count = log_.batch_records();
    const Result<void> written = log_.write_batch();
    if (!written) {
      fail_with(written.error());
      return false;
    }
    counters_.records.fetch_add(count, std::memory_order_relaxed);
  }
  if (log_.owes_sync()) sync();
  return true;
}

std::vector<Event> Journal::owed_events(Taken& taken) {
  const UtcTime now = clock_.now();
  std::vector<Event> events;
  if (close_open_intents_) {
    for (const std::string& line : log_.open().lines()) {
      Result<Event> intent = parse_event(line);
      if (intent) events.push_back(aborted(std::move(*intent), now));
    }
  }
  for (const Event& lost : taken.lost_outcomes) {
    if (!log_.open().contains(lost.request_id)) continue;
    // With pass_unrecorded the client has its answer, so the outcome is as it was.
    events.push_back(config_.refuse_on_write_failure ? aborted(lost, now) : lost);
  }
  if (taken.gap.records > 0) {
    Event event;
    event.timestamp_utc = now;
    event.kind = Kind::kAction;
    event.action = "journal_gap";
    event.actor = "journal";
    std::string detail;
    JsonWriter(detail)
        .begin_object()
        .field("records", taken.gap.records)
        .field("passed_unrecorded", !config_.refuse_on_write_failure)
        .field("from_utc", format_utc(taken.gap.first))
        .field("until_utc", format_utc(taken.gap.last))
        .end_object();
    event.detail = std::move(detail);
    events.push_back(std::move(event));
  }
  return events;
}

// Puts back what could not be settled.
void Journal::keep(Taken& taken) {
  const std::lock_guard lock(mutex_);
  if (taken.gap.records > 0) {
    gap_.first = taken.gap.first;
    if (gap_.records == 0) gap_.last = taken.gap.last;
    gap_.records += taken.gap.records;
  }
  for (Event& lost : taken.lost_outcomes) {
    if (lost_outcomes_.size() == limits_.lost_outcomes_max) break;
    lost_outcomes_.push_back(std::move(lost));
  }
}

void Journal::finish() {
  if (log_.healthy() && log_.owes_sync()) sync();
  if (log_.healthy()) (void)log_.seal();
}

void Journal::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) return;
    stopping_ = true;
    accepting_.store(false, std::memory_order_release);
  }
  wake_.notify_one();
  thread_.join();
}

}  // namespace sallyport::audit
