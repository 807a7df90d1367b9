// SPDX-License-Identifier: Apache-2.0
// Chance that is the same everywhere: our own generator and our own distributions, made of the four
// operations and the square root alone, so that a seed gives the same log with any library,
// compiler or processor. Never draw twice among the arguments of one call or the operands of one
// operator: their order is the compiler's. Not for secrets.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sallyport::traffic {

double exact_exp(double x);
double exact_log(double x);  // x > 0
inline double exact_power(double base, double exponent) {
  return base <= 0 ? 0 : exact_exp(exponent * exact_log(base));
}

// Each independent part of a log takes its own dice by `fork`, so that more attacks or another
// shape do not change the honest traffic around them.
class Dice {
 public:
  explicit Dice(std::uint64_t seed);
  Dice fork(std::string_view label, std::uint64_t number = 0) const;

  std::uint64_t bits();
  double unit();  // [0, 1)
  double between(double low, double high);
  std::int64_t whole(std::int64_t low, std::int64_t high);  // both ends included
  bool chance(double probability) { return unit() < probability; }
  std::size_t index(std::size_t size) {
    return static_cast<std::size_t>(whole(0, static_cast<std::int64_t>(size) - 1));
  }
  // An index by weights that need not sum to one; at least one is above zero.
  std::size_t weighted(std::span<const double> weights);

  double normal();  // mean 0, deviation 1
  double log_normal(double median, double sd_of_log) {
    return median * exact_exp(sd_of_log * normal());
  }
  double log_between(double low, double high);  // evenly in the logarithm
  double exponential(double mean) { return -mean * exact_log(1 - unit()); }
  double gamma(double shape);                                  // mean is `shape`; shape > 0
  double noise(double shape) { return gamma(shape) / shape; }  // mean 1
  std::int64_t poisson(double mean);
  std::int64_t geometric(double mean);  // 1, 2, 3 ...; mean >= 1

  template <class T>
  const T& pick(const std::vector<T>& items) {
    return items[index(items.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[index(i)]);
  }

 private:
  std::uint64_t seed_;
  std::uint64_t state_[4];
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace sallyport::traffic
