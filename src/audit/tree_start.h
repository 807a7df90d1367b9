// SPDX-License-Identifier: Apache-2.0
// Before anything is appended: is this the log that was signed last, or a copy, a fork, somebody
// else's? Reads the newest tile and its records, not the log; only damaged tiles make it read all.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "audit/config.h"
#include "audit/file_system.h"
#include "audit/last_signed.h"
#include "audit/log_keys.h"
#include "audit/signed_note.h"
#include "audit/tiles.h"
#include "base/result.h"

namespace sallyport::audit {

struct TreeStart {
  LastSigned last;
  std::string origin;
  SigningKey key;
  KeyHistory keys;
  // A rotation that was begun and not finished: the key that is to follow.
  std::optional<SigningKey> next_key;
  std::unique_ptr<TileWriter> tree;  // of the size that was signed last
  bool rebuilt = false;              // tiles were missing or damaged, and made again
};

// kDenied: this log must not be signed; the message says which case it is and what an operator can
// do. kCorrupt, kUnavailable: something cannot be read.
Result<TreeStart> start_tree(FileSystem& files, const Config& config);

// The seed of the configuration or of the file; `make`: a new one when there is none.
Result<std::shared_ptr<const Secret>> signing_seed(FileSystem& files, const Config& config,
                                                   bool make);
std::string next_key_path(const Config& config);

// How many records, in order from the first, the log has that are whole; 0 in an empty log.
Result<std::uint64_t> count_records(FileSystem& files, const std::string& journal);

// Makes the tiles of the first `size` records again where they are missing or damaged, if the
// records give `root`; otherwise kDenied, and nothing was written.
Result<void> rebuild_tiles(FileSystem& files, const std::string& journal, std::uint64_t size,
                           const TreeHash& root);

}  // namespace sallyport::audit
