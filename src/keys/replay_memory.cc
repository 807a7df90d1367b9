// SPDX-License-Identifier: Apache-2.0
#include "keys/replay_memory.h"

#include <utility>

#include "keys/jwk.h"

namespace sallyport::keys {
namespace {

// The length in front: no two pairs have the same text.
std::string digest_of(std::string_view group, std::string_view id) {
  std::string text = std::to_string(group.size()) + ":";
  text.append(group).append(id);
  return sha256(text);
}

}  // namespace

void ReplayMemory::leave(const std::string& group) {
  const auto at = groups_.find(group);
  if (at != groups_.end() && --at->second == 0) groups_.erase(at);
}

void ReplayMemory::drop_ended(UtcTime now) {
  while (!ends_.empty() && ends_.begin()->first < now) {
    const auto at = entries_.find(ends_.begin()->second);
    // An id that was forgotten and used again has a later end.
    if (at != entries_.end() && at->second.until == ends_.begin()->first) {
      leave(at->second.group);
      entries_.erase(at);
    }
    ends_.erase(ends_.begin());
  }
}

ReplayMemory::Seen ReplayMemory::remember(std::string_view group, std::string_view id,
                                          UtcTime until, UtcTime now) {
  const std::string digest = digest_of(group, id);
  if (digest.empty()) return Seen::kFull;  // OpenSSL failed: nothing can be told apart
  const std::lock_guard lock(mutex_);
  drop_ended(now);
  if (entries_.contains(digest)) return Seen::kAgain;
  // `ends_` is counted: forgetting and remembering must not make it grow.
  if (ends_.size() >= limits_.entries_max) return Seen::kFull;
  std::size_t& in_group = groups_[std::string(group)];
  if (in_group >= limits_.group_entries_max) return Seen::kFull;
  ++in_group;
  entries_.emplace(digest, Entry{until, std::string(group)});
  ends_.emplace(until, digest);
  return Seen::kFirstTime;
}

void ReplayMemory::forget(std::string_view group, std::string_view id) {
  const std::string digest = digest_of(group, id);
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(digest);
  if (at == entries_.end()) return;
  leave(at->second.group);
  entries_.erase(at);
}

std::size_t ReplayMemory::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sallyport::keys
