// SPDX-License-Identifier: Apache-2.0
#include "base/source_places.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sallyport {
namespace {

IpAddress subscriber(const IpAddress& source) {
  if (source.is_v4()) return source;
  std::array<std::uint8_t, 16> bytes = source.bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return IpAddress::v6(bytes);
}

}  // namespace

std::optional<SourcePlaces::Place> SourcePlaces::take(const IpAddress& source) {
  const IpAddress who = subscriber(source);
  const std::lock_guard lock(taken_->mutex);
  if (taken_->all >= places_max_) return std::nullopt;
  const auto held = taken_->by_source.find(who);
  if (held != taken_->by_source.end() && held->second >= per_source_max_) return std::nullopt;
  ++taken_->by_source[who];
  ++taken_->all;
  return Place(taken_, who);
}

SourcePlaces::Place::~Place() {
  if (taken_ == nullptr) return;
  const std::lock_guard lock(taken_->mutex);
  --taken_->all;
  const auto held = taken_->by_source.find(source_);
  if (--held->second == 0) taken_->by_source.erase(held);
}

}  // namespace sallyport
