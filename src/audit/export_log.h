// SPDX-License-Identifier: Apache-2.0
// The log as a folder that any web server can serve and any tlog-tiles client can read: checkpoint,
// tiles, and the records in entry bundles.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "audit/file_system.h"
#include "base/result.h"

namespace sallyport::audit {

struct ExportReport {
  std::uint64_t size = 0;         // of the checkpoint that was exported
  std::uint64_t first_index = 0;  // what lies before was pruned
  std::uint64_t bundles = 0;      // written now; those that were there are kept
};

// Writes what is not there yet; the checkpoint comes last, so that what it speaks of is there.
// Each record is compared with its tile on the way. kInvalid: the folder holds another log.
Result<ExportReport> export_log(FileSystem& files, const std::string& journal,
                                const std::string& folder,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace sallyport::audit
