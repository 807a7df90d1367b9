// SPDX-License-Identifier: Apache-2.0
// Can a room do its work now? Asked by /health/readiness; a load balancer acts on the answer.
#pragma once

#include <string>
#include <vector>

namespace sallyport {

struct HealthCheck {
  std::string name;  // "journal", "key_store", "upstream.openai"
  bool ok = true;
  bool essential = true;  // false: shown, but the gate is ready all the same
  std::string detail;     // "breaker open"; no addresses of clients, no secrets
};

class HealthSource {
 public:
  virtual ~HealthSource() = default;
  virtual void report(std::vector<HealthCheck>& checks) const = 0;  // any thread; does not block
};

}  // namespace sallyport
