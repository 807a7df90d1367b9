// SPDX-License-Identifier: Apache-2.0
// What every wing of the house stands on, and how a wing says that it cannot be opened. A wing is
// rooms that belong together - keys, money, the record, the provider - opened and closed as one, so
// that main.cc can show the whole program on one screen.
#pragma once

#include <expected>
#include <utility>

#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/connect.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::cli {

// The threads for what would hold up a loop. Each kind of work has its own, so that none waits
// behind another: the end of a stolen key least of all.
struct Workers {
  net::Offload disk{2};       // what blocks on the disk on behalf of the house
  net::Offload urgent{1};     // the ends of keys
  net::Offload mint{2};       // keys that strangers ask for: what they keep busy is theirs alone
  net::Offload news{1};       // hears what other processes change
  net::Offload scan{2};       // bodies of megabytes, on behalf of the gate
  net::Offload questions{1};  // answers from the record, which may take seconds

  // Finishes what is queued: afterwards none of them speaks to a loop any more.
  void stop() {
    for (net::Offload* each : {&scan, &mint, &urgent, &questions, &disk, &news}) each->stop();
  }
};

// All of it outlives the wings.
struct Ground {
  const Clock& clock;
  net::Loop& house;
  Workers& work;
  net::Resolver& resolver;
  audit::FileSystem& files;
};

// "cannot STEP: WHY".
struct Failed {
  const char* step;
  Error why;
  bool misconfigured = false;  // the configuration does not go with what is stored
};
template <class T>
using Opened = std::expected<T, Failed>;

inline std::unexpected<Failed> cannot(const char* step, Error why) {
  return std::unexpected(Failed{.step = step, .why = std::move(why)});
}

}  // namespace sallyport::cli
