// SPDX-License-Identifier: Apache-2.0
// What the provider itself last said was spent on one of its keys. Asked by `meter` for the record
// of a call; answered by `provider`, which polls it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "event/money.h"

namespace sallyport {

struct ProviderSpend {
  NanoUsd amount;          // in the provider's current billing month
  std::int64_t age_s = 0;  // since it was read
};

class ProviderUsage {
 public:
  virtual ~ProviderUsage() = default;
  // Nothing: not asked yet, or no such key. Any thread; no disk, no network.
  virtual std::optional<ProviderSpend> last(std::string_view provider_key_id) const = 0;
};

}  // namespace sallyport
