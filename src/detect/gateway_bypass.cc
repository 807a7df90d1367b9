// SPDX-License-Identifier: Apache-2.0
#include "detect/gateway_bypass.h"

#include <algorithm>
#include <cmath>

#include "base/json_reader.h"

namespace sallyport::detect {

Maybe gateway_bypass(const Event& event) {
  if (!event.error) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kGatewayBypass;
  if (event.action == "provider_key.seen") {
    verdict.score = 3.5;
    verdict.severity = Severity::kMedium;
    verdict.words = "a key that is not the gateway's exists at the provider";
    return verdict;
  }
  if (event.error != "gateway_bypass") return std::nullopt;
  double excess = 0;
  bool known = true;
  if (event.detail) {
    if (const auto detail = JsonValue::parse(*event.detail); detail && detail->is_object()) {
      if (const auto tokens = detail->at("excess_tokens")) excess = tokens->number().value_or(0);
      if (const auto key = detail->at("known_key")) known = key->boolean().value_or(true);
    }
  }
  verdict.score = (known ? 6 : 9) + std::min(3.0, 0.2 * std::log1p(std::max(0.0, excess)));
  verdict.severity = known ? Severity::kHigh : Severity::kCritical;
  verdict.words = known ? "the provider counts more than passed the gateway"
                        : "the provider counts use of a key that the gateway does not know";
  verdict.add("excess_tokens", excess);
  verdict.add("known_key", known ? 1 : 0);
  return verdict;
}

}  // namespace sallyport::detect
