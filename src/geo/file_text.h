// SPDX-License-Identifier: Apache-2.0
// A whole file of the operator in memory, with the time it was written.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace sallyport::geo {

struct FileText {
  std::string text;
  UtcTime written{};
};

// kNotFound: there is no such file. kUnavailable: it cannot be read, is no regular file, or is
// larger than `bytes_max`.
Result<FileText> read_file_text(const std::string& path, std::size_t bytes_max);

}  // namespace sallyport::geo
