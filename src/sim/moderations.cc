// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "base/text.h"
#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::string_view kCategories[] = {"harassment",
                                            "harassment/threatening",
                                            "sexual",
                                            "hate",
                                            "hate/threatening",
                                            "illicit",
                                            "illicit/violent",
                                            "self-harm/intent",
                                            "self-harm",
                                            "sexual/minors",
                                            "violence/graphic",
                                            "violence",
                                            "self-harm/instructions"};

// One word stands for all that a classifier would flag.
void write_result(JsonWriter& json, std::string_view text) {
  const bool flagged = lower_ascii(text).contains("kill");
  json.begin_object().field("flagged", flagged).key("categories").begin_object();
  for (const std::string_view category : kCategories) {
    json.field(category, flagged && category == "violence");
  }
  json.end_object().key("category_scores").begin_object();
  for (const std::string_view category : kCategories) {
    json.field(category, flagged && category == "violence" ? 0.97 : 0.0001);
  }
  json.end_object().key("category_applied_input_types").begin_object();
  for (const std::string_view category : kCategories) {
    json.key(category).begin_array().value("text").end_array();
  }
  json.end_object().end_object();
}

}  // namespace

Answer moderations(const Call& call) {
  const auto input = call.at("input");
  if (!input) return missing_parameter("input");
  Answer answer;
  answer.bill = std::make_shared<Bill>(Bill{.endpoint = "moderations", .input = tokens_of(*input)});
  JsonWriter json(answer.body);
  json.begin_object().field("id", call.id("modr-"));
  json.field("model", call.model.empty() ? "omni-moderation-latest" : call.model);
  json.key("results").begin_array();
  if (const auto text = input->string()) write_result(json, *text);
  for (const JsonValue& item : input->items()) {
    const auto part = item.at("text");
    const auto text = part ? part->string() : item.string();
    write_result(json, text.value_or(""));
  }
  json.end_array().end_object();
  return answer;
}

}  // namespace sallyport::sim
