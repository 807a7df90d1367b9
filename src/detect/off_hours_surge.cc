// SPDX-License-Identifier: Apache-2.0
#include "detect/off_hours_surge.h"

#include <algorithm>
#include <cmath>

#include "detect/key_state.h"
#include "detect/peers.h"

namespace sallyport::detect {

Maybe OffHoursSurge::observe(const Sighting& s, KeyState& key, const Peers& peers) const {
  if (!key.season.has_schedule() || key.records.days() < 3) return std::nullopt;
  const float active = key.season.active_probability(s.now);
  if (active >= 0.2F) return std::nullopt;
  const float need = 1.3F + 8 * std::max(0.0F, active - 0.05F);
  const float hour = key.season.expected(s.now, 0.12F);
  for (const std::size_t span : {k15Min, k1Hour}) {
    const Sums sums = key.windows.sums(span, s.now);
    const float expected = span == k1Hour ? hour : hour / 4;
    const float record = key.record(span, peers.usual_record(span, false));
    if (record <= 0 || sums.requests < 20) continue;
    if (sums.tokens < need * record || sums.tokens < 8 * expected) continue;
    Verdict verdict;
    verdict.family = Family::kOffHoursSurge;
    verdict.score = 5.5 + std::log(sums.tokens / (need * record));
    verdict.severity = Severity::kHigh;
    verdict.words = "busier than ever at an hour when it sleeps";
    verdict.add("active_probability", active);
    verdict.add("window_s", kSpan[span]);
    verdict.add("tokens", sums.tokens);
    verdict.add("requests", sums.requests);
    verdict.add("record_tokens", record);
    verdict.add("expected_tokens", expected);
    return verdict;
  }
  return std::nullopt;
}

}  // namespace sallyport::detect
