// SPDX-License-Identifier: Apache-2.0
// The end of a line of the log, which belongs to the journal:
// [,"synced":M],"seq":N,"crc":"xxxxxxxx"}. docs/journal.md defines it. And a cheap look at the two
// fields that recovery needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sallyport::audit {

struct LineTail {
  std::uint64_t seq = 0;
  std::optional<std::uint64_t> synced;  // every record up to here was durable when this was written
};

// `line` ends as append_event_open leaves it; closes the object. No newline.
// The crc is taken over the bytes of `line` from `start` on.
void close_line(std::string& line, std::size_t start, const LineTail& tail);

// Nothing unless the line (without newline) is whole: well ended, and its crc is right.
std::optional<LineTail> check_line(std::string_view line);

// Of a line that check_line accepted. Raw JSON text: request ids of ours hold nothing to unescape.
std::string_view line_kind(std::string_view line);
std::string_view line_request_id(std::string_view line);  // empty when null
std::optional<UtcTime> line_time(std::string_view line);

}  // namespace sallyport::audit
