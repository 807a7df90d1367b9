// SPDX-License-Identifier: Apache-2.0
#include "sim/answer.h"

#include <openssl/evp.h>

#include <array>

#include "base/text.h"

namespace sallyport::sim {
namespace {

struct NamedError {
  std::string_view name;
  int status;
  std::string_view type;
  std::string_view code;  // empty: null
  std::string_view message;
  bool retry_after;
};
constexpr NamedError kErrors[] = {
    {"400", 400, "invalid_request_error", "", "The request is invalid (simulated).", false},
    {"context", 400, "invalid_request_error", "context_length_exceeded",
     "This model's maximum context length is 128000 tokens (simulated).", false},
    {"401", 401, "invalid_request_error", "invalid_api_key",
     "Incorrect API key provided: sk-proj-****************abcd. You can find your API key at "
     "https://platform.openai.com/account/api-keys.",
     false},
    {"403", 403, "invalid_request_error", "unsupported_country_region_territory",
     "Country, region, or territory not supported", false},
    {"404", 404, "invalid_request_error", "model_not_found",
     "The model does not exist or you do not have access to it.", false},
    {"409", 409, "invalid_request_error", "", "The request conflicts with another.", false},
    {"429-rate", 429, "requests", "rate_limit_exceeded",
     "Rate limit reached for requests per min (RPM): Limit 10000, Used 10000, Requested 1.", true},
    {"429-quota", 429, "insufficient_quota", "insufficient_quota",
     "You exceeded your current quota, please check your plan and billing details.", false},
    {"429-slow-down", 429, "rate_limit_error", "slow_down",
     "Traffic ramps up too fast, please slow down.", true},
    {"500", 500, "server_error", "",
     "The server had an error while processing your request. Sorry about that!", false},
    {"502", 502, "server_error", "", "Bad gateway.", false},
    {"503", 503, "service_unavailable_error", "server_is_overloaded",
     "The engine is currently overloaded, please try again later.", true},
};

}  // namespace

std::string Call::text(std::string_view name, std::string_view otherwise) const {
  const auto value = at(name);
  const auto string = value ? value->string() : std::nullopt;
  return std::string(string.value_or(otherwise));
}

bool Call::flag(std::string_view name, bool otherwise) const {
  const auto value = at(name);
  const auto boolean = value ? value->boolean() : std::nullopt;
  return boolean.value_or(otherwise);
}

std::optional<std::int64_t> Call::integer(std::string_view name) const {
  const auto value = at(name);
  return value ? value->integer() : std::nullopt;
}

std::string Call::id(std::string_view prefix, std::string_view salt) const {
  std::string seed = digest;
  seed += salt;
  return std::string(prefix) + to_hex(sha256(seed)).substr(0, 24);
}

std::string error_json(const ApiError& error) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("error").begin_object();
  json.field("message", error.message).field("type", error.type);
  json.field("param", error.param).field("code", error.code);
  json.end_object().end_object();
  return out;
}

Answer error_answer(const ApiError& error) {
  Answer answer;
  answer.status = error.status;
  answer.body = error_json(error);
  return answer;
}

Answer missing_parameter(std::string_view name) {
  return error_answer({.status = 400,
                       .type = "invalid_request_error",
                       .message = "Missing required parameter: '" + std::string(name) + "'.",
                       .param = name,
                       .code = "missing_required_parameter"});
}

Answer error_named(std::string_view name, const Behaviour& behaviour) {
  const NamedError* found = nullptr;
  for (const NamedError& error : kErrors) {
    if (error.name == name) found = &error;
  }
  if (found == nullptr) return error_named("500", behaviour);
  ApiError error{
      .status = found->status, .type = found->type, .message = std::string(found->message)};
  if (!found->code.empty()) error.code = found->code;
  Answer answer = error_answer(error);
  if (found->retry_after || behaviour.retry_after_s) {
    answer.headers.emplace_back("retry-after", std::to_string(behaviour.retry_after_s.value_or(1)));
  }
  return answer;
}

std::string sse(std::string_view data, std::string_view type) {
  std::string out;
  if (!type.empty()) {
    out += "event: ";
    out += type;
    out += '\n';
  }
  out += "data: ";
  out += data;
  out += "\n\n";
  return out;
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return std::string(digest.begin(), digest.end());
}

}  // namespace sallyport::sim
