// SPDX-License-Identifier: Apache-2.0
// What a detector says before it is known whether anybody needs to hear it: numbers only, so that a
// verdict on every request of an attack costs no memory. Incidents decide what becomes a finding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "event/finding.h"

namespace sallyport::detect {

enum class Family : std::uint8_t {
  kTokenSpike,
  kNewCountry,
  kNewNetwork,
  kIpHopping,
  kCredentialStuffing,
  kRateLimitStorm,
  kOffHoursSurge,
  kOutputAnomaly,
  kPromptInjection,
  kGatewayBypass,
  kBudgetExceeded,
  kKeyAdminAnomaly,
  kErrorSurge,
  kLatencySurge,
  kSlowRamp
};
inline constexpr std::size_t kFamilies = 15;
std::string_view name(Family family);

struct Term {
  std::string_view name;  // a literal
  double value = 0;
};

struct Verdict {
  static constexpr std::size_t kTermsMax = 32;

  Family family = Family::kTokenSpike;
  Severity severity = Severity::kMedium;
  double score = 0;
  std::string_view words;  // what the summary says; a literal
  std::array<Term, kTermsMax> terms{};
  std::size_t count = 0;
  std::uint16_t also = 0;  // further families with strong evidence of their own, bits

  // Beyond the most, later terms are left out of the evidence; they still count in the score.
  void add(std::string_view term, double value) {
    if (count < kTermsMax) terms[count++] = {term, value};
  }
  std::span<const Term> evidence() const { return {terms.data(), count}; }
};

inline std::uint16_t bit(Family family) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(family));
}

using Maybe = std::optional<Verdict>;

}  // namespace sallyport::detect
