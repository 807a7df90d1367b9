// SPDX-License-Identifier: Apache-2.0
// Where the ledger puts its checkpoints; implemented by `store`. The journal is the ledger's truth:
// a checkpoint only spares a start from reading all of it. Losing one costs time, not money.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sallyport::meter {

inline constexpr std::size_t kUnits = 3;    // in the order of BudgetUnit
inline constexpr std::size_t kWindows = 5;  // in the order of BudgetWindow

struct Amounts {
  std::int64_t nano_usd = 0, tokens = 0, requests = 0;
  friend bool operator==(const Amounts&, const Amounts&) = default;
};

// What was spent in one window of an account, without what is still held back.
struct WindowSums {
  std::int64_t start_ms = 0;  // since 1970, UTC
  std::array<std::int64_t, kUnits> settled{};
  std::array<std::uint8_t, kUnits> alerted{};  // one bit a threshold that was told
  friend bool operator==(const WindowSums&, const WindowSums&) = default;
};

struct AccountState {
  std::string account;
  std::int64_t expires_ms = 0;  // of a token's account, forgotten after that; 0: kept
  std::array<WindowSums, kWindows> windows{};
};

struct OpenState {
  std::string request_id;
  std::int64_t at_ms = 0;
  Amounts held;
  std::vector<std::string> accounts;
};

struct LedgerState {
  std::uint64_t seq = 0;       // every record up to this one is in it
  std::int64_t latest_ms = 0;  // the ledger's time never goes back behind it
  std::vector<AccountState> accounts;
  std::vector<std::string> forgotten;  // accounts to be dropped; only when saving
  std::vector<OpenState> open;         // all of them
  std::vector<std::string> closed;  // request ids that are in the sums while their records may come
                                    // after `seq`
};

class LedgerStore {
 public:
  virtual ~LedgerStore() = default;
  // kUnavailable, kCorrupt: the ledger cannot start from here.
  virtual Result<LedgerState> load() = 0;
  // In one transaction: `accounts` replace those of the same name, the rest replaces all there was.
  // Blocks on the disk.
  virtual Result<void> save(const LedgerState& state) = 0;
};

}  // namespace sallyport::meter
