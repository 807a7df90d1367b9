// SPDX-License-Identifier: Apache-2.0
// A route that the gate answers itself, before anybody is identified (/oauth/token, /leak-report):
// a room brings it, http serves it. Such a route does its own authentication, and everybody on the
// network can call it: its work per call is bounded, and it never passes anything on. What a call
// may hold of the host (a place among a few, memory, time) http sees to.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "exchange/exchange.h"

namespace sallyport {

struct OwnAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;  // may hold a new credential: answers are never stored by caches
  std::vector<std::pair<std::string, std::string>> headers = {};  // further ones, lower-case names
  std::optional<std::string> error_code = {};                     // for the record; stable
};

class OwnRoute {
 public:
  virtual ~OwnRoute() = default;
  virtual const char* name() const = 0;

  // By method and path alone; cheap, asked for every request.
  virtual bool takes(const Exchange& x) const = 0;

  // A larger body is refused with 413 before it is read whole.
  virtual std::size_t body_bytes_max() const = 0;

  // What the head alone decides: an answer refuses the call before a byte of its body is read. Does
  // not wait, changes nothing.
  virtual std::optional<OwnAnswer> refuse(Exchange&) { return std::nullopt; }

  // The body is whole. `x` outlives the task. What the answer did (a key made, a key revoked) has
  // happened when its record is written; http asks the journal before it calls, so that nothing is
  // begun that cannot be recorded.
  virtual Task<OwnAnswer> answer(Exchange& x, std::string body) = 0;
};

}  // namespace sallyport
