// SPDX-License-Identifier: Apache-2.0
// The latest wall time that was seen: a clock that is put back does not revive what has ended. Only
// times that the steady clock bears out are remembered, so that one wrong step forward does not
// end every key for good: what it ends lives again when the clock is right again.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace sallyport::keys {

class CheckedTime {
 public:
  // How far the wall clock may run ahead of the steady one at once.
  static constexpr std::int64_t kStepMaxMs = 60'000;
  // A step that stands for this long is believed: a machine that slept, a clock that was wrong.
  static constexpr std::int64_t kBelieveUs = 300'000'000;
  // How far behind the latest time the clock may be before anybody is told.
  static constexpr std::int64_t kBehindMs = 2'000;

  // `clock` outlives this.
  explicit CheckedTime(const Clock& clock);

  // Whichever is later, `now` or the latest time. Any thread; a few nanoseconds.
  UtcTime latest(UtcTime now) const;

  // `now` by the wall clock, unless that stands ahead of what is believed: then by the steady one.
  // What is forgotten for good is forgotten by this.
  UtcTime confirmed() const;

  // The wall clock is ahead of what is believed, now; or behind the latest time.
  bool ahead() const;
  bool behind() const;

  // Believes a step in the end. By one thread at a time, every second or so.
  void look();

 private:
  std::int64_t steady_ms() const { return clock_.steady_us() / 1000; }
  std::int64_t borne_out_ms() const;  // by the steady clock

  const Clock& clock_;
  std::atomic<std::int64_t> offset_ms_;  // wall less steady time, as it is believed
  mutable std::atomic<std::int64_t> latest_ms_, bound_ms_;
  std::optional<std::int64_t> ahead_since_us_;
};

}  // namespace sallyport::keys
