// SPDX-License-Identifier: Apache-2.0
// The inside of KeyRing, for its own files only.
//
// The snapshot is a fixed number of shards and the tree of layers behind one pointer. A change
// copies the shards it touches (some hundred keys each when there are 100,000) and shares the
// others, so readers never see half of it. A key is an entry of fixed size; what many keys share
// (scopes, owners, actors, layers) lies once in a pool whose addresses stay, so that a key takes
// less than 200 bytes beyond its name. What a request needs is made from it when the key is first
// checked.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "keys/key_ring.h"

namespace sallyport::keys {

inline constexpr std::size_t kShards = 1024;
inline constexpr std::size_t kRemacsMax = 10'000;  // more wait for their next request
inline constexpr std::uint8_t kForeignPepper = 255;
inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

inline std::int64_t ms(UtcTime time) { return time.time_since_epoch().count(); }
inline UtcTime utc(std::int64_t ms) { return UtcTime(std::chrono::milliseconds(ms)); }

using Kid = std::array<char, kKidBytes>;
inline std::string_view text(const Kid& kid) { return {kid.data(), kid.size()}; }

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

// Grows under mutex_ only; readers reach what snapshots that were published since point to. What it
// holds is never deleted: a replaced store starts a new pool, and so does forget().
struct KeyRing::Pool {
  struct Grant {
    KeyScope scope;
    Restrictions restrictions;
    std::string mapping;
  };
  struct Ending {
    std::optional<UtcTime> revoked_at, blocked_at;
    std::optional<std::string> revoked_by, revoked_why, replaced_by, blocked_by, blocked_why;
    friend bool operator==(const Ending&, const Ending&) = default;
  };
  std::map<std::string, Grant> grants;  // by their written form
  std::set<std::string, std::less<>> texts;
  std::deque<Ending> endings;
  std::deque<std::atomic<std::int64_t>> uses;  // ms, kNoTime: never
  std::deque<Secret> roots;                    // of derived tokens

  const Grant* grant(KeyScope scope, Restrictions restrictions, std::string mapping);
  const std::string* text(std::string_view text);
  const Ending* ending(const Ending* held, const KeyInfo& key);  // null: there is nothing to tell
};

struct KeyRing::Entry {
  Mac mac{};
  std::uint64_t version = 0;
  std::int64_t created_ms = 0, not_before_ms = kNoTime, expires_ms = 0;
  const Pool::Grant* grant = nullptr;
  const std::string* owner = nullptr;
  const std::string* created_by = nullptr;
  const std::string* layer = nullptr;  // null: none
  const Pool::Ending* ending = nullptr;
  std::atomic<std::int64_t>* used_ms = nullptr;  // written by readers, about once a minute
  const Secret* root = nullptr;                  // of its derived tokens; null: none are accepted
  std::uint32_t name_at = 0;                     // in the shard's names
  std::uint8_t name_size = 0;
  std::uint8_t state = 0;   // KeyState
  std::uint8_t pepper = 0;  // 0: the present one; n: the nth of the previous ones; kForeignPepper
  bool damaged = false;
  bool derive = false;
  bool blocked = false;

  bool revoked() const { return state == static_cast<std::uint8_t>(KeyState::kRevoked); }
  bool forgettable(std::int64_t before_ms) const {
    return expires_ms <= before_ms && !grant->mapping.empty();
  }
};

struct KeyRing::Shard {
  std::vector<Kid> kids;  // sorted; apart from the entries, so that a search stays in few lines
  std::vector<Entry> entries;
  std::string names;

  std::size_t find(std::string_view kid) const;  // kids.size(): it is not here
  std::string_view name(const Entry& entry) const {
    return std::string_view(names).substr(entry.name_at, entry.name_size);
  }
  KeyInfo info(std::size_t at) const;
};

// A layer as it stands in the tree.
struct KeyRing::LayerNode {
  LayerInfo info;
  bool damaged = false;                     // unreadable, or its parent is not there
  std::shared_ptr<const LayerNode> parent;  // null: the outermost
  std::shared_ptr<const Layer> layer;       // with the chain above it

  // Of the layer and all above it: kNone, kLayerRevoked, kDamaged, kIssuedBefore, kLayerExpired.
  KeyFault fault(std::int64_t created_ms, UtcTime now) const;
  // Does this layer, whatever is above it, bring `fault` about?
  bool brings(KeyFault fault, std::int64_t created_ms, UtcTime now) const;
};

struct KeyRing::LayerTree {
  std::unordered_map<std::string, std::shared_ptr<const LayerNode>, TextHash, std::equal_to<>>
      nodes;

  const LayerNode* find(std::string_view path) const {
    const auto at = nodes.find(path);
    return at == nodes.end() ? nullptr : at->second.get();
  }
};

// Derived tokens that were revoked before their end, by "kid.tid".
struct KeyRing::TokenSet {
  std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>> forget_ms;

  bool revoked(std::string_view kid, std::string_view tid) const;
};

struct KeyRing::Snapshot {
  std::uint64_t serial = 0;  // of the snapshots of this ring
  std::array<std::shared_ptr<const Shard>, kShards> shards;
  std::shared_ptr<const LayerTree> tree = std::make_shared<const LayerTree>();
  std::shared_ptr<const TokenSet> tokens = std::make_shared<const TokenSet>();
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();

  static std::size_t place(std::string_view kid) { return TextHash()(kid) % kShards; }

  // The key's shard and its place in it; null: there is no such key.
  const Shard* find(std::string_view kid, std::size_t& at) const;

  void each(const auto& visit) const {  // visit(shard, place in it)
    for (const auto& shard : shards) {
      if (!shard) continue;
      for (std::size_t at = 0; at < shard->kids.size(); ++at) visit(*shard, at);
    }
  }
};

// A key that was found; valid while its snapshot is held.
struct KeyRing::Found {
  const Snapshot* snapshot = nullptr;
  const Shard* shard = nullptr;
  std::size_t at = 0;
  const LayerNode* layer = nullptr;  // null: it hangs on none

  const Entry& entry() const { return shard->entries[at]; }
};

// A derived token that was verified, and what its requests are told.
struct KeyRing::Reader::TokenSlot {
  Mac digest{};              // of the whole text, under the pepper
  std::uint64_t serial = 0;  // of the snapshot it was made from
  std::shared_ptr<const Principal> principal;
};

// The next snapshot in the making; under mutex_.
struct KeyRing::Draft {
  explicit Draft(const Snapshot& old, bool whole);

  // The entry to write into; `fresh` says that the key was not there.
  Entry& entry(std::string_view kid, std::string_view name, bool& fresh);
  std::shared_ptr<const Snapshot> finish();

  std::shared_ptr<Snapshot> next;

 private:
  std::array<std::shared_ptr<Shard>, kShards> fresh_;
};

}  // namespace sallyport::keys
