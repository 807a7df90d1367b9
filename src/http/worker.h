// SPDX-License-Identifier: Apache-2.0
// One thread's share of the gate: its connections, its stages, and the watch over streams in
// flight. Everything here belongs to the worker's loop; main builds one per core.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/source_places.h"
#include "event/ports/admission.h"
#include "event/ports/recorder.h"
#include "event/ports/revocations.h"
#include "event/refusal_fold.h"
#include "exchange/body_memory.h"
#include "exchange/own_route.h"
#include "exchange/stage.h"
#include "http/config.h"
#include "net/connect.h"
#include "net/tls.h"

namespace sallyport::http {

// What all workers count, for the metrics page. Relaxed: a sum that is a moment old.
struct Counters {
  std::atomic<std::uint64_t> connections{0};  // accepted
  std::atomic<std::int64_t> connections_open{0};
  std::atomic<std::uint64_t> connections_refused{0};  // over the limit, or blocked
  std::atomic<std::uint64_t> tls_failures{0};
  std::atomic<std::uint64_t> heads_refused{0};  // never became a request
  std::atomic<std::uint64_t> requests[6]{};     // by status class: [2] is 2xx; [0] never answered
  std::atomic<std::int64_t> streams_open{0};
  std::atomic<std::uint64_t> streams_cut{0};  // because the key died
};

// The way of a request on one thread: limits and stages of one configuration. A reload makes a new
// one; exchanges under way keep theirs to the end.
struct Way {
  Config config;
  bool refuse_without_record = true;           // audit.on_write_failure
  bool outcome_synced = false;                 // audit.outcome
  std::shared_ptr<const void> keeps;           // what stages refer to beside `config`
  std::vector<std::unique_ptr<Stage>> stages;  // in order; may refer to `config`
  // Answered by the gate itself, before any stage; the first that takes a request has it.
  std::vector<std::unique_ptr<OwnRoute>> routes;
  // Calls of these routes that have a body, from its first byte to the answer: further ones are
  // sent away. A body that is not whole in time loses its place.
  static constexpr std::size_t kOwnPlaces = 32, kOwnPlacesPerSource = 8;
  std::int64_t own_body_ms = 10'000;
  mutable SourcePlaces own_places{kOwnPlaces, kOwnPlacesPerSource};
  BodyMemory* body_memory = nullptr;  // what their bodies are charged to; outlives it; null: none
};
// Fills a way for the thread of `loop`; called once a thread and configuration, on that thread or
// before it runs.
using WayMaker = std::function<void(net::Loop& loop, Way& way)>;

// What a worker needs of the house. Everything outlives the worker.
struct House {
  const Clock& clock;
  Recorder* recorder = nullptr;              // null: audit is off
  const Revocations* revocations = nullptr;  // null: keys are off
  const Admission* admission = nullptr;      // null: nothing is blocked
  bool refuse_without_record = true;         // audit.on_write_failure
  bool outcome_synced = false;               // audit.outcome
  Counters& counters;
};

class Connection;

class Worker {
 public:
  // How often streams in flight are held against the key ring; half of it is the mean time to the
  // cut.
  static constexpr std::int64_t kWatchMs = 250;

  Worker(net::Loop& loop, House house, std::shared_ptr<const Way> way);
  ~Worker();
  Worker(const Worker&) = delete;

  // A client came: on the loop's thread. `tls` may be null.
  void accept(int fd, net::Endpoint peer, std::shared_ptr<const net::TlsContext> tls);

  // No new requests: idle connections close, exchanges under way end, at the deadline they are cut.
  // `then` runs on the loop when the last connection is gone, at the latest kCutMs after the
  // deadline.
  static constexpr std::int64_t kCutMs = 2'000;
  void drain(net::Deadline until, std::move_only_function<void()> then);
  bool draining() const { return draining_; }
  std::size_t open() const { return open_; }

  net::Loop& loop() { return loop_; }
  const House& house() const { return house_; }
  const std::shared_ptr<const Way>& way() const { return way_; }
  void take(std::shared_ptr<const Way> way) { way_ = std::move(way); }  // a new configuration
  net::RequestHead& head_scratch() { return head_scratch_; }

  // True: this refusal is one of a flood, and a record within a second stands for it.
  bool fold(const IpAddress& source, const Event& refusal);

 private:
  friend class Connection;
  Task<void> serve(int fd, net::Endpoint peer, std::shared_ptr<const net::TlsContext> tls);
  void watch();
  void check_drained();
  void arm_watch();
  void record_folded();

  net::Loop& loop_;
  House house_;
  std::shared_ptr<const Way> way_;
  std::unordered_set<Connection*> connections_;
  std::unordered_set<int> handshakes_;  // sockets whose TLS handshake is under way
  net::RequestHead head_scratch_;       // used between two suspensions only
  RefusalFold refusals_;
  net::Timer fold_timer_;
  net::Timer watch_timer_;
  net::Timer drain_timer_;
  std::move_only_function<void()> drained_;
  std::uint64_t ring_version_ = 0;
  std::int64_t expiry_checked_ms_ = 0;
  std::size_t open_ = 0;
  bool draining_ = false;
};

}  // namespace sallyport::http
