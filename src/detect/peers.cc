// SPDX-License-Identifier: Apache-2.0
#include "detect/peers.h"

#include <algorithm>
#include <cmath>

namespace sallyport::detect {
namespace {

constexpr std::uint32_t kKeysMin = 5;
constexpr float kQuantile = 0.6F;
constexpr Second kMoversWithin = 12 * kHour;

std::size_t bin_of(float value) {
  return std::min(Peers::kBins - 1, static_cast<std::size_t>(std::log2(1 + value) * 3));
}

std::size_t country_index(std::uint16_t country) {
  return ((country >> 8) & 31u) * 32u + (country & 31u);
}

}  // namespace

void Peers::record_changed(std::size_t span, float before, float after, bool requests) {
  const std::size_t kind = requests ? 1 : 0;
  auto& bins = numbers_.histogram[kind][span];
  if (before > 0 && bins[bin_of(before)] > 0) --bins[bin_of(before)];
  if (after > 0) ++bins[bin_of(after)];
  find_quantile(kind, span);
}

void Peers::find_quantile(std::size_t kind, std::size_t span) {
  const auto& bins = numbers_.histogram[kind][span];
  std::uint64_t all = 0;
  for (const std::uint32_t count : bins) all += count;
  quantiles_[kind][span] = 0;
  if (all < kKeysMin) return;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    below += bins[i];
    if (static_cast<float>(below) < kQuantile * static_cast<float>(all)) continue;
    quantiles_[kind][span] = std::exp2((static_cast<float>(i) + 0.5F) / 3) - 1;
    return;
  }
}

void Peers::count_again() {
  for (std::size_t kind = 0; kind < 2; ++kind) {
    for (std::size_t span = 0; span < kSpans; ++span) find_quantile(kind, span);
  }
}

void Peers::adopted(std::uint32_t network, std::uint16_t country) {
  ++networks_.touch(network).keys;
  networks_.promote(network);
  ++numbers_.countries[country_index(country)];
}

void Peers::forgotten(std::uint32_t network, std::uint16_t country) {
  NetworkUse* use = networks_.find(network);
  if (use != nullptr && use->keys > 0) --use->keys;
  std::uint32_t& keys = numbers_.countries[country_index(country)];
  if (keys > 0) --keys;
}

void Peers::moved(std::uint32_t network, std::uint64_t key, Second now) {
  NetworkUse& use = networks_.touch(network);
  for (NetworkUse::Mover& mover : use.movers) {
    if (mover.key != key) continue;
    mover.at = now;
    return;
  }
  use.movers[use.next++ % use.movers.size()] = {.key = key, .at = now};
}

std::uint32_t Peers::keys_at(std::uint32_t network) const {
  const NetworkUse* use = networks_.find(network);
  return use == nullptr ? 0 : use->keys;
}

bool Peers::country_known(std::uint16_t country) const {
  return numbers_.countries[country_index(country)] > 0;
}

std::uint32_t Peers::movers(std::uint32_t network, std::uint64_t but, Second now) const {
  const NetworkUse* use = networks_.find(network);
  if (use == nullptr) return 0;
  std::uint32_t count = 0;
  for (const NetworkUse::Mover& mover : use->movers) {
    const bool recent = mover.key != 0 && now - mover.at <= kMoversWithin;
    count += recent && mover.key != but ? 1 : 0;
  }
  return count;
}

}  // namespace sallyport::detect
