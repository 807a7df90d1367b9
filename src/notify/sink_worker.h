// SPDX-License-Identifier: Apache-2.0
// One sink at work: follower -> filter -> batch -> deliver -> cursor. Belongs to the sinks' loop;
// what another thread may call says so. Holds one batch, however far behind it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/file_system.h"
#include "audit/follower.h"
#include "base/result.h"
#include "base/task.h"
#include "event/ports/recorder.h"
#include "net/loop.h"
#include "notify/cursor_file.h"
#include "notify/dead_letters.h"
#include "notify/sink.h"
#include "notify/sink_runner.h"

namespace sallyport::notify {

class SinkWorker {
 public:
  using Tested = std::function<void(Result<std::string>)>;
  static constexpr std::size_t kReadBytes = 1u << 20;  // of the log in one turn of the loop

  struct House {
    const std::string& journal;
    audit::FileSystem& files;
    const Recorder& recorder;
    SinkParts parts;
    SinkTimes times;
  };
  SinkWorker(const SinkConfig& config, std::unique_ptr<Sink> sink, const House& house);

  // Until finish(). One call; this outlives it.
  Task<void> run(net::Loop& loop);
  void finish() { finishing_ = true; }  // behind the delivery under way
  bool ended() const { return ended_; }
  void let_go() { sink_->let_go(); }  // when run() is over or dropped, before its loop ends

  // 0: go on where the cursor is, which a sink that lost it cannot.
  void replay(std::uint64_t from_seq);
  void test(Tested done);  // kExhausted: one is under way

  // Any thread.
  SinkStatus status() const;
  std::uint64_t durable_next_seq() const;
  bool lost() const { return lost_; }  // the cursor is damaged, and nobody has said where to go on
  const std::string& name() const { return config_.name; }

 private:
  // A record that the receiver will never take, as it says.
  struct Refused {
    std::uint64_t seq = 0;
    std::string id, reason, line;
  };
  using Open = std::deque<std::shared_ptr<const Batch>>;  // of one batch, what is not done yet
  enum class Next { kGoOn, kWait, kStopped };

  void begin();
  void place(std::uint64_t next_seq);
  void fill();
  bool take(const audit::Record& record);
  bool full(std::size_t more_bytes) const;
  void reading_failed(const Error& error);
  void skip_to_what_is_left();
  bool due(std::int64_t now_ms) const;

  Task<void> deliver(net::Loop& loop);
  Next judge(const Verdict& verdict, Open& open);
  bool keep_rest(const Verdict& verdict, Open& open, const std::vector<bool>& dead);
  Next judge_again(const Verdict& verdict, Open& open, const std::vector<bool>& dead);
  Next halve(const Verdict& verdict, Open& open);
  bool settle(std::vector<Refused> refused, std::size_t taken);
  std::uint64_t reached() const;
  Next judge_refused();
  bool bury(std::span<const DeadLetters::Letter> letters);
  Next failed(std::string why, std::chrono::milliseconds wait);
  void went_well();
  void stop_here(const std::string& why);
  Task<void> acknowledge(net::Loop& loop, std::uint64_t next_seq, bool at_once);
  Task<void> pause(net::Loop& loop, std::int64_t ms);
  Task<void> send_test(net::Loop& loop);
  void tell(SinkStatus::State state, std::string why);

  const SinkConfig config_;
  const std::vector<std::string> only_;
  const std::unique_ptr<Sink> sink_;
  const House house_;
  CursorFile cursor_;
  DeadLetters letters_;

  audit::Follower follower_;
  Batch pending_;
  std::size_t pending_bytes_ = 0;
  bool pending_full_ = false;          // the record behind it did not fit
  std::int64_t pending_since_ms_ = 0;  // on the loop's clock
  // Refused with none taken since. Is it they that are wrong, or the receiver? Until one is taken,
  // or too many are refused, they are not given up and the cursor stays before them. At most one
  // batch and a few.
  std::vector<Refused> refused_;
  std::size_t records_max_;   // shrinks when a receiver finds batches too large
  int attempts_ = 0;          // in vain, one behind the other
  std::int64_t wait_ms_ = 0;  // before the next attempt
  std::int64_t saved_at_ms_ = 0;
  std::int64_t idle_at_ms_ = 0;
  bool stopped_ = false;
  bool reading_failed_ = false;
  std::atomic<bool> lost_{false};
  bool dropped_ = false;  // the batch in hand is not wanted any more
  bool finishing_ = false;
  std::atomic<bool> ended_{false};
  Tested tested_;

  mutable std::mutex mutex_;  // guards what follows
  SinkStatus status_;
  std::uint64_t durable_next_seq_ = 1;
  std::optional<UtcTime> oldest_;  // of what was read and not acknowledged
};

}  // namespace sallyport::notify
