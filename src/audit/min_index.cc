// SPDX-License-Identifier: Apache-2.0
#include "audit/min_index.h"

#include "base/text.h"

namespace sallyport::audit {

Result<std::uint64_t> read_min_index(FileSystem& files, const std::string& journal) {
  const std::string path = journal + "/min_index";
  const Result<std::string> text = files.read(path, 64);
  if (!text && text.error().code == Code::kNotFound) return std::uint64_t{0};
  if (!text) return std::unexpected(text.error());
  const bool ended = text->ends_with('\n');
  const auto index = ended ? parse_uint(text->substr(0, text->size() - 1)) : std::nullopt;
  if (!index) return fail(Code::kCorrupt, path + " holds no number");
  return *index;
}

Result<void> write_min_index(FileSystem& files, const std::string& journal, std::uint64_t index) {
  return replace_file(files, journal, "min_index", std::to_string(index) + "\n");
}

}  // namespace sallyport::audit
