// SPDX-License-Identifier: Apache-2.0
// prompt_injection: from the guard's verdict on the record. What it would have stopped and was
// answered all the same is high at once: harm may be done. So is what it only warned of, unless
// this gateway sees such scores all the time: a scorer's own false alarms would revoke keys. The
// measure is the alarm budget - answered warnings of at least that score, per 100 key-days of all
// keys, at most 0.2; before 20 key-days are known, a score of 0.85. Blocked ones, and warnings
// below, add up: 0.6 nats beside the score, fading within an hour; medium at 3, and high at 5.5 if
// blocked.
#pragma once

#include <array>
#include <cstdint>

#include "detect/sighting.h"
#include "detect/verdict.h"
#include "event/event.h"

namespace sallyport::detect {

// Of the whole gateway: answered warnings by score, in bins of 0.025.
struct InjectionScores {
  std::array<std::uint32_t, 40> answered{};
  std::uint32_t key_days = 0, unused = 0;
};

class PromptInjection {
 public:
  Maybe observe(const Sighting& sighting, const Injection& injection, InjectionScores& scores);

 private:
  float blocked_ = 0, nats_ = 0, warned_ = 0;
  Second last_ = 0;
};

}  // namespace sallyport::detect
