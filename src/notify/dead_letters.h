// SPDX-License-Identifier: Apache-2.0
// Records that a receiver will never take, with its reason: <directory>/<sink>.dead, JSON lines.
// The record itself stays in the log in any case; this is what a person reads to find out what is
// wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"

namespace sallyport::notify {

class DeadLetters {
 public:
  static constexpr std::uint64_t kBytesMax = 16u << 20;  // beyond it letters are only counted

  // `files` outlives it.
  DeadLetters(audit::FileSystem& files, std::string directory, std::string sink,
              std::uint64_t bytes_max = kBytesMax)
      : files_(files),
        directory_(std::move(directory)),
        name_(std::move(sink) + ".dead"),
        bytes_max_(bytes_max) {}

  struct Letter {
    std::string_view id, reason, line;
  };
  // How many were kept: fewer when the file is full. kUnavailable: the disk took none.
  Result<std::size_t> add(UtcTime now, std::span<const Letter> letters);

 private:
  audit::FileSystem& files_;
  std::string directory_, name_;
  std::uint64_t bytes_max_;
};

}  // namespace sallyport::notify
