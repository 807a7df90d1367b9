// SPDX-License-Identifier: Apache-2.0
// Where checkpoints lie: the newest as <journal>/checkpoint, every one ever signed in
// <journal>/checkpoints/<yyyy>/<mm>/<dd>.notes, one note behind the other with an empty line after
// each. A note comes again when witnesses have signed it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"

namespace sallyport::audit {

// Nothing when there is none; the note is not verified.
Result<std::optional<std::string>> read_checkpoint(FileSystem& files, const std::string& journal);
Result<void> publish_checkpoint(FileSystem& files, const std::string& journal,
                                std::string_view note);
Result<void> keep_checkpoint(FileSystem& files, const std::string& journal, std::string_view note,
                             UtcTime at);

// Every note that was kept, the oldest first, until `each` returns false. A torn end of a file is
// passed over: what was signed stands in it before it is published, or will again.
Result<void> each_kept_checkpoint(FileSystem& files, const std::string& journal,
                                  const std::function<bool(std::string_view)>& each);

// The newest kept note of exactly this size.
Result<std::optional<std::string>> find_checkpoint(FileSystem& files, const std::string& journal,
                                                   std::uint64_t size);

}  // namespace sallyport::audit
