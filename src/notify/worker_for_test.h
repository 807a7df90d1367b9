// SPDX-License-Identifier: Apache-2.0
// For tests: a log on a disk in memory, a receiver that says what it was told to, and one sink at
// work between them. A Life is one start of the program; ending it without finish() is a kill.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "audit/line.h"
#include "audit/memory_disk.h"
#include "audit/segment.h"
#include "notify/sink_worker.h"

namespace sallyport::notify {

class LogForTest final : public Recorder {
 public:
  explicit LogForTest(audit::MemoryDisk& disk) : disk_(disk) {}

  // One record more, durable at once; returns its seq.
  std::uint64_t add(const Event& event) {
    std::string line;
    append_event_open(line, event);
    return add_line(std::move(line));
  }
  // A line that is whole for the journal, whatever it says.
  std::uint64_t add_line(std::string line) {
    const std::uint64_t seq = last_ + 1;
    audit::close_line(line, 0, {.seq = seq, .synced = {}});
    bytes_ += line + "\n";
    if (bytes_.size() > 64'000) {
      flush();
      bytes_.clear();
      first_ = seq + 1;
    } else {
      flush();
    }
    last_ = seq;
    return seq;
  }
  void refused(int count) {
    for (int i = 0; i < count; ++i) {
      Event event;
      event.timestamp_utc = UtcTime(std::chrono::milliseconds(1'767'225'600'000 + i));
      event.status = 401;
      event.error = "invalid_api_key";
      event.ip = "203.0.113.7";
      event.endpoint = "POST /v1/chat/completions";
      add(event);
    }
  }
  void record(Event, Durability, Done) override {}
  bool accepting() const override { return true; }
  std::uint64_t durable_seq() const override { return last_; }

  static inline const std::string kPath = "/j";

 private:
  void flush() { disk_.put(kPath + "/seg/" + audit::segment_name(first_), bytes_); }
  audit::MemoryDisk& disk_;
  std::string bytes_;
  std::uint64_t first_ = 1;
  std::atomic<std::uint64_t> last_{0};
};

// What it was given and what it says; the last word stays. Shared by several lives of one sink.
class ReceiverForTest {
 public:
  using Answer = std::function<Verdict(const Batch& batch)>;

  void says(Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_.assign(1, std::move(answer));
  }
  void then_says(Answer answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }
  Verdict take(const Batch& batch) {
    const std::lock_guard lock(mutex_);
    Verdict verdict = answers_.front()(batch);
    if (answers_.size() > 1) answers_.pop_front();
    batches_.push_back(batch.size());
    std::vector<bool> taken(batch.size(),
                            verdict.kind == Verdict::Kind::kDone || !verdict.again.empty());
    for (const std::size_t index : verdict.again) taken[index] = false;
    for (const Verdict::Dead& dead : verdict.dead) taken[dead.index] = false;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (taken[i]) seqs_.push_back(batch[i].seq), ids_.push_back(batch[i].id);
    }
    told_.notify_all();
    return verdict;
  }
  std::vector<std::uint64_t> seqs() const {
    const std::lock_guard lock(mutex_);
    return seqs_;
  }
  std::vector<std::string> ids() const {
    const std::lock_guard lock(mutex_);
    return ids_;
  }
  std::vector<std::size_t> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }
  // Until it holds, looked at whenever something was delivered and now and then; false: too long.
  bool wait(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::unique_lock lock(mutex_);
      told_.wait_for(lock, std::chrono::milliseconds(2));
    }
    return true;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable told_;
  std::deque<Answer> answers_{[](const Batch&) { return Verdict{}; }};
  std::vector<std::uint64_t> seqs_;
  std::vector<std::string> ids_;
  std::vector<std::size_t> batches_;
};

class SinkForTest final : public Sink {
 public:
  explicit SinkForTest(ReceiverForTest& receiver) : receiver_(receiver) {}
  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    co_await loop.next_turn();
    co_return receiver_.take(*batch);
  }

 private:
  ReceiverForTest& receiver_;
};

inline constexpr SinkTimes kHasty{.poll_ms = 1,
                                  .backoff_first_ms = 1,
                                  .backoff_max_ms = 2,
                                  .save_ms = 0,
                                  .idle_ms = 1,
                                  .stop_ms = 1'000};

class Life {
 public:
  Life(const SinkConfig& config, std::unique_ptr<Sink> sink, const SinkWorker::House& house)
      : worker(config, std::move(sink), house) {
    loop.spawn(worker.run(loop));
    thread_ = std::thread([this] { loop.run(); });
  }
  ~Life() { kill(); }
  // Nothing that was not durable survives.
  void kill() {
    if (!thread_.joinable()) return;
    loop.stop();
    thread_.join();
    loop.drop_tasks();
  }
  void on_loop(std::function<void()> act) { loop.post(std::move(act)); }

  net::Loop loop;
  SinkWorker worker;

 private:
  std::thread thread_;
};

}  // namespace sallyport::notify
