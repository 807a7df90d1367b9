// SPDX-License-Identifier: Apache-2.0
// Keeps a flood of refusals from filling the disk. The first refusals of a source within a second
// are recorded one by one; what follows is counted, and one record at the end of that second says
// how many there were (`repeated`). Only for callers that nobody could identify: a request that
// shows a valid key, and an act of whoever has a name, always has records of its own. Not thread
// safe: belongs to one loop (a worker of the gate, the admin listener).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/ip_address.h"
#include "event/event.h"

namespace sallyport {

class RefusalFold {
 public:
  static constexpr std::int64_t kWindowMs = 1000;
  static constexpr std::size_t kSinglesPerSource = 20;  // recorded one by one, each window
  static constexpr std::size_t kSingles = 500;          // of all sources together
  static constexpr std::size_t kSourcesMax = 4096;      // more are counted together, under "::"

  // True: `event` is counted and must not be recorded now; take_due() will hand it out. IPv6
  // sources count by their /64, which one subscriber has whole.
  bool fold(const IpAddress& source, const Event& event, std::int64_t now_ms);

  // When the records that were held back are due; 0: none are. Steady milliseconds, as `now_ms`.
  std::int64_t due_ms() const { return held_ ? window_start_ms_ + kWindowMs : 0; }

  // One record for each source of which some were counted: its latest refusal, with `repeated`.
  std::vector<Event> take_due();

 private:
  struct Source {
    std::size_t singles = 0;
    std::int64_t counted = 0;
    Event latest;  // of those that were counted
  };
  void begin_window(std::int64_t now_ms);

  std::map<IpAddress, Source> sources_;
  std::size_t singles_ = 0;
  std::int64_t window_start_ms_ = 0;
  bool held_ = false;
};

}  // namespace sallyport
