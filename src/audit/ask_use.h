// SPDX-License-Identifier: Apache-2.0
// A second look at the past: what the few keys used that look suspicious, and whether the addresses
// that fail had ever success.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "audit/ask.h"
#include "audit/ask_window.h"

namespace sallyport::audit {

inline constexpr std::size_t kAskSuspectsMax = 256;  // keys, and addresses
inline constexpr std::size_t kSomeAddresses = 8;     // enough to tell who has only a few

struct PastUse {
  // By key, for those that had success at all.
  std::map<std::string, std::set<std::string>> some_ips;  // all when they are less than the limit
  std::map<std::string, std::set<std::string>> ips;  // of those in the window, as told apart there
  std::map<std::string, std::set<std::string>> models;
  std::set<std::string> welcome;  // of the failing addresses
};
// `keys` are in the window.
Result<PastUse> read_use(const ColumnSnapshot& snapshot, const AskSpec& spec, const Window& window,
                         const std::vector<std::string>& keys,
                         const std::set<std::string>& addresses, std::size_t threads);

// Injection attempts before the window.
Result<std::int64_t> past_attempts(const ColumnSnapshot& snapshot, const AskSpec& spec,
                                   std::size_t threads);

}  // namespace sallyport::audit
