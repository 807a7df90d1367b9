// SPDX-License-Identifier: Apache-2.0
// Walks the whole log and says whether it keeps what it promises. It finds accidents, not forgers:
// the crc is no seal (the Merkle tree will be).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "audit/file_system.h"
#include "base/result.h"

namespace sallyport::audit {

struct Problem {
  std::uint64_t seq = 0;
  std::string what;
};

struct VerifyReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t open_intents = 0;  // in flight, or left by a crash until the next start
  std::uint64_t torn_bytes = 0;    // behind the last record: being written, or left by a crash
  std::uint64_t problems_found = 0;
  std::vector<Problem> problems;  // the first hundred
  bool ok() const { return problems_found == 0; }
};

// Checks: every crc, seq without gap, time that never goes back, each line readable, each request
// with at most one outcome, each intent before it. kNotFound: no journal.
Result<VerifyReport> verify(FileSystem& files, const std::string& journal);
Result<VerifyReport> verify(const std::string& journal);  // on the real disk

}  // namespace sallyport::audit
