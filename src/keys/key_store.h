// SPDX-License-Identifier: Apache-2.0
// Where keys outlive the process: a port of this room, implemented by `store`. Other processes may
// write the same store (the command line beside a running server). Rows are never deleted but by
// forget(), a revoked row never changes back, kids are never reused: the store itself enforces it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "keys/key_info.h"
#include "keys/key_mac.h"
#include "keys/layers.h"
#include "keys/rotation.h"

namespace sallyport::keys {

// Exchanged keys leave the store this long after their end; the journal keeps their history.
inline constexpr std::chrono::milliseconds kForgetKeyAfter = std::chrono::hours(24);

struct KeyRow {
  KeyInfo info;
  Mac mac{};
  std::string pepper_id;         // of the pepper the mac was made with
  bool damaged = false;          // its restrictions cannot be read: such a key opens nothing
  std::string derive_root = {};  // wrapped (keys/derive_root.h); empty: no derived tokens
  bool beside_own = false;       // of KeySpec; asked by insert(), not kept
};

struct LayerRow {
  LayerInfo info;
  bool damaged = false;  // as above: nothing below it opens
};

struct Revocation {
  std::string kid;
  UtcTime at{};
  std::string by;
  std::string why;
};

// A successor in the place of a key (keys/rotation.h).
struct Rotation {
  std::string rotation_id;
  std::string old_kid;
  UtcTime old_ends_at{};  // where that is earlier than its end
  bool ends_all = false;  // so do all other keys of the name, but the successor
  KeyRow successor;
};
struct Rotated {
  KeyRow old, successor;
  std::vector<KeyRow> also_ended = {};  // with ends_all
  bool repeated = false;  // this rotation_id was done before: these are the keys of that time
};

// The end of a layer, or of what was issued before a moment; what is absent stays as it is.
struct LayerEnding {
  std::string path;
  std::optional<Revocation> revocation;  // its kid is empty
  std::optional<UtcTime> issued_before;  // only ever moves forward
};

// The pause of a key, or the end of it.
struct Blocking {
  std::string kid;
  bool on = true;
  UtcTime at{};
  std::string by, why;
};

// A key's MAC under another pepper: the same key, written anew.
struct Remac {
  std::string kid;
  std::string old_pepper_id;
  Mac mac{};
  std::string pepper_id;
};

struct KeyUse {
  std::string kid;
  UtcTime at{};
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
  // not revoked and expires after `now`) that row.beside_own does not allow; a name of which a key
  // is blocked is closed to all. kInvalid: the kid exists.
  virtual Result<std::uint64_t> insert(const KeyRow& row, UtcTime now) = 0;

  // Durable when it returns; the value is the row as it stands. A row that is revoked already stays
  // as it is. kNotFound: no such kid.
  virtual Result<KeyRow> revoke(const Revocation& revocation) = 0;
  // The same for many, all or nothing; the value are the rows of those that are there.
  virtual Result<std::vector<KeyRow>> revoke_all(std::span<const Revocation> revocations) = 0;

  // Pauses keys and ends pauses, all or nothing, durable when it returns; the value are the rows of
  // those that are there, as they stand. A key that is paused already, or revoked, stays as it is.
  virtual Result<std::vector<KeyRow>> block(std::span<const Blocking> blockings) = 0;

  // Owner, times, scope and restrictions of keys as given, all or nothing, durable when it returns;
  // the value are the rows as they stand. kExhausted: one of them is not at the `version` it comes
  // with any more, read it again; kDenied: one is revoked; kNotFound: one is not there.
  virtual Result<std::vector<KeyRow>> update(std::span<const KeyInfo> keys) = 0;

  // Durable when it returns, all or nothing: the successor is there, the old key is retiring, ends
  // in time and names it. kNotFound: no such old kid; kDenied: that one is revoked, has expired, or
  // has a living successor already.
  virtual Result<Rotated> rotate(const Rotation& rotation, UtcTime now) = 0;

  // Durable when it returns; the value is the row as it stands: retiring (or revoked), its end at
  // `ends_at` or where it was, if that is earlier. kNotFound: no such kid.
  virtual Result<KeyRow> retire(std::string_view kid, UtcTime ends_at) = 0;

  // Revoked tokens whose version is above `version`; 0 gives all.
  virtual Result<std::vector<TokenRevocation>> load_tokens(std::uint64_t version) = 0;

  // Durable when it returns; what is revoked already stays as it is. kNotFound: no such kid.
  virtual Result<TokenRevocation> revoke_token(const TokenRevocation& revocation) = 0;

  // As load(), for layers; parents before children in no particular order.
  virtual Result<std::vector<LayerRow>> load_layers(std::uint64_t version) = 0;

  // Creates what is not there and changes owner, end and restrictions of what is; all or nothing,
  // durable when it returns. The value are the rows as they stand. kDenied: one of them, or the
  // parent of one, is revoked; kNotFound: a parent is neither there nor among them.
  virtual Result<std::vector<LayerRow>> put_layers(std::span<const LayerInfo> layers) = 0;

  // Durable when it returns; the value is the row as it stands. What is revoked already stays as
  // it is. kNotFound: no such layer.
  virtual Result<LayerRow> end_layer(const LayerEnding& ending) = 0;

  // Under the pepper each row has now, else nothing; never anything but mac and pepper.
  virtual Result<void> remac(std::span<const Remac> keys) = 0;

  // Drops what nobody needs at `now`, which must be a time that was checked: revoked tokens past
  // their forget_at, and exchanged keys (with a mapping, in no rotation) that ended kForgetKeyAfter
  // ago. All or nothing.
  virtual Result<void> forget(UtcTime now) = 0;

  // When keys were last used, to the minute; later times win. Makes no new version of a key.
  virtual Result<void> note_used(std::span<const KeyUse> uses) = 0;
};

}  // namespace sallyport::keys
