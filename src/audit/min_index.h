// SPDX-License-Identifier: Apache-2.0
// <journal>/min_index: how many records at the beginning were deleted by retention. The log may
// begin behind them and nowhere else.
#pragma once

#include <cstdint>
#include <string>

#include "audit/file_system.h"
#include "base/result.h"

namespace sallyport::audit {

// 0 when nothing was ever pruned. kCorrupt: unreadable.
Result<std::uint64_t> read_min_index(FileSystem& files, const std::string& journal);
Result<void> write_min_index(FileSystem& files, const std::string& journal, std::uint64_t index);

}  // namespace sallyport::audit
