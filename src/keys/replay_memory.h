// SPDX-License-Identifier: Apache-2.0
// What was used once and must not be used again before its end: tokens of single-use issuers, ids
// of DPoP proofs. Bounded; when it is full the caller must refuse, since what is forgotten early
// could be used twice. It does not outlive the process.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace sallyport::keys {

class ReplayMemory {
 public:
  struct Limits {
    std::size_t entries_max = 262'144;       // about 100 bytes each
    std::size_t group_entries_max = 16'384;  // of one mapping or one DPoP key
  };
  explicit ReplayMemory(Limits limits) : limits_(limits) {}

  enum class Seen { kFirstTime, kAgain, kFull };
  // Any thread. `group` keeps one user from filling the memory of all; `id` is any text.
  Seen remember(std::string_view group, std::string_view id, UtcTime until, UtcTime now);
  // What was remembered turned out not to be used.
  void forget(std::string_view group, std::string_view id);

  std::size_t size() const;

 private:
  struct Entry {
    UtcTime until;
    std::string group;
  };
  void drop_ended(UtcTime now);
  void leave(const std::string& group);

  const Limits limits_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;  // by a digest of group and id
  std::multimap<UtcTime, std::string> ends_;        // may name entries that are gone
  std::unordered_map<std::string, std::size_t> groups_;
};

}  // namespace sallyport::keys
