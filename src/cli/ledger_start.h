// SPDX-License-Identifier: Apache-2.0
// Brings the ledger back at a start, from its last checkpoint and the journal after it, and writes
// new checkpoints, off the way of requests.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "audit/config.h"
#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"
#include "keys/key_ring.h"
#include "meter/ledger.h"
#include "meter/ledger_store.h"

namespace sallyport::cli {

// audit.enabled: false, and a living key or layer has a hard budget: kInvalid, and names it. Such a
// gate must not start; what is set later by another process is refused call by call.
Result<void> budgets_kept(const audit::Config& audit, const keys::KeyRing& ring, UtcTime now);

// `journal` is the directory of a journal that was opened (so that what a crash left open has its
// outcomes); without one nothing is replayed. An error: the sums would be too small, so no call may
// be made from them.
Result<void> start_ledger(meter::Ledger& ledger, meter::LedgerStore& store,
                          const std::optional<std::string>& journal, audit::FileSystem& files);

// A checkpoint at once, every ten seconds, and at the stop. One that fails is told in the log and
// tried again; meanwhile only a start takes longer.
class LedgerCheckpoints {
 public:
  static constexpr std::chrono::seconds kEvery{10};

  // All outlive it.
  LedgerCheckpoints(meter::Ledger& ledger, meter::LedgerStore& store, const Recorder& recorder);
  ~LedgerCheckpoints() { stop(); }
  LedgerCheckpoints(const LedgerCheckpoints&) = delete;

  // The last one. After the journal was stopped, so that it has all of it.
  void stop();

 private:
  void run();
  void write();

  meter::Ledger& ledger_;
  meter::LedgerStore& store_;
  const Recorder& recorder_;
  bool failing_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sallyport::cli
