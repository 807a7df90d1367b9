// SPDX-License-Identifier: Apache-2.0
// Work on a large body that would hold up a loop: counting or reading megabytes. It runs on a
// thread of a pool while the loop goes on. The body travels there and back, so that nothing dangles
// if the exchange dies meanwhile.
#pragma once

#include <cstdint>
#include <functional>

#include "exchange/exchange.h"
#include "net/offload.h"

namespace sallyport {

// Below this the way to another thread costs more than the work.
inline constexpr std::uint64_t kOffLoopBytes = 64 * 1024;

// A body in memory that is worth the way.
bool large_body(const Exchange& x);

// Runs `work` on x.body and resumes on x.loop; until then x.body is empty. Whatever else `work`
// refers to must be its own: it may run when the exchange is gone. `pool` outlives the work.
Task<void> work_off_loop(Exchange& x, net::Offload& pool,
                         std::function<void(const RequestBody&)> work);

}  // namespace sallyport
