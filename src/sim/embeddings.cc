// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <memory>
#include <vector>

#include "base/text.h"
#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kDimensionsMax = 3072;
constexpr std::size_t kInputsMax = 2048;  // OpenAI's own limit for one request
static_assert(std::endian::native == std::endian::little, "base64 vectors are little endian");

// A unit vector that depends on the text alone.
std::vector<float> vector_of(std::string_view text, std::size_t dimensions) {
  std::uint64_t state = number_of(to_hex(sha256(text)));
  std::vector<float> vector(dimensions);
  double sum = 0;
  for (float& x : vector) {
    state = mixed(state);
    x = static_cast<float>(static_cast<double>(state >> 11) / 9007199254740992.0 - 0.5);
    sum += static_cast<double>(x) * x;
  }
  for (float& x : vector) x = static_cast<float>(x / std::sqrt(sum));
  return vector;
}

std::size_t dimensions_of(const Call& call) {
  const std::int64_t usual = call.model.ends_with("large") ? kDimensionsMax : 1536;
  const std::int64_t asked = call.integer("dimensions").value_or(usual);
  return static_cast<std::size_t>(std::min(std::max<std::int64_t>(asked, 1), kDimensionsMax));
}

// One text, several, one row of tokens, or several rows: what OpenAI takes.
std::vector<std::string> inputs_of(const JsonValue& input) {
  std::vector<std::string> texts;
  if (const auto text = input.string()) return {std::string(*text)};
  std::string row;
  for (const JsonValue& item : input.items()) {
    if (const auto text = item.string()) {
      texts.emplace_back(*text);
    } else if (const auto token = item.integer()) {
      row += std::to_string(*token) + ' ';
    } else {
      std::string nested;
      for (const JsonValue& token_item : item.items()) {
        nested += std::to_string(token_item.integer().value_or(0)) + ' ';
      }
      texts.push_back(std::move(nested));
    }
  }
  if (!row.empty()) texts.push_back(std::move(row));
  return texts;
}

}  // namespace

Answer embeddings(const Call& call) {
  const auto input = call.at("input");
  if (!input) return missing_parameter("input");
  const std::vector<std::string> texts = inputs_of(*input);
  if (texts.empty() || texts.size() > kInputsMax) {
    return error_answer({.status = 400,
                         .type = "invalid_request_error",
                         .message = "'$.input' is invalid. Please check the API reference.",
                         .param = "input"});
  }
  const bool base64 = call.text("encoding_format") == "base64";
  std::int64_t tokens = 0;
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tokens += std::max<std::int64_t>(1, tokens_of(texts[i]));
    const std::vector<float> vector = vector_of(texts[i], dimensions_of(call));
    json.begin_object().field("object", "embedding").field("index", static_cast<std::uint64_t>(i));
    json.key("embedding");
    if (base64) {
      const auto* bytes = reinterpret_cast<const char*>(vector.data());
      json.value(base64_encode({bytes, vector.size() * sizeof(float)}));
    } else {
      json.begin_array();
      for (const float x : vector) json.value(static_cast<double>(x));
      json.end_array();
    }
    json.end_object();
  }
  answer.bill = std::make_shared<Bill>(Bill{.endpoint = "embeddings", .input = tokens});
  json.end_array().field("model", call.model);
  if (!call.behaviour.no_usage) {
    json.key("usage").begin_object();
    json.field("prompt_tokens", tokens).field("total_tokens", tokens).end_object();
  }
  json.end_object();
  return answer;
}

}  // namespace sallyport::sim
