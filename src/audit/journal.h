// SPDX-License-Identifier: Apache-2.0
// The journal: the append-only, fsynced log that everything else is a copy of (docs/journal.md).
// One writing thread with group commit: what is queued is written as one batch, and one sync serves
// all that asked for it within a millisecond.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "audit/config.h"
#include "audit/counters.h"
#include "audit/file_system.h"
#include "audit/log_writer.h"
#include "audit/recovery.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "event/ports/recorder.h"

namespace sallyport::audit {

struct Limits {
  std::size_t batch_records_max = 1'024;
  std::size_t batch_bytes_max = 1u << 20;
  std::chrono::milliseconds sync_owed{5};  // a record that is only written is synced after this
  // Who waits for a sync waits this long for others to share it. Meanwhile what is only to be
  // written is not held up behind the disk. It hides behind the upstream call. 0: sync at once.
  std::chrono::milliseconds sync_shared{1};
  std::size_t sync_records = 32;                // so many that wait are worth a sync of their own
  std::chrono::milliseconds backoff_first{50};  // after a failure, doubled up to backoff_max
  std::chrono::milliseconds backoff_max{1'000};
  std::size_t allocate_bytes = 1u << 20;
  std::size_t segment_bytes_min = 256u << 10;  // Config::segment_bytes is raised to it
  // Outcomes that could not be recorded, kept to close their intents after recovery. Beyond it
  // an intent stays open until the next start; it is visible as such.
  std::size_t lost_outcomes_max = 16'384;
};

class Journal final : public Recorder {
 public:
  // Takes the lock of the directory, repairs a torn tail, closes what a crash left open with
  // outcomes `aborted`, and starts the writing thread. A disk that is full is no error here: the
  // journal then does not accept until it is not. kCorrupt and kDenied are for the operator to
  // solve. `clock`, `files` and `sealer` outlive the journal.
  static Result<std::unique_ptr<Journal>> open(const Config& config, const Clock& clock,
                                               FileSystem& files, Limits limits = {},
                                               Sealer* sealer = nullptr);
  ~Journal() override;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void record(Event event, Durability until, Done done) override;
  void record_soon(Event event, Durability until, Done done) override;
  void wake() override;
  void record_twice(Event event, Done written, Done synced) override;
  std::uint64_t durable_seq() const override {
    return durable_seq_.load(std::memory_order_acquire);
  }
  bool accepting() const override;

  // Writes and syncs what is queued, seals the segment and ends the thread. Later records are
  // refused.
  void stop();

  const Counters& counters() const { return counters_; }

 private:
  using Steady = std::chrono::steady_clock;

  struct Pending {
    Event event;
    Durability until;
    Done done;
    Done written = {};  // told before `done`, which then waits for the sync
    bool answered = false;
    std::uint64_t seq = 0;  // once it is written
  };

  // Records that were answered without being written: how many, and from when to when.
  struct Gap {
    std::uint64_t records = 0;
    UtcTime first{};
    UtcTime last{};
  };

  // What the writing thread takes in one go.
  struct Taken {
    std::vector<Pending> records;
    std::vector<Event> lost_outcomes;
    Gap gap;
    bool stopping = false;
  };

  Journal(const Config& config, const Clock& clock, FileSystem& files, Limits limits,
          std::unique_ptr<FileSystem::Lock> lock, LogState state, Sealer* sealer);

  void begin();
  void run();
  void take(Taken& taken);
  Steady::time_point wake_at() const;
  bool try_recover();
  void commit(std::vector<Pending>& records);
  bool commit_batch(std::vector<Pending>& records, std::size_t from, std::size_t to);
  bool sync();
  void answer_durable();
  void settle(Taken& taken);
  static void answer(Pending& pending);
  bool write_own(std::vector<Event> events);
  std::vector<Event> owed_events(Taken& taken);
  void keep(Taken& taken);
  void fail_with(const Error& why);
  void enqueue(Pending pending);
  void refuse(Pending pending);
  void finish();

  const Config config_;
  const Clock& clock_;
  const Limits limits_;
  const std::unique_ptr<FileSystem::Lock> lock_;
  Counters counters_;

  // Shared with the callers of record().
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Pending> queue_;        // at most config.queue_records_max
  std::vector<Event> lost_outcomes_;  // at most limits.lost_outcomes_max
  Gap gap_;
  bool asleep_ = false;
  bool failed_ = true;  // until the first segment stands
  bool stopping_ = false;
  std::atomic<bool> accepting_{false};
  std::atomic<std::uint64_t> durable_seq_{0};

  // Of the writing thread (and of `begin`, before it runs).
  LogWriter log_;
  bool close_open_intents_ = true;  // what the last process left open
  std::vector<Pending> awaiting_;   // written, to be answered when synced; in order of seq
  bool told_failure_ = false;
  Steady::time_point sync_due_{};
  Steady::time_point retry_at_{};
  std::chrono::milliseconds backoff_;

  std::thread thread_;
};

}  // namespace sallyport::audit
