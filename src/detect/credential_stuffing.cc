// SPDX-License-Identifier: Apache-2.0
#include "detect/credential_stuffing.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sallyport::detect {
namespace {

constexpr float kFastFade = 600, kSlowFade = 3 * kHour;
constexpr float kFastMost = 14, kSlowMost = 26;
constexpr Second kStanding = 14 * kDay;
constexpr Second kSlice = 300;
constexpr float kAddressesMin = 10, kBound = 13;
constexpr int kManyClaims = 12;
constexpr float kLimitedMost = 120;

float fade(float value, Second since, float constant) {
  return value * std::exp(-static_cast<float>(since) / constant);
}

}  // namespace

void CredentialStuffing::success(const Sighting& s) {
  if (s.address == 0) return;
  Source& source = sources_.touch(s.address);
  if (source.good == 0) sources_.promote(s.address);
  source.good = s.now;
  subnets_.touch(s.subnet) = s.now;
}

bool CredentialStuffing::in_good_standing(const Sighting& s, const Source& source) const {
  if (std::popcount(source.claimed) >= kManyClaims) return false;
  if (source.good != 0 && s.now - source.good < kStanding) return true;
  const Second* subnet = subnets_.find(s.subnet);
  return subnet != nullptr && s.now - *subnet < kStanding;
}

CredentialStuffing::Found CredentialStuffing::failure(const Sighting& s, std::uint64_t claimed,
                                                      float times, bool ours) {
  Found found;
  if (s.address == 0) return found;
  Source& source = sources_.touch(s.address);
  const Second before = source.last;
  const Second since = s.now - source.last;
  source.fast = fade(source.fast, since, kFastFade) + times;
  source.slow = fade(source.slow, since, kSlowFade) + times;
  source.last = s.now;
  ++source.failures;
  if (claimed != 0) source.claimed |= std::uint64_t{1} << (claimed & 63);
  if (in_good_standing(s, source)) return found;

  found.many = many(s, before);
  if (source.fast < kFastMost && source.slow < kSlowMost) return found;
  Verdict verdict;
  verdict.family = Family::kCredentialStuffing;
  verdict.score = 5.5 + std::log(std::max(source.fast / kFastMost, source.slow / kSlowMost));
  const int claims = std::popcount(source.claimed);
  const bool deploy = ours && claims > 0 && claims <= 2;
  verdict.severity = deploy ? Severity::kMedium : Severity::kHigh;
  verdict.words = "one source is refused again and again";
  verdict.add("refusals_10min", source.fast);
  verdict.add("refusals_3h", source.slow);
  verdict.add("threshold_10min", kFastMost);
  verdict.add("threshold_3h", kSlowMost);
  verdict.add("distinct_keys_claimed", claims);
  found.one = verdict;
  return found;
}

// Learns what is usual as slices end; a siege does not become usual while it lasts.
void CredentialStuffing::turn(Second slice) {
  if (many_.slice == 0) many_.slice = slice;
  if (slice <= many_.slice) return;
  const Second gone = std::min<Second>(slice - many_.slice, 2'000);
  for (Second i = 1; i <= gone; ++i) {
    float sum = 0;
    for (const std::uint32_t count : many_.distinct) sum += static_cast<float>(count);
    if (sum < 2 * many_.usual + kAddressesMin) many_.usual += 0.01F * (sum - many_.usual);
    many_.distinct[(many_.slice + i) % many_.distinct.size()] = 0;
  }
  many_.slice = slice;
}

// Exact as long as the sources fit in their table: an address moves from the slice in which it last
// failed to the current one.
Maybe CredentialStuffing::many(const Sighting& s, Second failed_before) {
  const Second slice = s.now / kSlice;
  turn(slice);
  const Second then = failed_before / kSlice;
  if (failed_before != 0 && slice - then < many_.distinct.size()) {
    std::uint32_t& old = many_.distinct[then % many_.distinct.size()];
    if (old > 0) --old;
  }
  ++many_.distinct[slice % many_.distinct.size()];
  float x = 0;
  for (const std::uint32_t count : many_.distinct) x += static_cast<float>(count);
  const float l = 2 * many_.usual + 1.5F;
  const float bound = x > l ? x * std::log(x / l) - x + l : 0;
  if (x < kAddressesMin || bound < kBound) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kCredentialStuffing;
  verdict.score = 5.5 + std::min(6.0F, std::log(bound / kBound));
  verdict.severity = Severity::kHigh;
  verdict.words = "many addresses are refused at the same time, a few times each";
  verdict.add("addresses_30min", x);
  verdict.add("usual_addresses", many_.usual);
  verdict.add("chernoff_nats", bound);
  verdict.add("threshold", kBound);
  return verdict;
}

Maybe CredentialStuffing::limited(const Sighting& s, float times) {
  if (s.address == 0) return std::nullopt;
  Source& source = sources_.touch(s.address);
  const Second since = s.now - source.last;
  source.limited = fade(source.limited, since, kFastFade) + times;
  source.fast = fade(source.fast, since, kFastFade);
  source.slow = fade(source.slow, since, kSlowFade);
  source.last = s.now;
  if (source.limited < kLimitedMost) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kRateLimitStorm;
  verdict.score = 5.5 + std::log(source.limited / kLimitedMost);
  verdict.severity = in_good_standing(s, source) ? Severity::kMedium : Severity::kHigh;
  verdict.words = "a source without a key is refused for its rate in bulk";
  verdict.add("refusals_10min", source.limited);
  verdict.add("threshold", kLimitedMost);
  return verdict;
}

}  // namespace sallyport::detect
