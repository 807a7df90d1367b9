// SPDX-License-Identifier: Apache-2.0
// The words of the log: models with their price, endpoints, error codes, modules and purposes. A
// line holds their numbers; the writer puts the words.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace sallyport::traffic {

struct Model {
  std::string_view name;
  double input_usd_per_million;
  double output_usd_per_million;
};
const std::vector<Model>& models();
std::uint16_t model_index(std::string_view name);  // of a model in the list
inline constexpr std::uint16_t kNoModel = 0xFFFF;

enum class Endpoint : std::uint8_t {
  kChat,
  kResponses,
  kEmbeddings,
  kModels,
  kAdminKeys,
};
std::string_view text(Endpoint endpoint);

enum class Fault : std::uint8_t {
  kNone,
  kInvalidKey,
  kRateLimit,
  kUpstream,
  kServer,
  kInvalidValue,
  kModelNotAllowed,
  kInjection,
};
std::string_view text(Fault fault);  // the `error` of a line; empty for kNone
std::uint16_t status(Fault fault);   // 200 for kNone

// Module 0 and purpose 0 are `unlisted`.
const std::vector<std::string_view>& modules();
const std::vector<std::string_view>& purposes();

}  // namespace sallyport::traffic
