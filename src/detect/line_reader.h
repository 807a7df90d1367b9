// SPDX-License-Identifier: Apache-2.0
// Lines of a log, read fast: what the detectors need of a plain line, without a parse tree and
// without an allocation once the names have their room. What is not plain - escapes in a name, a
// fraction, a record that is no finished request - goes to parse_event(), so both read the same.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/event.h"

namespace sallyport::detect {

class LineReader {
 public:
  // Overwrites `event`, always the same one. kInvalid: no line of a log. Lines are at most 65,535
  // bytes.
  Result<void> read(std::string_view line, Event& event);

 private:
  enum class Outcome { kRead, kNotPlain };
  Outcome plain(std::string_view line, Event& event);
  bool time(std::string_view text, UtcTime& time);

  std::string day_;  // the date of the last line, and its midnight
  UtcTime midnight_{};
  bool slow_ = false;
};

}  // namespace sallyport::detect
