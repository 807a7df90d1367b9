// SPDX-License-Identifier: Apache-2.0
#include "meter/usage.h"

#include <initializer_list>

namespace sallyport::meter {
namespace {

constexpr std::int64_t kTokensMax = std::int64_t{1} << 40;  // more is no answer but a fault
constexpr double kSecondsMax = 1e6;

// The first of these members that is a figure.
std::optional<std::int64_t> tokens(const JsonValue& object,
                                   std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto member = object.at(name);
    if (!member) continue;
    const auto count = member->integer();
    if (count && *count >= 0 && *count <= kTokensMax) return count;
  }
  return std::nullopt;
}

std::optional<JsonValue> object(const JsonValue& parent,
                                std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto member = parent.at(name);
    if (member && member->is_object()) return member;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Usage> read_usage(const JsonValue& usage) {
  if (!usage.is_object()) return std::nullopt;
  Usage found;
  found.input = tokens(usage, {"input_tokens", "prompt_tokens"});
  found.output = tokens(usage, {"output_tokens", "completion_tokens"});
  const auto details =
      object(usage, {"input_tokens_details", "prompt_tokens_details", "input_token_details"});
  if (details) {
    found.cached = tokens(*details, {"cached_tokens"});
    found.cache_write = tokens(*details, {"cache_write_tokens"});
    found.input_audio = tokens(*details, {"audio_tokens"});
    found.input_image = tokens(*details, {"image_tokens"});
  }
  const auto made =
      object(usage, {"output_tokens_details", "completion_tokens_details", "output_token_details"});
  if (made) found.output_audio = tokens(*made, {"audio_tokens"});
  const auto seconds = usage.at("seconds");
  if (seconds && seconds->number() && *seconds->number() >= 0 &&
      *seconds->number() <= kSecondsMax) {
    found.seconds = seconds->number();
  }
  // Embeddings tell the prompt and the total only: what is not there was not produced.
  if (found.input && !found.output && usage.at("prompt_tokens")) found.output = 0;
  if (!found.input && !found.output && !found.seconds) return std::nullopt;
  return found;
}

std::optional<Usage> read_usage(std::string_view json) {
  const auto value = JsonValue::parse(json);
  if (!value) return std::nullopt;
  return read_usage(*value);
}

}  // namespace sallyport::meter
