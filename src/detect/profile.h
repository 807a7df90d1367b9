// SPDX-License-Identifier: Apache-2.0
// How a key's requests look: the models, purposes and endpoints it uses, the sizes of its inputs
// and outputs (mean and variance of log(1 + tokens), weight max(1/n, 1/400), winsorised at 3 sd),
// and how many addresses it has at home. Learnt from home traffic that was answered.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "detect/sighting.h"

namespace sallyport::detect {

// A handful of names with their counts; at the limit the rarest goes.
template <std::size_t N>
class Habits {
 public:
  std::uint32_t count(std::uint32_t name) const {
    for (const Habit& habit : habits_) {
      if (habit.name == name) return habit.count;
    }
    return 0;
  }
  void add(std::uint32_t name) {
    if (name == 0) return;
    Habit* rarest = &habits_[0];
    for (Habit& habit : habits_) {
      if (habit.name == name) {
        if (habit.count < 1'000'000) ++habit.count;
        return;
      }
      if (habit.count < rarest->count) rarest = &habit;
    }
    *rarest = {name, 1};
  }

 private:
  struct Habit {
    std::uint32_t name = 0;
    std::uint32_t count = 0;
  };
  std::array<Habit, N> habits_{};
};

class Size {
 public:
  void add(float tokens) {
    const float x = std::log(1 + tokens);
    if (count_ < 400) ++count_;
    const float weight = 1.0F / static_cast<float>(count_);
    const float limit = 3 * sd();
    float off = x - mean_;
    if (count_ > 10) off = off > limit ? limit : off < -limit ? -limit : off;
    mean_ += weight * off;
    variance_ += weight * (off * off * (1 - weight) - variance_);
  }
  float mean() const { return mean_; }
  // Shrunk to 0.5 with 4 pseudo-observations: nobody always writes the same.
  float sd() const {
    const auto n = static_cast<float>(count_);
    return std::sqrt((variance_ * n + 0.25F * 4) / (n + 4));
  }
  std::uint32_t count() const { return count_; }
  bool sane() const {
    return std::isfinite(mean_) && std::isfinite(variance_) && variance_ >= 0 && count_ <= 400;
  }

 private:
  float mean_ = 0, variance_ = 0;
  std::uint32_t count_ = 0;
};

struct Profile {
  Habits<6> models;
  Habits<6> purposes;
  Habits<4> endpoints;
  Size input, output;
  std::uint64_t addresses = 0;  // a bit for each address of home, hashed
  float tokens_mean = 0;        // a request
  std::uint32_t requests = 0;   // at home, answered
  std::uint32_t denied = 0;     // at home, 403

  void learn(const Sighting& s) {
    models.add(s.model);
    purposes.add(s.purpose);
    endpoints.add(s.endpoint);
    if (s.tokens_input > 0) input.add(s.tokens_input);
    if (s.tokens_output > 0) output.add(s.tokens_output);
    if (s.address != 0) addresses |= std::uint64_t{1} << (s.address & 63);
    if (requests < 0xFFFFFFFF) ++requests;
    const auto n = static_cast<float>(requests < 400 ? requests : 400);
    tokens_mean += (s.tokens() - tokens_mean) / n;
  }
  int address_bits() const { return std::popcount(addresses); }
  bool sane() const { return input.sane() && output.sane() && std::isfinite(tokens_mean); }
};

}  // namespace sallyport::detect
