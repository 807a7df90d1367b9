// SPDX-License-Identifier: Apache-2.0
// Reads the whole log and says whether it keeps what it promises: every record whole and in its
// place, and all of it what the checkpoints signed. The crc finds accidents; forgers are found by
// the tree, as far as the last-signed state and the keys are out of their reach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/file_system.h"
#include "audit/signed_note.h"
#include "base/result.h"

namespace sallyport::audit {

struct Problem {
  std::uint64_t seq = 0;  // 0: not of one record
  std::string what;
};

inline constexpr std::size_t kProblemsMax = 100;

struct VerifyReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t open_intents = 0;  // in flight, or left by a crash until the next start
  std::uint64_t torn_bytes = 0;    // behind the last record: being written, or left by a crash
  std::string origin;              // of the checkpoints; empty: the log was never signed
  std::uint64_t signed_size = 0;   // of the newest checkpoint
  std::uint64_t checkpoints = 0;   // that were checked
  // Keys that an operator brought with accept-state: no key before vouches for them, only the
  // last-signed state, or somebody who knows better. Also those whose record was pruned.
  std::uint64_t accepted_keys = 0;
  std::uint64_t problems_found = 0;
  std::vector<Problem> problems;  // the first kProblemsMax
  bool ok() const { return problems_found == 0; }
  void problem(std::uint64_t seq, std::string what) {
    ++problems_found;
    if (problems.size() < kProblemsMax) problems.push_back({seq, std::move(what)});
  }
};

struct VerifyOptions {
  int threads = 1;
  std::optional<std::string> last_signed = {};  // where the state is kept, when it is at hand
  // Believe these alone, and no log without a checkpoint under one of them; empty: those of the
  // log.
  std::vector<VerifierKey> keys = {};
  std::function<void(std::uint64_t bytes, std::uint64_t of)> progress = {};
};

// Checks: every crc, seq without gap, time that never goes back, each line readable, each request
// with at most one outcome, each intent before it; the tiles, every checkpoint ever signed, its
// signatures, and the last-signed state, against the records; that each key was brought by the one
// before it, and that what is missing at the beginning was pruned by a signed record. Also while
// the log is being written, and beside a prune: then it may begin again, and so may `progress`.
// kNotFound: no journal.
Result<VerifyReport> verify(FileSystem& files, const std::string& journal,
                            const VerifyOptions& options = {});
Result<VerifyReport> verify(const std::string& journal,
                            const VerifyOptions& options = {});  // on the real disk

}  // namespace sallyport::audit
