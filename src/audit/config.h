// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace sallyport::audit {

struct Config {
  bool enabled = true;  // false: no record, for measurements only; doctor says so
  std::string path = "/var/lib/sallyport/journal";
  bool refuse_on_write_failure = true;      // false: pass_unrecorded, counted and alarmed
  bool outcome_synced = false;              // true: an answer's last byte waits for the fsync
  std::size_t segment_bytes = 64ull << 20;  // preallocated in steps, sealed when full
  std::size_t queue_records_max = 65536;    // beyond it records are refused, not dropped
};

}  // namespace sallyport::audit
