// SPDX-License-Identifier: Apache-2.0
// All sinks on one thread of their own, each with a durable cursor into the journal: at least once,
// in order, going on where it was after a restart or an outage. Memory is one batch a sink; what a
// receiver does not take stays on the disk. The gate never waits for any of this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/file_system.h"
#include "base/result.h"
#include "event/ports/metrics.h"
#include "event/ports/recorder.h"
#include "notify/config.h"
#include "notify/sink.h"

namespace sallyport::notify {

struct SinkStatus {
  std::string name, type;
  enum class State { kRunning, kWaiting, kStopped } state = State::kRunning;
  std::uint64_t next_seq = 1;  // the first record that was not acknowledged
  std::uint64_t behind = 0;    // records in the log that were not
  std::int64_t lag_ms = 0;     // age of the oldest of them
  std::uint64_t sent = 0, dead = 0, attempts_failed = 0;  // since the start
  std::uint64_t refused = 0;  // in a row, none taken since; many of them stop the sink
  std::string why;            // of waiting or stopped
};

std::string_view name(SinkStatus::State state);  // "running", "waiting", "stopped"

// How often and how long the sinks wait, in milliseconds; tests have less patience.
struct SinkTimes {
  std::int64_t poll_ms = 50;            // between two looks at the end of the log
  std::int64_t backoff_first_ms = 500;  // doubles, with full jitter
  std::int64_t backoff_max_ms = 60'000;
  std::int64_t save_ms = 1'000;  // a cursor that only passed over filtered records
  std::int64_t idle_ms = 1'000;
  std::int64_t stop_ms = 1'000;  // how long stop() lets a delivery under way end
};

class SinkWorker;

class Sinks final : public MetricSource {
 public:
  // Cursors lie in <journal>/sinks/<name>.cursor, dead letters beside them (bounded; counted when
  // full). kInvalid: the entry and what is wrong. `recorder` tells what is durable.
  static Result<std::unique_ptr<Sinks>> make(const Config& config, const std::string& journal,
                                             audit::FileSystem& files, const Recorder& recorder,
                                             SinkParts parts, SinkTimes times = {});
  ~Sinks() override;

  void start();
  void stop();  // ends what is under way; cursors are durable

  // Any thread.
  std::vector<SinkStatus> status() const;
  std::uint64_t needed_seq() const;  // the lowest next_seq of all: the log must keep from there on
  void collect(MetricSink& sink) const override;

  // kNotFound: no such sink. Sends from this record on, once more (`sinks replay`); 0: goes on
  // after a stop, from the cursor (`sinks resume`). kInvalid: the log has no such record yet.
  Result<void> replay(const std::string& name, std::uint64_t from_seq);
  // Sends one made-up record that says it is a test; the verdict as a sentence (`sinks test`).
  // `done` is called on the sinks' thread, unless the sinks do not run. kNotFound: no such sink;
  // kExhausted: a test is under way; kUnavailable: not taken now; kDenied: not before something was
  // changed.
  void test(const std::string& name, std::function<void(Result<std::string>)> done);

 private:
  struct Thread;
  Sinks();
  SinkWorker* find(const std::string& name) const;
  std::string journal_;
  const Recorder* recorder_ = nullptr;
  SinkTimes times_;
  std::vector<std::unique_ptr<SinkWorker>> workers_;
  std::unique_ptr<Thread> thread_;  // null: stopped, or not started
};

}  // namespace sallyport::notify
