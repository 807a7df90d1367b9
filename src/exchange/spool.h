// SPDX-License-Identifier: Apache-2.0
// Bytes of an upload: up to `memory_bytes_max` in memory, beyond that in an unlinked file under
// AES-256-CTR with a key that is never stored, so that nothing readable stays on the disk. Written
// once, then read any number of times from the start. File I/O is buffered and blocks shortly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/body.h"

namespace sallyport {

class Spool {
 public:
  // `directory` takes the file; it is opened with O_TMPFILE where the file system can.
  Spool(std::string directory, std::size_t memory_bytes_max);
  ~Spool();
  Spool(const Spool&) = delete;

  Result<void> append(std::string_view bytes);  // kUnavailable: the disk refused (full)
  std::uint64_t size() const;
  bool on_disk() const;

  // Reads from `offset` into at most `length` bytes; for scanners and for the way up.
  Result<std::string> read(std::uint64_t offset, std::size_t length) const;
  // The spool outlives the source.
  std::unique_ptr<net::BodySource> open() const;

 private:
  struct File;
  std::string directory_;
  std::size_t memory_bytes_max_;
  std::string memory_;
  std::unique_ptr<File> file_;
  std::uint64_t size_ = 0;
};

}  // namespace sallyport
