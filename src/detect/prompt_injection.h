// SPDX-License-Identifier: Apache-2.0
// prompt_injection: from the guard's verdict on the record. One that the guard would have stopped
// or warned of and that was answered all the same is high at once: harm may be done. Blocked ones
// add up: each is worth 0.6 nats beside its score, fading within an hour; medium at 3, high at 5.5
// - a person who tries five times is no false alarm of the scorer. One finding tells of the first.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"
#include "event/event.h"

namespace sallyport::detect {

class PromptInjection {
 public:
  Maybe observe(const Sighting& sighting, const Injection& injection);

 private:
  float blocked_ = 0, nats_ = 0;
  Second last_ = 0;
};

}  // namespace sallyport::detect
