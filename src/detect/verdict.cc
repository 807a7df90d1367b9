// SPDX-License-Identifier: Apache-2.0
#include "detect/verdict.h"

namespace sallyport::detect {
namespace {
constexpr std::array<std::string_view, kFamilies> kNames{
    "token_spike",         "new_country",      "new_network",     "ip_hopping",
    "credential_stuffing", "rate_limit_storm", "off_hours_surge", "output_anomaly",
    "prompt_injection",    "gateway_bypass",   "budget_exceeded", "key_admin_anomaly",
    "error_surge",         "latency_surge",    "slow_ramp"};
}

std::string_view name(Family family) { return kNames[static_cast<std::size_t>(family)]; }

}  // namespace sallyport::detect
