// SPDX-License-Identifier: Apache-2.0
#include "dice.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sallyport::traffic {
namespace {

constexpr double kLn2 = 0.693147180559945309417232;

// SplitMix64: spreads any number over all bits.
std::uint64_t spread(std::uint64_t& x) {
  x += 0x9E3779B97F4A7C15U;
  std::uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

}  // namespace

// e^x = 2^k e^r with |r| <= ln2 / 2; thirteen terms of the series leave an error below 1e-16.
double exact_exp(double x) {
  if (x < -700) return 0;
  x = std::min(x, 700.0);
  const double k = std::floor(x / kLn2 + 0.5);
  const double r = x - k * kLn2;
  double sum = 1;
  for (int term = 13; term >= 1; --term) sum = 1 + sum * r / term;
  return std::ldexp(sum, static_cast<int>(k));
}

// x = m 2^e with m in [sqrt(1/2), sqrt(2)): log m = 2 atanh((m - 1) / (m + 1)).
double exact_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double t = (m - 1) / (m + 1);
  const double square = t * t;
  double sum = 0;
  for (int power = 21; power >= 1; power -= 2) sum = sum * square + 1.0 / power;
  return 2 * t * sum + exponent * kLn2;
}

Dice::Dice(std::uint64_t seed) : seed_(seed) {
  for (std::uint64_t& word : state_) word = spread(seed);
}

Dice Dice::fork(std::string_view label, std::uint64_t number) const {
  std::uint64_t hash = 0xCBF29CE484222325U ^ seed_;
  for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  hash += (number + 1) * 0xD1342543DE82EF95U;
  return Dice(spread(hash));
}

std::uint64_t Dice::bits() {  // xoshiro256++
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Dice::unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Dice::between(double low, double high) { return low + (high - low) * unit(); }

std::int64_t Dice::whole(std::int64_t low, std::int64_t high) {
  if (high <= low) return low;
  const auto span = static_cast<std::uint64_t>(high - low) + 1;
  // The bias of one in 2^64 / span does not matter here.
  return low + static_cast<std::int64_t>(static_cast<std::uint64_t>(
                   (static_cast<unsigned __int128>(bits()) * span) >> 64));
}

std::size_t Dice::weighted(std::span<const double> weights) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  double left = unit() * sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return weights.size() - 1;
}

double Dice::normal() {  // the polar method: two at a time
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double u = 0;
  double v = 0;
  double square = 0;
  do {
    u = 2 * unit() - 1;
    v = 2 * unit() - 1;
    square = u * u + v * v;
  } while (square >= 1 || square == 0);
  const double factor = std::sqrt(-2 * exact_log(square) / square);
  spare_ = v * factor;
  has_spare_ = true;
  return u * factor;
}

double Dice::log_between(double low, double high) {
  return exact_exp(between(exact_log(low), exact_log(high)));
}

double Dice::gamma(double shape) {  // Marsaglia and Tsang
  if (shape < 1) {
    const double smaller = exact_power(1 - unit(), 1 / shape);
    return gamma(shape + 1) * smaller;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal();
    double v = 1 + c * x;
    if (v <= 0) continue;
    v = v * v * v;
    if (exact_log(1 - unit()) < 0.5 * x * x + d - d * v + d * exact_log(v)) return d * v;
  }
}

std::int64_t Dice::poisson(double mean) {
  if (mean <= 0) return 0;
  if (mean > 40) {  // the normal approximation is close enough for traffic
    return std::max<std::int64_t>(
        0, static_cast<std::int64_t>(std::floor(mean + std::sqrt(mean) * normal() + 0.5)));
  }
  const double floor = exact_exp(-mean);
  std::int64_t count = 0;
  for (double product = unit(); product > floor; product *= unit()) ++count;
  return count;
}

std::int64_t Dice::geometric(double mean) {
  if (mean <= 1) return 1;
  return 1 + static_cast<std::int64_t>(exact_log(1 - unit()) / exact_log(1 - 1 / mean));
}

}  // namespace sallyport::traffic
