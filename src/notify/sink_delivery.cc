// SPDX-License-Identifier: Apache-2.0
// The second half of SinkWorker: a batch goes out, and what its receiver said is done.
#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "base/json_writer.h"
#include "base/log.h"
#include "notify/sink_worker.h"

namespace sallyport::notify {
namespace {

constexpr std::int64_t kNowMs = 1;  // "again, but nothing failed" waits no longer

// So many refused one behind the other, and none taken: it is not the records that are wrong. Fewer
// can be: a quiet log may have one bad record in a batch of its own, and a burst of its kind.
constexpr std::size_t kRefusedMax = 20;

std::size_t taken_of(const Verdict& verdict, std::size_t records, std::size_t dead) {
  if (verdict.taken) return *verdict.taken;
  if (verdict.kind == Verdict::Kind::kHalve) return 0;
  if (verdict.kind != Verdict::Kind::kDone && verdict.again.empty()) return 0;
  return records - std::min(records, dead + verdict.again.size());
}

std::string sentence(const Verdict& verdict) {
  if (!verdict.dead.empty()) return "refused: " + verdict.dead[0].reason;
  if (verdict.kind == Verdict::Kind::kDone) return "taken";
  return verdict.why.empty() ? "not taken" : "not taken: " + verdict.why;
}

}  // namespace

Task<void> SinkWorker::deliver(net::Loop& loop) {
  Open open;
  open.push_back(std::make_shared<const Batch>(std::move(pending_)));
  pending_.clear();
  pending_bytes_ = 0;
  pending_full_ = false;
  while (!open.empty() && !finishing_ && !dropped_) {
    std::shared_ptr<const Batch> batch = open.front();
    const Verdict verdict = co_await sink_->deliver(loop, batch);
    batch.reset();
    if (dropped_) co_return;  // a replay came meanwhile: the cursor is where it wants it
    wait_ms_ = 0;
    Next next = judge(verdict, open);
    std::uint64_t done = reached();
    if (!open.empty()) done = std::min(done, open.front()->front().seq);
    if (!open.empty() && refused_.empty()) {
      const std::lock_guard lock(mutex_);
      oldest_ = open.front()->front().event.timestamp_utc;
    }
    if (open.empty() && !refused_.empty()) next = judge_refused();
    const std::int64_t wait_ms = wait_ms_;
    co_await acknowledge(loop, done, true);
    if (next == Next::kStopped) break;
    if (next == Next::kWait) co_await pause(loop, wait_ms);
  }
  // Nothing is held for a receiver that waits for a person, or for the next start: the log has it.
  if (!open.empty() && !dropped_) {
    follower_ = audit::Follower(house_.files, house_.journal, open.front()->front().seq);
  }
}

SinkWorker::Next SinkWorker::judge(const Verdict& verdict, Open& open) {
  const Batch& batch = *open.front();
  std::vector<bool> dead(batch.size(), false);
  std::vector<Refused> refused;
  for (const Verdict::Dead& one : verdict.dead) {
    if (one.index >= batch.size() || dead[one.index]) continue;
    dead[one.index] = true;
    const Outgoing& record = batch[one.index];
    refused.push_back({record.seq, record.id, one.reason, record.at_rest()});
  }
  const std::size_t taken = taken_of(verdict, batch.size(), refused.size());
  if (!settle(std::move(refused), taken)) return Next::kWait;
  switch (verdict.kind) {
    case Verdict::Kind::kStop:
      if (!verdict.again.empty()) keep_rest(verdict, open, dead);
      stop_here(verdict.why);
      return Next::kStopped;
    case Verdict::Kind::kHalve:
      return halve(verdict, open);
    case Verdict::Kind::kAgain:
      return judge_again(verdict, open, dead);
    case Verdict::Kind::kDone:
      break;
  }
  {
    const std::lock_guard lock(mutex_);
    status_.sent += static_cast<std::uint64_t>(std::ranges::count(dead, false));
  }
  open.pop_front();
  records_max_ = std::min(config_.batch_records, records_max_ + records_max_ / 8 + 1);
  went_well();
  return Next::kGoOn;
}

// Some or all of the batch may work later. True: some of it is done with.
bool SinkWorker::keep_rest(const Verdict& verdict, Open& open, const std::vector<bool>& dead) {
  const std::shared_ptr<const Batch> batch = open.front();
  std::vector<bool> again(batch->size(), verdict.again.empty());
  for (const std::size_t index : verdict.again) {
    if (index < batch->size()) again[index] = true;
  }
  auto rest = std::make_shared<Batch>();
  std::uint64_t taken = 0;
  for (std::size_t i = 0; i < batch->size(); ++i) {
    if (dead[i]) continue;
    if (again[i]) {
      rest->push_back((*batch)[i]);
    } else {
      ++taken;
    }
  }
  const bool progress = rest->size() < batch->size();
  {
    const std::lock_guard lock(mutex_);
    status_.sent += taken;
  }
  open.pop_front();
  if (!rest->empty()) open.push_front(std::move(rest));
  return progress;
}

SinkWorker::Next SinkWorker::judge_again(const Verdict& verdict, Open& open,
                                         const std::vector<bool>& dead) {
  if (keep_rest(verdict, open, dead)) went_well();
  if (!verdict.why.empty()) return failed(verdict.why, verdict.wait);
  wait_ms_ = std::max(kNowMs, verdict.wait.count());
  return Next::kWait;
}

SinkWorker::Next SinkWorker::halve(const Verdict& verdict, Open& open) {
  const std::shared_ptr<const Batch> batch = open.front();
  if (batch->size() == 1) {
    const std::string reason = verdict.why.empty() ? "too large for the receiver" : verdict.why;
    const Outgoing& record = batch->front();
    refused_.push_back({record.seq, record.id, reason, record.at_rest()});
    open.pop_front();
    return Next::kGoOn;
  }
  const auto middle = batch->begin() + static_cast<std::ptrdiff_t>(batch->size() / 2);
  open.pop_front();
  open.push_front(std::make_shared<const Batch>(middle, batch->end()));
  open.push_front(std::make_shared<const Batch>(batch->begin(), middle));
  records_max_ = std::max<std::size_t>(1, batch->size() / 2);
  const std::lock_guard lock(mutex_);
  ++status_.attempts_failed;
  return Next::kGoOn;
}

// A receiver that took something is right about what it refused: that is given up. One that took
// nothing may be wrong about all of it. False: as bury().
bool SinkWorker::settle(std::vector<Refused> refused, std::size_t taken) {
  if (taken == 0) {
    std::ranges::move(refused, std::back_inserter(refused_));
    return true;
  }
  std::vector<DeadLetters::Letter> letters;
  for (const std::vector<Refused>* some : {&refused_, &refused}) {
    for (const Refused& one : *some) letters.push_back({one.id, one.reason, one.line});
  }
  if (!bury(letters)) return false;
  refused_.clear();
  const std::lock_guard lock(mutex_);
  status_.refused = 0;
  return true;
}

// Where the receiver's word is known, of what was read.
std::uint64_t SinkWorker::reached() const {
  std::uint64_t seq = follower_.next_seq();
  for (const Refused& one : refused_) seq = std::min(seq, one.seq);
  return seq;
}

// A batch is through and the last word about records was that they will never be taken.
SinkWorker::Next SinkWorker::judge_refused() {
  const std::size_t count = refused_.size();
  {
    const std::lock_guard lock(mutex_);
    status_.refused = count;
  }
  const std::string why =
      std::to_string(count) +
      " records in a row were refused and none was taken: " + refused_.front().reason;
  if (count < kRefusedMax) {
    tell(SinkStatus::State::kWaiting, why + "; the next record tells whose fault it is");
    return Next::kGoOn;
  }
  stop_here("the receiver refuses everything: " + why);
  follower_ = audit::Follower(house_.files, house_.journal, reached());
  refused_.clear();
  return Next::kStopped;
}

// False: the disk did not take the letters, so the records must not be given up.
bool SinkWorker::bury(std::span<const DeadLetters::Letter> letters) {
  if (letters.empty()) return true;
  const Result<std::size_t> kept = letters_.add(house_.parts.clock.now(), letters);
  if (!kept) {
    failed("a dead letter cannot be written: " + kept.error().what, std::chrono::milliseconds(0));
    return false;
  }
  std::uint64_t before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = status_.dead;
    status_.dead += letters.size();
  }
  // The first and then ever fewer: all of a log may be wrong for one receiver.
  if (std::bit_width(before) == std::bit_width(before + letters.size())) return true;
  log::error("sink.dead_letter", {{"sink", config_.name},
                                  {"record", letters[0].id},
                                  {"dead", before + letters.size()},
                                  {"file_full", *kept < letters.size()},
                                  {"reason", letters[0].reason}});
  return true;
}

// A record that says what it is. It is not in the log, and no cursor moves.
Task<void> SinkWorker::send_test(net::Loop& loop) {
  const Tested done = std::exchange(tested_, {});
  Outgoing out;
  const UtcTime now = house_.parts.clock.now();
  out.id = house_.parts.origin + ":test-" + std::to_string(now.time_since_epoch().count());
  out.event.timestamp_utc = now;
  out.event.kind = Kind::kAction;
  out.event.action = "sink_test";
  std::string& detail = out.event.detail.emplace();
  JsonWriter(detail)
      .begin_object()
      .field("sink", config_.name)
      .field("note", "This is a test of the connection. Nothing has happened.")
      .end_object();
  append_event(out.line, out.event);
  auto batch = std::make_shared<Batch>();
  batch->push_back(std::move(out));
  const Verdict verdict = co_await sink_->deliver(loop, std::move(batch));
  const std::string said = sentence(verdict);
  if (verdict.kind == Verdict::Kind::kDone && verdict.dead.empty()) {
    done(said);
  } else {
    const bool later = verdict.kind == Verdict::Kind::kAgain;
    done(fail(later ? Code::kUnavailable : Code::kDenied, said));
  }
}

}  // namespace sallyport::notify
