// SPDX-License-Identifier: Apache-2.0
// The intents that have no outcome yet, as of one place in the log. Each segment has such a list
// beside it (<first_seq>.open: what was open before its first record), so that a start or a query
// reads one segment and not the whole log. The list is derived: without it the segments before are
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/file_system.h"
#include "audit/segment.h"
#include "base/result.h"

namespace sallyport::audit {

class OpenIntents {
 public:
  void apply(std::string_view line);  // a good line: an intent opens, a request closes
  bool contains(std::string_view request_id) const { return lines_.contains(request_id); }
  std::size_t size() const { return lines_.size(); }
  std::vector<std::string> lines() const;  // the intents' own lines, in the order of the log

  std::string encode(std::uint64_t before_seq) const;
  static std::optional<OpenIntents> decode(std::string_view bytes, std::uint64_t before_seq);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  // As many as there are requests in flight: each is closed by its outcome or at the next start.
  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> lines_;
};

// What was open before the first record of segments[index].
Result<OpenIntents> open_before(FileSystem& files, const std::string& journal,
                                const std::vector<SegmentId>& segments, std::size_t index);

}  // namespace sallyport::audit
