// SPDX-License-Identifier: Apache-2.0
// The inside of KeyRing, for its own files only.
//
// The snapshot is a fixed number of shards behind one pointer. A change copies the shards it
// touches and shares the others, so that with 100,000 keys one revocation copies some 400 pointers,
// and readers never see half of it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "keys/key_ring.h"

namespace sallyport::keys {

inline constexpr std::size_t kShards = 256;
struct KidHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view kid) const { return std::hash<std::string_view>()(kid); }
};

struct KeyRing::Entry {
  KeyInfo info;
  Mac mac{};
  std::string pepper_id;
  bool other_pepper = false;
  Principal principal;
};

struct KeyRing::Snapshot {
  using Shard =
      std::unordered_map<std::string, std::shared_ptr<const Entry>, KidHash, std::equal_to<>>;
  std::array<std::shared_ptr<const Shard>, kShards> shards;

  static std::size_t place(std::string_view kid) { return KidHash()(kid) % kShards; }

  const std::shared_ptr<const Entry>* find(std::string_view kid) const {
    const std::shared_ptr<const Shard>& shard = shards[place(kid)];
    if (!shard) return nullptr;
    const auto at = shard->find(kid);
    return at == shard->end() ? nullptr : &at->second;
  }

  void each(const auto& visit) const {
    for (const auto& shard : shards) {
      if (!shard) continue;
      for (const auto& [kid, entry] : *shard) visit(*entry);
    }
  }
};

}  // namespace sallyport::keys
