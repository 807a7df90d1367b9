// SPDX-License-Identifier: Apache-2.0
// What the program's exit status means. Stable: scripts branch on it.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace sallyport::cli {

enum Exit : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,    // wrong usage, or the configuration is invalid
  kFinding = 3,  // it worked, and the answer is bad news
  kNotPermitted = 4,
  kNotFound = 5,
  kConflict = 6,     // or already done
  kUnreachable = 7,  // or timed out
  kInterrupted = 130,
};

struct ExitMeaning {
  Exit code;
  std::string_view meaning;
};
std::span<const ExitMeaning> exit_meanings();

Exit exit_of(const Error& error);

}  // namespace sallyport::cli
