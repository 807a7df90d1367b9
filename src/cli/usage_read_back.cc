// SPDX-License-Identifier: Apache-2.0
#include "cli/usage_read_back.h"

#include "audit/query.h"
#include "base/log.h"

namespace sallyport::cli {
namespace {

constexpr std::chrono::hours kBack{3};  // an hour is compared, and calls may go on for another
constexpr std::uint64_t kRecordsMax = 500'000;
constexpr std::int64_t kPatienceUs = 2'000'000;

}  // namespace

void read_back_usage(meter::OwnUsageSums& sums, const audit::Config& config, const Clock& clock) {
  if (!config.enabled) return;
  audit::QuerySpec spec;
  spec.journal = config.path;
  spec.period.since = clock.now() - kBack;
  spec.limit = 0;
  // Newest first: of what ended at this time or later everything has been seen, and so everything
  // that came in since then.
  UtcTime reached = clock.now();
  std::uint64_t read = 0;
  const std::int64_t until_us = clock.steady_us() + kPatienceUs;
  const auto take = [&](const Event& event, std::string_view) {
    sums.add(event);  // also intents without outcome: what they used nobody knows
    reached = event.timestamp_utc;
    return ++read < kRecordsMax && (read % 1024 != 0 || clock.steady_us() < until_us);
  };
  const Result<audit::QueryAnswer> answer = audit::query(spec, take);
  if (!answer) {
    if (answer.error().code != Code::kNotFound) {
      log::warn("usage.not_read_back", {{"reason", answer.error().what}});
    }
    return;
  }
  // Before the oldest record perhaps no gate was here.
  if (read > 0) sums.complete_since(reached);
}

}  // namespace sallyport::cli
