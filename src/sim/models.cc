// SPDX-License-Identifier: Apache-2.0
#include "sim/families.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kCreated = 1'760'000'000;  // all models are of the same day

constexpr std::string_view kModels[] = {
    "gpt-5.5",
    "gpt-5.5-mini",
    "gpt-5",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4o-transcribe",
    "gpt-4o-mini-tts",
    "gpt-image-1",
    "text-embedding-3-small",
    "o3",
    "text-embedding-3-large",
    "omni-moderation-latest",
    "whisper-1",
    "tts-1",
    "gpt-3.5-turbo-instruct",
};
constexpr std::string_view kFamilies[] = {"sim-",    "gpt-",  "chatgpt-", "o1",      "o3",
                                          "o4",      "text-", "tts-",     "ft:",     "whisper-",
                                          "dall-e-", "omni-", "davinci-", "babbage-"};

void write_model(JsonWriter& json, std::string_view id) {
  json.begin_object().field("id", id).field("object", "model").field("created", kCreated);
  json.field("owned_by", "system").end_object();
}

}  // namespace

bool known_model(std::string_view id) {
  if (id.contains("nonexistent")) return false;
  for (const std::string_view family : kFamilies) {
    if (id.starts_with(family)) return true;
  }
  return false;
}

Answer unknown_model(std::string_view id) {
  return error_answer({.status = 404,
                       .type = "invalid_request_error",
                       .message = "The model `" + std::string(id) +
                                  "` does not exist or you do not have access to it.",
                       .code = "model_not_found"});
}

Answer list_models() {
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (const std::string_view id : kModels) write_model(json, id);
  json.end_array().end_object();
  return answer;
}

Answer get_model(std::string_view id) {
  if (!known_model(id)) return unknown_model(id);
  Answer answer;
  JsonWriter json(answer.body);
  write_model(json, id);
  return answer;
}

}  // namespace sallyport::sim
