// SPDX-License-Identifier: Apache-2.0
// What this log signed last: the one thing that must not be in the same backup as the log. It is
// compared and swapped before each signature, so that a journal that was put back from a copy, or a
// second process on a copy, cannot sign another history under the same name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "audit/file_system.h"
#include "audit/merkle.h"
#include "base/result.h"

namespace sallyport::audit {

struct SignedState {
  std::string origin;
  std::uint64_t size = 0;
  TreeHash root{};
  std::string key;  // the verifier key of the newest signature

  std::string text() const;
  static Result<SignedState> parse(std::string_view text);
  friend bool operator==(const SignedState&, const SignedState&) = default;
};

class LastSigned {
 public:
  // Takes the lock beside the file. kDenied: another process has it; kCorrupt: unreadable.
  static Result<LastSigned> open(FileSystem& files, std::string path);
  // Reads it without a lock; nothing when there is none.
  static Result<std::optional<SignedState>> read(FileSystem& files, const std::string& path);

  const std::optional<SignedState>& state() const { return state_; }
  const std::string& path() const { return path_; }

  // Durable when it returns. kDenied: the file is not what we wrote last, or the size would go
  // back, or the root of the same size or the origin would change: nothing was written then.
  Result<void> advance(const SignedState& next);
  // What an operator asked for explicitly: no comparison but that with the file.
  Result<void> replace(const SignedState& next);

 private:
  LastSigned(FileSystem& files, std::string path) : files_(&files), path_(std::move(path)) {}

  FileSystem* files_;
  std::string path_;
  std::unique_ptr<FileSystem::Lock> lock_;
  std::optional<SignedState> state_;
};

}  // namespace sallyport::audit
