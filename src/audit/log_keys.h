// SPDX-License-Identifier: Apache-2.0
// Who signs the log: its name (origin), the seed of its key, and the history of its keys
// (<journal>/vkeys), so that a checkpoint is only believed under a key that was in force at its
// size.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/config.h"
#include "audit/file_system.h"
#include "audit/signed_note.h"
#include "base/result.h"
#include "base/secret.h"

namespace sallyport::audit {

// A key signs checkpoints of these sizes. At a rotation the first checkpoint of the new key is also
// the last of the old one and carries both signatures.
struct KeyTerm {
  VerifierKey key;
  std::uint64_t from = 0;
  std::optional<std::uint64_t> to;  // included; nothing: in force
  friend bool operator==(const KeyTerm& a, const KeyTerm& b) {
    return a.key.text() == b.key.text() && a.from == b.from && a.to == b.to;
  }
};

class KeyHistory {
 public:
  // Lines "<verifier key> <from> <to or ->", the oldest first. kCorrupt says what is wrong.
  static Result<KeyHistory> parse(std::string_view text);
  static Result<KeyHistory> read(FileSystem& files, const std::string& journal);  // may be empty
  Result<void> write(FileSystem& files, const std::string& journal) const;
  std::string text() const;

  // The old key ends and the new one begins with the checkpoint of this size.
  void rotate(const VerifierKey& next, std::uint64_t at_size);
  // All that must have signed a checkpoint of this size: one, or two at a rotation.
  std::vector<VerifierKey> in_force(std::uint64_t size) const;
  const std::vector<KeyTerm>& terms() const { return terms_; }
  const VerifierKey* current() const { return terms_.empty() ? nullptr : &terms_.back().key; }

 private:
  std::vector<KeyTerm> terms_;
};

// <journal>/origin; made as "sallyport.local/<random>" when there is none. kDenied: the
// configuration names another one than the log has.
Result<std::string> log_origin(FileSystem& files, const std::string& journal,
                               const std::string& configured, bool make);
std::optional<std::string> read_origin(FileSystem& files, const std::string& journal);
Result<void> write_origin(FileSystem& files, const std::string& journal, const std::string& origin);

// 32 random bytes as base64 and a newline in a file of mode 0600 that is ours alone. kDenied:
// others could read it, or it belongs to somebody else.
Result<std::shared_ptr<const Secret>> read_seed(const std::string& path);
Result<std::shared_ptr<const Secret>> make_seed(FileSystem& files, const std::string& path);
Result<std::shared_ptr<const Secret>> decode_seed(const Secret& base64);

}  // namespace sallyport::audit
