// SPDX-License-Identifier: Apache-2.0
// Time comes in as an argument: tests replace it. Wall time decides expiry, steady time decides
// timers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

using UtcTime = std::chrono::sys_time<std::chrono::milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UtcTime now() const = 0;             // wall clock, UTC, milliseconds
  virtual std::int64_t steady_us() const = 0;  // monotonic, microseconds since an arbitrary start
};

class SystemClock final : public Clock {
 public:
  UtcTime now() const override;
  std::int64_t steady_us() const override;
};

// A clock that stands still until told: for tests.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UtcTime start) : now_(start) {}
  UtcTime now() const override { return now_; }
  std::int64_t steady_us() const override { return steady_us_; }
  void advance(std::chrono::milliseconds by) {
    now_ += by;
    steady_us_ += by.count() * 1000;
  }
  void set(UtcTime now) { now_ = now; }

 private:
  UtcTime now_;
  std::int64_t steady_us_ = 0;
};

// "2026-11-24T22:30:00.123Z", always 24 characters; years 1970 to 9999.
std::string format_utc(UtcTime time);
void append_utc(std::string& out, UtcTime time);

// RFC 3339 with `Z` or an offset, seconds with up to nine decimals (cut to milliseconds), or
// a bare date (midnight UTC). Nothing for anything else.
std::optional<UtcTime> parse_utc(std::string_view text);

// "90s", "8h", "14d", "250ms", "10m": a whole number and a unit. Nothing for anything else or below
// zero.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace sallyport
