// SPDX-License-Identifier: Apache-2.0
// What a model can take and give at most, out of rules/models.json, which is in the program. A
// model that is not in the table is given the most that any is known to have, so that a reservation
// made with it holds.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport::meter {

inline constexpr std::uint64_t kContextMaxUnknown = 1'050'000;  // as gpt-5.4, the largest known
inline constexpr std::uint64_t kOutputMaxUnknown = 272'000;     // as gpt-5-pro, the largest known
inline constexpr std::uint64_t kImageUnknown = 48'169;          // as gpt-4o-mini, the dearest known
inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// Of one picture whose size is not known, by the `detail` that was asked for. kNoLimit: none is
// documented, the model's context bounds it.
struct ImageTokens {
  std::uint64_t low = kImageUnknown, high = kImageUnknown;
  std::uint64_t original = kImageUnknown, automatic = kImageUnknown;
};

struct ModelLimits {
  std::uint64_t context = kContextMaxUnknown;  // tokens of input and output together
  std::uint64_t output = kOutputMaxUnknown;    // tokens of one answer, reasoning included
  ImageTokens image;
};

using ModelTable = std::map<std::string, ModelLimits, std::less<>>;

// kInvalid names what is wrong: unknown fields, negative figures and models that stand twice too.
Result<ModelTable> parse_models(std::string_view json);
// By name, else by the longest name in the table that `model` goes on from with '-' ("gpt-4o" for
// "gpt-4o-2024-08-06"), else the figures of the unknown. Fine-tuned models ("ft:NAME:...") as NAME.
const ModelLimits& find_limits(const ModelTable& table, std::string_view model);

// Of the table in the program.
const ModelLimits& model_limits(std::string_view model);
std::uint64_t model_output_max(std::string_view model);
std::uint64_t model_context_max(std::string_view model);

}  // namespace sallyport::meter
