// SPDX-License-Identifier: Apache-2.0
// When a receiver wants to be asked again, as HTTP says it: seconds, or a date.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace sallyport::notify {

// Nobody is waited for longer than this on its word alone: a wrong clock there must not silence us.
inline constexpr std::chrono::milliseconds kRetryAfterMax = std::chrono::hours(1);

// "120" or "Sun, 06 Nov 1994 08:49:37 GMT"; a date that is over means at once (1 ms). Nothing for
// anything else.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value, UtcTime now);

}  // namespace sallyport::notify
