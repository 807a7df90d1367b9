// SPDX-License-Identifier: Apache-2.0
// Faults that wait for the next calls of a path: for callers that cannot be told a model or a
// header, as those of the Admin API. Counted, so a test knows which call they strike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"
#include "sim/behaviour.h"
#include "sim/options.h"

namespace sallyport::sim {

class PathFaults {
 public:
  static constexpr std::size_t kRulesMax = 1'000;  // further ones are refused

  explicit PathFaults(std::vector<SimFault> faults);

  bool add(SimFault fault);
  void clear() { rules_.clear(); }
  // The first rule that fits and has not struck out adds its words.
  void strike(const net::ServerRequest& request, Behaviour& behaviour);
  std::string json() const;

 private:
  struct Rule {
    SimFault fault;
    std::size_t skipped = 0, struck = 0;
  };
  std::vector<Rule> rules_;  // oldest first
};

// '*' stands for one segment of the path, a last "**" for one or more.
bool path_fits(std::string_view pattern, std::string_view path);

}  // namespace sallyport::sim
