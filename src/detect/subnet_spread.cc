// SPDX-License-Identifier: Apache-2.0
#include "detect/subnet_spread.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "detect/key_state.h"

namespace sallyport::detect {
namespace {
constexpr Second kSlice = 900;
constexpr float kLeast = 9, kTimes = 2.2F;

float distinct(std::uint64_t bits) {
  const int empty = 64 - std::popcount(bits);
  return empty == 0 ? 266.0F : -64 * std::log(static_cast<float>(empty) / 64);
}
}  // namespace

Maybe SubnetSpread::observe(const Sighting& s, const KeyState& key) {
  const Second slice = s.now / kSlice;
  if (slice != slice_) {
    before_bits_ = slice == slice_ + 1 ? now_bits_ : 0;
    now_bits_ = 0;
    slice_ = slice;
  }
  if (const std::uint32_t day = s.now / kDay; day != day_) {
    record_ = std::max(record_ * 0.95F, today_);
    today_ = 0;
    day_ = day;
  }
  const std::uint64_t bit = std::uint64_t{1} << (s.subnet & 63);
  if ((now_bits_ & bit) != 0) return std::nullopt;
  now_bits_ |= bit;
  const float count = distinct(now_bits_ | before_bits_);
  today_ = std::max(today_, count);
  if (count < kLeast || count < kTimes * record_ || key.records.days() < 2) return std::nullopt;

  Verdict verdict;
  verdict.family = Family::kIpHopping;
  verdict.score = 5.5 + std::log(count / std::max(kLeast, kTimes * record_));
  verdict.severity = Severity::kHigh;
  verdict.words = "comes from more subnets at once than ever";
  verdict.add("subnets_30min", count);
  verdict.add("record_subnets_30min", record_);
  return verdict;
}

}  // namespace sallyport::detect
