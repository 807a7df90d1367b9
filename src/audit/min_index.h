// SPDX-License-Identifier: Apache-2.0
// <journal>/min_index: how many records at the beginning were deleted by retention, and which
// record tells of it. The log may begin behind them and nowhere else. Whoever can write this file
// can write any number into it: it is believed when the record that it names is a signed one and
// says the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/file_system.h"
#include "base/result.h"

namespace sallyport::audit {

struct MinIndex {
  std::uint64_t index = 0;  // records up to this one are gone
  std::uint64_t seq = 0;    // of the record audit_pruned; 0 exactly when nothing was ever pruned
  friend bool operator==(const MinIndex&, const MinIndex&) = default;
};

// All zero when there is no such file. kCorrupt: unreadable.
Result<MinIndex> read_pruned(FileSystem& files, const std::string& journal);
// Its index alone.
Result<std::uint64_t> read_min_index(FileSystem& files, const std::string& journal);
Result<void> write_min_index(FileSystem& files, const std::string& journal, const MinIndex& bound);

// The min_index that a record of a prune tells; nothing: the line is no such record.
std::optional<std::uint64_t> pruned_to(std::string_view line);

}  // namespace sallyport::audit
