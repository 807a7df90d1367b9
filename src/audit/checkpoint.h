// SPDX-License-Identifier: Apache-2.0
// A checkpoint (C2SP tlog-checkpoint.md) is what the log signs: its name, how many records it has,
// and the root of the tree over them. A proof file (tlog-proof.md) shows one record under one of
// them, offline and for ever.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "audit/merkle.h"
#include "base/result.h"

namespace sallyport::audit {

struct Checkpoint {
  std::string origin;  // the log's name: "gw1.example.com/audit"
  std::uint64_t size = 0;
  TreeHash root{};

  std::string text() const;  // of the note: three lines
  // kInvalid says which line. Lines behind the third are not ours to know and are refused.
  static Result<Checkpoint> parse(std::string_view note_text);
};

// A name that works as the name of a key and as the address of a log: host and path without scheme.
bool good_origin(std::string_view origin);

struct ProofFile {
  std::uint64_t index = 0;
  Proof proof;             // leaf side first
  std::string checkpoint;  // the whole note, with what cosignatures there are

  std::string text() const;
  static Result<ProofFile> parse(std::string_view text);
};

}  // namespace sallyport::audit
