// SPDX-License-Identifier: Apache-2.0
// Personal fields of a record lie sealed in the log, so that they can be forgotten while every byte
// of the log, and so its tree, stays as it is. The log seals and opens through this port; `vault`
// has the keys.
#pragma once

#include <string_view>

#include "event/event.h"

namespace sallyport {

class Sealer {
 public:
  virtual ~Sealer() = default;

  // In place, the fields that the policy names; what is sealed already stays. Never fails: what
  // cannot be sealed now is replaced by kUnsealable, so that it is not written in the clear. Any
  // thread; may wait for the disk when somebody is met for the first time.
  virtual void seal(Event& event) = 0;

  // In place. What cannot be opened any more becomes kErased. Any thread.
  virtual void open(Event& event) = 0;
};

// How a sealed field begins in a line of the log.
inline constexpr std::string_view kSealedMark = "sealed:1:";
inline constexpr std::string_view kErased = "erased";
inline constexpr std::string_view kUnsealable = "withheld";

}  // namespace sallyport
