// SPDX-License-Identifier: Apache-2.0
// What ended while the store was sick, or in a store that was replaced by an older copy, and a
// restart came before it was written: the journal has it. It is in force again before the first
// request, and the ring writes it. The store keeps how far the journal's ends are known to be in
// it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "audit/file_system.h"
#include "base/result.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "keys/key_ring.h"

namespace sallyport::cli {

// `journal` is the directory of a journal that was opened. The value is how many records of ends
// were read again; an end that is known already changes nothing. An error: nobody knows which keys
// are dead, so no door may open.
Result<std::uint64_t> replay_ends(keys::KeyRing& ring, SettingStore& settings,
                                  const std::string& journal, audit::FileSystem& files,
                                  UtcTime now);

// Keeps that mark, once a minute and at the stop; where it cannot, a start only reads more.
class EndsMark {
 public:
  static constexpr std::chrono::seconds kEvery{60};

  // All outlive it.
  EndsMark(const keys::KeyRing& ring, SettingStore& settings, const Recorder& recorder);
  ~EndsMark() { stop(); }
  EndsMark(const EndsMark&) = delete;

  void write();  // if the ring owes the store nothing
  void stop();

 private:
  void run();

  const keys::KeyRing& ring_;
  SettingStore& settings_;
  const Recorder& recorder_;
  std::uint64_t written_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sallyport::cli
