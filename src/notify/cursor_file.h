// SPDX-License-Identifier: Apache-2.0
// Where a sink goes on in the log: the first record its receiver has not acknowledged. Two lines,
// the newest and the one before it, each with a check sum: if the newest is damaged, a batch is
// sent twice; if both are, nobody guesses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "audit/file_system.h"
#include "base/result.h"

namespace sallyport::notify {

class CursorFile {
 public:
  // <directory>/<sink>.cursor, of the log `origin`. `files` outlives it.
  CursorFile(audit::FileSystem& files, std::string directory, std::string sink, std::string origin)
      : files_(files),
        directory_(std::move(directory)),
        sink_(std::move(sink)),
        origin_(std::move(origin)) {}

  struct Found {
    std::uint64_t next_seq = 1;
    bool newest_damaged = false;  // it is the one before
  };
  // Nothing: there is no file, the sink is new. kCorrupt: damaged, or of another sink or log.
  // kUnavailable: the disk did not answer.
  Result<std::optional<Found>> load();
  // Durable when it returns.
  Result<void> save(std::uint64_t next_seq);

  std::string path() const { return directory_ + "/" + sink_ + ".cursor"; }

 private:
  std::string line(std::uint64_t next_seq) const;
  std::optional<std::uint64_t> parse(std::string_view line) const;

  audit::FileSystem& files_;
  std::string directory_, sink_, origin_;
  std::string newest_;  // as it lies on the disk
};

}  // namespace sallyport::notify
