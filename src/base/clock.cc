// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace sallyport {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kLastMs = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z

void put_digits(char* at, std::int64_t value, int width) {
  for (int i = width; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

// Exactly `width` digits at `at`; -1 for anything else.
int digits(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, width)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// "2026-11-24" at the start of `text`, as milliseconds since 1970.
std::optional<std::int64_t> date_ms(std::string_view text) {
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  if (year < 1970 || month < 0 || day < 0 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDayMs;
}

// "22:30:00" at the start. A leap second counts as the second that follows it.
std::optional<std::int64_t> time_ms(std::string_view text) {
  const int hour = digits(text, 0, 2);
  const int minute = digits(text, 3, 2);
  const int second = digits(text, 6, 2);
  if (hour < 0 || minute < 0 || second < 0 || text[2] != ':' || text[5] != ':') return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return ((hour * 60 + minute) * 60 + second) * std::int64_t{1000};
}

// Takes ".123456789" off the front; at most nine decimals, cut to milliseconds.
std::optional<std::int64_t> take_fraction_ms(std::string_view& text) {
  if (!text.starts_with('.')) return 0;
  text.remove_prefix(1);
  std::size_t count = 0;
  std::int64_t value = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') {
    if (count < 3) value = value * 10 + (text[count] - '0');
    ++count;
  }
  if (count == 0 || count > 9) return std::nullopt;
  for (std::size_t i = count; i < 3; ++i) value *= 10;
  text.remove_prefix(count);
  return value;
}

// "Z" or "+02:00", the whole rest.
std::optional<std::int64_t> offset_ms(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') {
    return std::nullopt;
  }
  const int hours = digits(text, 1, 2);
  const int minutes = digits(text, 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  const std::int64_t offset = (hours * 60 + minutes) * std::int64_t{60'000};
  return text[0] == '+' ? offset : -offset;
}

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"d", kDayMs}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

}  // namespace

UtcTime SystemClock::now() const {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

std::int64_t SystemClock::steady_us() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void append_utc(std::string& out, UtcTime time) {
  const std::int64_t ms = std::clamp<std::int64_t>(time.time_since_epoch().count(), 0,
                                                   kLastMs);  // always 24 characters
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(ms / kDayMs))};
  const std::int64_t in_day = ms % kDayMs;
  char text[] = "0000-00-00T00:00:00.000Z";
  put_digits(text, static_cast<int>(date.year()), 4);
  put_digits(text + 5, static_cast<unsigned>(date.month()), 2);
  put_digits(text + 8, static_cast<unsigned>(date.day()), 2);
  put_digits(text + 11, in_day / 3'600'000, 2);
  put_digits(text + 14, in_day / 60'000 % 60, 2);
  put_digits(text + 17, in_day / 1'000 % 60, 2);
  put_digits(text + 20, in_day % 1'000, 3);
  out.append(text, sizeof(text) - 1);
}

std::string format_utc(UtcTime time) {
  std::string out;
  append_utc(out, time);
  return out;
}

std::optional<UtcTime> parse_utc(std::string_view text) {
  if (text.size() < 10 || text.size() > 40) return std::nullopt;
  const auto date = date_ms(text);
  if (!date) return std::nullopt;
  if (text.size() == 10) return UtcTime(milliseconds(*date));
  if (text[10] != 'T' && text[10] != 't') return std::nullopt;
  text.remove_prefix(11);
  if (text.size() < 9) return std::nullopt;
  const auto time = time_ms(text);
  text.remove_prefix(8);
  const auto fraction = take_fraction_ms(text);
  const auto offset = offset_ms(text);
  if (!time || !fraction || !offset) return std::nullopt;
  const std::int64_t ms = *date + *time + *fraction - *offset;
  if (ms < 0 || ms > kLastMs) return std::nullopt;
  return UtcTime(milliseconds(ms));
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  const std::size_t split = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_uint(text.substr(0, split));
  if (!count) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(split) != unit.name) continue;
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (*count > static_cast<std::uint64_t>(kMax / unit.ms)) return std::nullopt;
    return milliseconds(static_cast<std::int64_t>(*count) * unit.ms);
  }
  return std::nullopt;
}

std::string format_duration(milliseconds duration) {
  const std::int64_t ms = duration.count();
  if (ms == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (ms % unit.ms == 0) return std::to_string(ms / unit.ms).append(unit.name);
  }
  return {};  // not reached: one millisecond divides all
}

}  // namespace sallyport
