// SPDX-License-Identifier: Apache-2.0
// Where keys outlive the process: a port of this room, implemented by `store`. Other processes may
// write the same store (the command line beside a running server). Rows are never deleted, a
// revoked row never changes back, kids are never reused: the store itself enforces all three.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "keys/key_info.h"
#include "keys/key_mac.h"

namespace sallyport::keys {

struct KeyRow {
  KeyInfo info;
  Mac mac{};
  std::string pepper_id;  // of the pepper the mac was made with
};

struct Revocation {
  std::string kid;
  UtcTime at{};
  std::string by;
  std::string why;
};

// Any thread; calls block on the disk, at most about 2 s. A store that does not answer is
// kUnavailable, one whose contents make no sense is kCorrupt: neither is ever taken for "no such
// key".
class KeyStore {
 public:
  virtual ~KeyStore() = default;

  // Moves when somebody else changed the store; cheap enough to poll. `generation` moves when the
  // store as a whole was replaced, so that versions cannot be compared any more.
  struct Mark {
    std::uint64_t generation = 0;
    std::uint64_t changes = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  virtual Result<Mark> mark() = 0;

  // Rows whose version is above `version`, by version; 0 gives all.
  virtual Result<std::vector<KeyRow>> load(std::uint64_t version) = 0;

  // Durable when it returns; the value is the row's version. kDenied: a key of that name lives (is
  // not revoked and expires after `now`). kInvalid: the kid exists.
  virtual Result<std::uint64_t> insert(const KeyRow& row, UtcTime now) = 0;

  // Durable when it returns; the value is the row as it stands. A row that is revoked already stays
  // as it is. kNotFound: no such kid.
  virtual Result<KeyRow> revoke(const Revocation& revocation) = 0;
};

}  // namespace sallyport::keys
