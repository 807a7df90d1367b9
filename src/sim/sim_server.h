// SPDX-License-Identifier: Apache-2.0
// The simulated provider on a loop of its owner, or as a program of its own.
#pragma once

#include <iosfwd>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "net/connect.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "sim/options.h"

namespace sallyport::sim {

class Provider;

class SimServer {
 public:
  // Listens at options.listen and serves while `loop` runs. `loop` outlives the server; drop
  // its tasks before the server ends, since answers under way refer to it.
  static Result<std::unique_ptr<SimServer>> open(net::Loop& loop, SimOptions options);
  ~SimServer();

  net::Endpoint address() const;  // with the port that was picked
  Provider& provider();           // on the loop's thread only

 private:
  struct Parts;
  explicit SimServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Serves until SIGTERM or SIGINT. Says "listening on http://ADDRESS/v1" on `out` first. Returns 0,
// or 1 when it cannot listen (why, on `err`).
int run_sim(SimOptions options, std::ostream& out, std::ostream& err);

}  // namespace sallyport::sim
