// SPDX-License-Identifier: Apache-2.0
#include "notify/sink_runner.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "net/loop.h"
#include "notify/sink_table.h"
#include "notify/sink_worker.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kSinksMax = 64;
constexpr std::int64_t kStopPieceMs = 16;

// Ends the loop when all have ended, or when their time is up.
Task<void> end_loop(net::Loop& loop, const std::vector<std::unique_ptr<SinkWorker>>& workers,
                    std::int64_t within_ms) {
  const std::int64_t until = loop.now_ms() + within_ms;
  while (loop.now_ms() < until && !std::ranges::all_of(workers, &SinkWorker::ended)) {
    co_await loop.sleep_for(kStopPieceMs);
  }
  loop.stop();
}

}  // namespace

std::string_view name(SinkStatus::State state) {
  switch (state) {
    case SinkStatus::State::kRunning:
      return "running";
    case SinkStatus::State::kWaiting:
      return "waiting";
    case SinkStatus::State::kStopped:
      return "stopped";
  }
  return "unknown";
}

struct Sinks::Thread {
  net::Loop loop;
  std::thread thread;
};

Sinks::Sinks() = default;
Sinks::~Sinks() { stop(); }

Result<std::unique_ptr<Sinks>> Sinks::make(const Config& config, const std::string& journal,
                                           audit::FileSystem& files, const Recorder& recorder,
                                           SinkParts parts, SinkTimes times) {
  std::unique_ptr<Sinks> made(new Sinks());
  made->journal_ = journal;
  made->recorder_ = &recorder;
  made->times_ = times;
  if (config.sinks.empty()) return made;
  if (config.sinks.size() > kSinksMax) return fail(Code::kInvalid, "notify: more than 64 sinks");
  if (!recorder.keeps()) {
    return fail(Code::kInvalid, "notify: sinks read the journal, and there is none");
  }
  const Result<void> directory = files.make_directory(journal + "/sinks");
  if (!directory) return std::unexpected(directory.error());
  std::set<std::string> names;
  for (const SinkConfig& entry : config.sinks) {
    const std::string where = "notify[" + std::to_string(made->workers_.size()) + "].";
    const Result<void> checked = check_sink(entry);
    if (!checked) return fail(Code::kInvalid, where + checked.error().what);
    if (!names.insert(entry.name).second) {
      return fail(Code::kInvalid, where + "name: \"" + entry.name + "\" is there twice");
    }
    Result<std::unique_ptr<Sink>> sink = find_sink_type(entry.type)->make(entry, parts);
    if (!sink) return fail(sink.error().code, where + sink.error().what);
    made->workers_.push_back(std::make_unique<SinkWorker>(
        entry, std::move(*sink), SinkWorker::House{made->journal_, files, recorder, parts, times}));
  }
  return made;
}

void Sinks::start() {
  if (thread_ || workers_.empty()) return;
  thread_ = std::make_unique<Thread>();
  for (const auto& worker : workers_) thread_->loop.spawn(worker->run(thread_->loop));
  thread_->thread = std::thread([loop = &thread_->loop] { loop->run(); });
}

void Sinks::stop() {
  if (!thread_) return;
  thread_->loop.post([this] {
    for (const auto& worker : workers_) worker->finish();
    thread_->loop.spawn(end_loop(thread_->loop, workers_, times_.stop_ms));
  });
  thread_->thread.join();
  thread_->loop.drop_tasks();
  for (const auto& worker : workers_) worker->let_go();
  thread_.reset();
}

std::vector<SinkStatus> Sinks::status() const {
  std::vector<SinkStatus> all;
  for (const auto& worker : workers_) all.push_back(worker->status());
  return all;
}

std::uint64_t Sinks::needed_seq() const {
  std::uint64_t lowest = UINT64_MAX;
  for (const auto& worker : workers_) lowest = std::min(lowest, worker->durable_next_seq());
  return lowest;
}

void Sinks::collect(MetricSink& sink) const {
  for (const SinkStatus& one : status()) {
    const MetricLabels who = {{"sink", one.name}, {"type", one.type}};
    sink.gauge("sallyport_sink_behind", "Records of the log that a sink's receiver has not.", who,
               static_cast<double>(one.behind));
    sink.gauge("sallyport_sink_lag_seconds", "Age of the oldest of them.", who,
               static_cast<double>(one.lag_ms) / 1000);
    sink.counter("sallyport_sink_sent", "Records that a receiver has taken.", who,
                 static_cast<double>(one.sent));
    sink.counter("sallyport_sink_dead", "Records that a receiver will never take.", who,
                 static_cast<double>(one.dead));
    sink.gauge("sallyport_sink_refused", "Records refused in a row, none taken since.", who,
               static_cast<double>(one.refused));
    sink.counter("sallyport_sink_attempts_failed", "Deliveries that failed.", who,
                 static_cast<double>(one.attempts_failed));
    for (const auto state :
         {SinkStatus::State::kRunning, SinkStatus::State::kWaiting, SinkStatus::State::kStopped}) {
      MetricLabels labels = who;
      labels.push_back({"state", name(state)});
      sink.gauge("sallyport_sink_state", "1 at the state a sink is in.", labels,
                 one.state == state ? 1 : 0);
    }
  }
}

SinkWorker* Sinks::find(const std::string& name) const {
  const auto found = std::ranges::find(workers_, name, [](const auto& w) { return w->name(); });
  return found == workers_.end() ? nullptr : found->get();
}

Result<void> Sinks::replay(const std::string& name, std::uint64_t from_seq) {
  SinkWorker* worker = find(name);
  if (worker == nullptr) return fail(Code::kNotFound, "no sink \"" + name + "\"");
  if (from_seq > recorder_->durable_seq() + 1) {
    return fail(Code::kInvalid, "the log has no record " + std::to_string(from_seq) + " yet");
  }
  if (from_seq == 0 && worker->lost()) {
    return fail(Code::kInvalid, "the cursor is lost; say from which record to go on");
  }
  if (!thread_) return fail(Code::kUnavailable, "the sinks do not run");
  thread_->loop.post([worker, from_seq] { worker->replay(from_seq); });
  return {};
}

void Sinks::test(const std::string& name, std::function<void(Result<std::string>)> done) {
  SinkWorker* worker = find(name);
  if (worker == nullptr) return done(fail(Code::kNotFound, "no sink \"" + name + "\""));
  if (!thread_) return done(fail(Code::kUnavailable, "the sinks do not run"));
  thread_->loop.post([worker, done = std::move(done)]() mutable { worker->test(std::move(done)); });
}

}  // namespace sallyport::notify
