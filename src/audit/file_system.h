// SPDX-License-Identifier: Apache-2.0
// The few things the journal asks of a disk, behind an interface so that tests can break every one
// of them. An implementation reports each failure once and never retries for the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sallyport::audit {

// One open file. After any error its content beyond the last successful sync is unknown.
class SegmentFile {
 public:
  virtual ~SegmentFile() = default;
  virtual Result<std::size_t> write(std::uint64_t offset,
                                    std::string_view bytes) = 0;  // may be short
  virtual Result<void> sync() = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
};

class FileSystem {
 public:
  // Held while it lives: one process writes a journal.
  class Lock {
   public:
    virtual ~Lock() = default;
  };

  virtual ~FileSystem() = default;
  virtual Result<void> make_directory(const std::string& path) = 0;  // with parents; mode 0700
  virtual Result<std::vector<std::string>> list(
      const std::string& directory) = 0;  // names, any order
  // The first `bytes_max` bytes of the file, or all of it when it is shorter.
  virtual Result<std::string> read(const std::string& path, std::size_t bytes_max) = 0;
  // The same from `offset` on; empty at or behind the end.
  virtual Result<std::string> read_at(const std::string& path, std::uint64_t offset,
                                      std::size_t bytes_max) = 0;
  virtual Result<std::unique_ptr<SegmentFile>> create(
      const std::string& path) = 0;                                                 // empties; 0600
  virtual Result<std::unique_ptr<SegmentFile>> open(const std::string& path) = 0;   // must exist
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // replaces
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> remove_directory(const std::string& path) = 0;  // must be empty
  virtual Result<std::uint64_t> size(const std::string& path) = 0;
  virtual Result<void> sync_directory(const std::string& path) = 0;
  virtual Result<std::unique_ptr<Lock>> lock(
      const std::string& path) = 0;  // kDenied: another has it
};

// The real one. Holds no state; any thread.
class PosixFileSystem final : public FileSystem {
 public:
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::string> read(const std::string& path, std::size_t bytes_max) override {
    return read_at(path, 0, bytes_max);
  }
  Result<std::string> read_at(const std::string& path, std::uint64_t offset,
                              std::size_t bytes_max) override;
  Result<std::unique_ptr<SegmentFile>> create(const std::string& path) override;
  Result<std::unique_ptr<SegmentFile>> open(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<std::uint64_t> size(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<Lock>> lock(const std::string& path) override;
};

// Writes all of `bytes`, however short the single writes are.
Result<void> write_whole(SegmentFile& file, std::uint64_t offset, std::string_view bytes);

// The file appears whole or not at all, and stays after a power cut.
Result<void> replace_file(FileSystem& files, const std::string& directory, const std::string& name,
                          std::string_view bytes);

// Behind what the file holds; made when it is not there. Durable when it returns; after an error
// the file is as long as before, as far as the disk lets us.
Result<void> append_file(FileSystem& files, const std::string& directory, const std::string& name,
                         std::string_view bytes);

// Of a path with a slash: what stands before the last one.
std::string directory_of(const std::string& path);
std::string name_of(const std::string& path);

}  // namespace sallyport::audit
