// SPDX-License-Identifier: Apache-2.0
#include "detect/key_admin_anomaly.h"

#include <cmath>

namespace sallyport::detect {
namespace {

bool makes_secrets(std::string_view action) {
  for (const std::string_view word : {"create", "rotate", "mint", "token"}) {
    if (action.contains(word)) return true;
  }
  return false;
}

}  // namespace

Maybe key_admin_anomaly(const Sighting& s, std::string_view action, KeyState& actor,
                        const Peers& peers, const Config& config) {
  const double extra = makes_secrets(action) ? 2.0 : 0;
  Maybe found = actor.visitors.visit(s, actor, peers, config, extra);
  const double active = actor.season.active_probability(s.now);
  const bool silent = actor.season.has_schedule() && active < 0.2 && actor.age(s.now) > 3 * kDay;
  if (!found && makes_secrets(action) && silent) {
    Verdict verdict;
    verdict.score = 3 + 0.8 * -std::log(active);
    verdict.severity = verdict.score >= config.high_score && !config.geography_stale
                           ? Severity::kHigh
                           : Severity::kMedium;
    verdict.add("active_probability", active);
    found = verdict;
  }
  if (!found) return std::nullopt;
  found->family = Family::kKeyAdminAnomaly;
  found->also = 0;
  found->add("makes_secrets", makes_secrets(action) ? 1 : 0);
  found->words = "an administrator acts from where and when they never did";
  return found;
}

Maybe provider_admin_key(std::string_view action, std::string_view error) {
  if (action != "admin_key.seen" || error.empty()) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kKeyAdminAnomaly;
  verdict.score = 4;
  verdict.severity = Severity::kMedium;
  verdict.words = "an admin key at the provider is not as declared";
  return verdict;
}

}  // namespace sallyport::detect
