// SPDX-License-Identifier: Apache-2.0
// What `verify` takes out of one segment: everything that can be checked without the others, and
// what the checks across segments need. Segments are scanned by several threads at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/file_system.h"
#include "audit/merkle.h"
#include "audit/min_index.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/result.h"

namespace sallyport::audit {

struct SegmentScan {
  struct Step {  // of a request
    std::uint64_t seq = 0;
    std::uint64_t request = 0;  // hash of its id
    bool intent = false;        // else its outcome
  };

  struct KeyWord {  // a record speaks of a new signing key
    std::uint64_t seq = 0;
    std::string key;
    std::optional<std::uint64_t> accepted_at;  // an operator brought it, at this size; else rotated
  };

  SegmentId id;
  std::uint64_t end_seq = 0;
  std::uint64_t torn_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::string first_time, last_time;  // texts of the log; empty when it has no records
  std::vector<TreeHash> leaves;
  std::vector<Step> steps;
  std::vector<KeyWord> new_keys;
  std::vector<MinIndex> prunes;  // what records of prunes tell
  VerifyReport found;            // problems alone
};

// Lines up to `trusted_seq` are not parsed as JSON: the tree says that they are as they were
// written.
Result<SegmentScan> scan_segment(FileSystem& files, const std::string& journal, const SegmentId& id,
                                 std::uint64_t trusted_seq);

}  // namespace sallyport::audit
