// SPDX-License-Identifier: Apache-2.0
#include "notify/retry_after.h"

#include <algorithm>
#include <string>

#include "base/text.h"

namespace sallyport::notify {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::size_t kDateBytes = 29;

// The one form that may be sent (RFC 9110, 5.6.7): its places are fixed, so parse_utc can read it.
std::optional<UtcTime> parse_date(std::string_view text) {
  if (text.size() != kDateBytes || !text.ends_with(" GMT")) return std::nullopt;
  const std::size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  const std::string number = std::to_string(month / 3 + 1);
  std::string iso(text.substr(12, 4));
  iso += "-" + std::string(2 - number.size(), '0') + number + "-";
  iso += text.substr(5, 2);
  iso += "T";
  iso += text.substr(17, 8);
  return parse_utc(iso + "Z");
}

}  // namespace

std::optional<milliseconds> parse_retry_after(std::string_view value, UtcTime now) {
  value = trim_ows(value);
  if (const auto seconds = parse_uint(value)) {
    const auto max = static_cast<std::uint64_t>(kRetryAfterMax.count() / 1000);
    return std::max(milliseconds(1),
                    milliseconds(static_cast<std::int64_t>(std::min(*seconds, max)) * 1000));
  }
  const std::optional<UtcTime> date = parse_date(value);
  if (!date) return std::nullopt;
  return std::clamp<milliseconds>(*date - now, milliseconds(1), kRetryAfterMax);
}

}  // namespace sallyport::notify
