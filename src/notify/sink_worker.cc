// SPDX-License-Identifier: Apache-2.0
#include "notify/sink_worker.h"

#include <algorithm>
#include <utility>

#include "audit/segment.h"
#include "base/log.h"
#include "base/random.h"
#include "notify/sink_table.h"

namespace sallyport::notify {
namespace {

using State = SinkStatus::State;

constexpr std::int64_t kPieceMs = 50;  // of a pause: so soon an order is heard
constexpr int kDoublingsMax = 20;

// Full jitter: many gateways that lost one receiver must not come back to it in step.
std::int64_t jittered(std::int64_t ms) {
  std::uint64_t random = 0;
  fill_random({reinterpret_cast<unsigned char*>(&random), sizeof random});
  return 1 + static_cast<std::int64_t>(random %
                                       static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 1)));
}

std::string directory(const std::string& journal) { return journal + "/sinks"; }

std::uint64_t last_seq_plus_one(const Recorder& recorder) { return recorder.durable_seq() + 1; }

}  // namespace

SinkWorker::SinkWorker(const SinkConfig& config, std::unique_ptr<Sink> sink, const House& house)
    : config_(config),
      only_(effective_only(config, *find_sink_type(config.type))),
      sink_(std::move(sink)),
      house_(house),
      cursor_(house.files, directory(house.journal), config.name, house.parts.origin),
      letters_(house.files, directory(house.journal), config.name),
      follower_(house.files, house.journal, 1),
      records_max_(config.batch_records) {
  status_.name = config.name;
  status_.type = config.type;
  begin();
}

// Where the cursor is, or where a new sink begins. What cannot be known is not guessed: a guess
// would lose records or flood the receiver.
void SinkWorker::begin() {
  const Result<std::optional<CursorFile::Found>> found = cursor_.load();
  const std::uint64_t end = last_seq_plus_one(house_.recorder);
  if (!found) {
    place(1);  // nothing may be deleted from the log before somebody has decided
    lost_ = true;
    return stop_here(found.error().what + "; say where to go on: sinks replay " + config_.name +
                     " --from SEQ");
  }
  if (*found) {
    place((*found)->next_seq);
    if ((*found)->newest_damaged) {
      log::warn("sink.cursor_damaged", {{"sink", config_.name},
                                        {"next_seq", (*found)->next_seq},
                                        {"reason",
                                         "the newest cursor is damaged; going on from "
                                         "the one before it"}});
    }
    if ((*found)->next_seq > end) {
      stop_here(
          "the cursor is ahead of the log, as after a restored backup; say where to go on: "
          "sinks replay " +
          config_.name + " --from SEQ");
    }
    return;
  }
  std::uint64_t first = end;
  if (config_.begin == "beginning") {
    const auto segments = audit::list_segments(house_.files, house_.journal);
    first = segments && !segments->empty() ? segments->front().first_seq : 1;
  }
  place(first);
  const Result<void> saved = cursor_.save(first);
  // Without a cursor a restart would begin at a later end, and what lies between would be lost.
  if (!saved) stop_here("the cursor cannot be written: " + saved.error().what);
}

void SinkWorker::place(std::uint64_t next_seq) {
  follower_ = audit::Follower(house_.files, house_.journal, next_seq);
  pending_.clear();
  pending_bytes_ = 0;
  pending_full_ = false;
  refused_.clear();
  attempts_ = 0;
  const std::lock_guard lock(mutex_);
  status_.refused = 0;
  status_.next_seq = durable_next_seq_ = next_seq;
  oldest_.reset();
}

void SinkWorker::replay(std::uint64_t from_seq) {
  if (from_seq == 0 && lost_) return;
  const std::uint64_t from = from_seq == 0 ? durable_next_seq() : from_seq;
  lost_ = false;
  stopped_ = false;
  dropped_ = true;  // also what waits for another attempt: it comes again from the log
  place(from);
  records_max_ = config_.batch_records;
  const Result<void> saved = cursor_.save(from);
  if (!saved) return stop_here("the cursor cannot be written: " + saved.error().what);
  log::info("sink.goes_on", {{"sink", config_.name}, {"from_seq", from}});
  tell(State::kRunning, "");
}

void SinkWorker::test(Tested done) {
  if (tested_) return done(fail(Code::kExhausted, "a test of this sink is under way"));
  tested_ = std::move(done);
}

Task<void> SinkWorker::run(net::Loop& loop) {
  while (!finishing_) {
    if (tested_) co_await send_test(loop);
    if (stopped_) {
      co_await pause(loop, kPieceMs);
      continue;
    }
    dropped_ = false;
    const std::size_t had = pending_.size();
    const std::uint64_t before = follower_.next_seq();
    wait_ms_ = 0;
    fill();
    if (had == 0 && !pending_.empty()) pending_since_ms_ = loop.now_ms();
    if (stopped_) continue;
    if (wait_ms_ > 0) {
      co_await pause(loop, wait_ms_);
    } else if (due(loop.now_ms())) {
      co_await deliver(loop);
    } else if (follower_.next_seq() != before) {
      co_await loop.next_turn();  // there may be more; the other sinks have their turn first
    } else {
      if (pending_.empty()) co_await acknowledge(loop, reached(), false);
      if (pending_.empty() && loop.now_ms() >= idle_at_ms_) {
        idle_at_ms_ = loop.now_ms() + house_.times.idle_ms;
        co_await sink_->idle(loop);
      }
      co_await pause(loop, house_.times.poll_ms);
    }
  }
  if (!stopped_ && pending_.empty() && !dropped_) {
    co_await acknowledge(loop, reached(), true);
  }
  if (tested_) std::exchange(tested_, {})(fail(Code::kUnavailable, "the gateway is stopping"));
  ended_ = true;
}

bool SinkWorker::full(std::size_t more_bytes) const {
  if (pending_.empty()) return false;
  return pending_.size() >= records_max_ || pending_bytes_ + more_bytes > config_.batch_bytes;
}

bool SinkWorker::due(std::int64_t now_ms) const {
  if (pending_.empty()) return false;
  return pending_full_ || full(1) || now_ms - pending_since_ms_ >= config_.batch_wait.count();
}

void SinkWorker::fill() {
  if (pending_full_ || full(1)) return;
  const std::uint64_t durable = house_.recorder.durable_seq();
  const Result<std::size_t> read =
      follower_.read(durable, kReadBytes, [this](const audit::Record& record) {
        if (full(record.line.size())) {
          pending_full_ = true;
          return false;
        }
        return take(record);
      });
  if (!read) return reading_failed(read.error());
  if (std::exchange(reading_failed_, false)) went_well();
}

// False: it must come again.
bool SinkWorker::take(const audit::Record& record) {
  Outgoing out;
  out.seq = record.seq;
  out.id = house_.parts.origin + ":" + std::to_string(record.seq);
  Result<Event> event = parse_event(record.line);
  if (!event) {
    out.line = record.line;
    const std::string reason = "the record cannot be read: " + event.error().what;
    const DeadLetters::Letter letter{out.id, reason, out.line};
    const bool buried = bury({&letter, 1});
    reading_failed_ = reading_failed_ || !buried;
    return buried;
  }
  if (!goes(only_, *event)) return true;
  if (house_.parts.sealer != nullptr && record.line.contains(kSealedMark)) {
    house_.parts.sealer->open(*event);
    append_event(out.line, *event);
    out.sealed_line = record.line;
  } else {
    out.line = record.line;
  }
  out.event = std::move(*event);
  pending_bytes_ += out.line.size();
  if (pending_.empty() && refused_.empty()) {
    const std::lock_guard lock(mutex_);
    oldest_ = out.event.timestamp_utc;
    status_.next_seq = out.seq;  // what lies before it was passed over
  }
  pending_.push_back(std::move(out));
  return true;
}

void SinkWorker::reading_failed(const Error& error) {
  if (error.code == Code::kNotFound) return skip_to_what_is_left();
  if (error.code == Code::kCorrupt) return stop_here(error.what);
  reading_failed_ = true;
  failed("the log cannot be read: " + error.what, std::chrono::milliseconds(0));
}

// Retention took records that were not sent: said and counted, since they cannot come back.
void SinkWorker::skip_to_what_is_left() {
  const auto segments = audit::list_segments(house_.files, house_.journal);
  if (!segments || segments->empty() || segments->front().first_seq <= follower_.next_seq()) {
    reading_failed_ = true;
    failed("the log cannot be read", std::chrono::milliseconds(0));
    return;
  }
  const std::uint64_t first = segments->front().first_seq;
  const std::uint64_t lost = first - follower_.next_seq();
  log::error("sink.records_gone", {{"sink", config_.name},
                                   {"from_seq", follower_.next_seq()},
                                   {"records", lost},
                                   {"reason",
                                    "they were deleted from the log before they were "
                                    "sent"}});
  {
    const std::lock_guard lock(mutex_);
    status_.dead += lost;
  }
  follower_ = audit::Follower(house_.files, house_.journal, first);
}

// In pieces, so that an order is heard soon.
Task<void> SinkWorker::pause(net::Loop& loop, std::int64_t ms) {
  const std::int64_t until = loop.now_ms() + ms;
  while (!finishing_ && !dropped_ && loop.now_ms() < until) {
    const std::int64_t piece = std::min(until - loop.now_ms(), kPieceMs);
    co_await loop.sleep_for(piece);
    if (tested_) co_await send_test(loop);
  }
}

// Not before it is durable does anything go on: what is acknowledged here is never sent again.
Task<void> SinkWorker::acknowledge(net::Loop& loop, std::uint64_t next_seq, bool at_once) {
  {
    const std::lock_guard lock(mutex_);
    status_.next_seq = next_seq;
    if (durable_next_seq_ == next_seq) co_return;
  }
  if (!at_once && loop.now_ms() - saved_at_ms_ < house_.times.save_ms) co_return;
  std::optional<SinkStatus> before;  // what the disk's trouble hides for a while
  while (!dropped_) {
    saved_at_ms_ = loop.now_ms();
    const Result<void> saved = cursor_.save(next_seq);
    if (saved) {
      const std::lock_guard lock(mutex_);
      durable_next_seq_ = next_seq;
      if (before) {
        status_.state = before->state;
        status_.why = before->why;
      }
      co_return;
    }
    if (!before) before = status();
    failed("the cursor cannot be written: " + saved.error().what, std::chrono::milliseconds(0));
    if (finishing_) co_return;
    co_await pause(loop, wait_ms_);
  }
}

SinkStatus SinkWorker::status() const {
  const std::uint64_t end = last_seq_plus_one(house_.recorder);
  const UtcTime now = house_.parts.clock.now();
  const std::lock_guard lock(mutex_);
  SinkStatus status = status_;
  status.behind = end > status.next_seq ? end - status.next_seq : 0;
  if (status.behind > 0 && oldest_) {
    status.lag_ms = std::max<std::int64_t>(0, (now - *oldest_).count());
  }
  return status;
}

std::uint64_t SinkWorker::durable_next_seq() const {
  const std::lock_guard lock(mutex_);
  return durable_next_seq_;
}

void SinkWorker::tell(State state, std::string why) {
  const std::lock_guard lock(mutex_);
  status_.state = state;
  status_.why = std::move(why);
}

void SinkWorker::stop_here(const std::string& why) {
  stopped_ = true;
  log::error("sink.stopped", {{"sink", config_.name}, {"type", config_.type}, {"reason", why}});
  tell(State::kStopped, why);
}

SinkWorker::Next SinkWorker::failed(std::string why, std::chrono::milliseconds wait) {
  const SinkTimes& times = house_.times;
  const std::int64_t cap =
      std::min(times.backoff_max_ms, times.backoff_first_ms << std::min(attempts_, kDoublingsMax));
  wait_ms_ = wait.count() > 0 ? wait.count() : jittered(cap);
  // The first and then ever fewer: an outage of a day must not fill the operator's log.
  if ((attempts_ & (attempts_ + 1)) == 0) {
    log::warn("sink.waiting", {{"sink", config_.name},
                               {"type", config_.type},
                               {"attempts", attempts_ + 1},
                               {"wait_ms", wait_ms_},
                               {"reason", why}});
  }
  ++attempts_;
  const std::lock_guard lock(mutex_);
  ++status_.attempts_failed;
  status_.state = State::kWaiting;
  status_.why = std::move(why);
  return Next::kWait;
}

void SinkWorker::went_well() {
  if (std::exchange(attempts_, 0) > 0) log::info("sink.goes_on", {{"sink", config_.name}});
  tell(State::kRunning, "");
}

}  // namespace sallyport::notify
