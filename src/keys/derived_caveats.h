// SPDX-License-Identifier: Apache-2.0
// What the caveats of a derived token say (docs/derived-tokens.md). All must hold. A name that is
// not known, a value that cannot be read, an empty list, a second iat: the whole token is refused,
// since what cannot be read must not be taken for "allowed". Repeated lists intersect, repeated
// numbers take the least; where nothing is left of a list, nothing may be asked and the token is
// refused, too.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "event/restrictions.h"

namespace sallyport::keys {

inline constexpr std::chrono::hours kDerivedLifeMax{24};
inline constexpr std::chrono::seconds kDerivedAheadMax{60};  // how far iat may lie ahead of us

struct DerivedClaims {
  UtcTime issued_at{}, expires_at{};
  std::optional<std::string> module, purpose;  // fixed: no header of the client overrides them
  // Money, tokens and calls stand as budgets without an end (BudgetWindow::kTotal): they are
  // counted by tid over the life of the token.
  Restrictions restrictions;
};

// `wire`: caveats as they stand in the token (base64url). kInvalid names the caveat, never quotes
// it. Does not look at the clock, but a life above 24 h is wrong at any time.
Result<DerivedClaims> read_caveats(std::span<const std::string_view> wire);

}  // namespace sallyport::keys
