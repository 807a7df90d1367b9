// SPDX-License-Identifier: Apache-2.0
// The older completions: one text, streamed as chat is.
#include <algorithm>
#include <memory>

#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kTokensDefault = 16;  // OpenAI's default for max_tokens here

struct CompletionStream {
  Text text;
  std::string id, model;
  std::int64_t created;
  std::int64_t prompt_tokens;
  bool include_usage, usage_counted, with_done;
  std::shared_ptr<Bill> bill;
  std::size_t at = 0;

  void write_usage(JsonWriter& json) const {
    const auto completion = static_cast<std::int64_t>(text.count());
    json.key("usage").begin_object().field("prompt_tokens", prompt_tokens);
    json.field("completion_tokens", completion);
    json.field("total_tokens", prompt_tokens + completion).end_object();
  }

  // `reason` is empty while more follows.
  std::string piece(const std::string* part, std::string_view reason, bool usage) const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("id", id).field("object", "text_completion");
    json.field("created", created).field("model", model).key("choices").begin_array();
    if (part != nullptr) {
      json.begin_object().field("text", *part).field("index", 0).key("logprobs").null();
      json.key("finish_reason");
      if (reason.empty()) {
        json.null();
      } else {
        json.value(reason);
      }
      json.end_object();
    }
    json.end_array();
    if (usage) {
      write_usage(json);
    } else if (include_usage) {
      json.key("usage").null();
    }
    json.end_object();
    return out;
  }

  std::string_view reason() const { return text.cut() ? "length" : "stop"; }

  std::string next() {
    const std::size_t place = at++;
    if (place < text.count()) {
      const std::string token = text.token(place);
      bill->output = static_cast<std::int64_t>(place + 1);
      return sse(piece(&token, place + 1 == text.count() ? reason() : "", false));
    }
    std::size_t left = place - text.count();
    if (include_usage && usage_counted && left-- == 0) return sse(piece(nullptr, "", true));
    return with_done && left == 0 ? "data: [DONE]\n\n" : "";
  }
};

}  // namespace

Answer completions(const Call& call) {
  const auto prompt = call.at("prompt");
  if (!prompt) return missing_parameter("prompt");
  const auto options = call.at("stream_options");
  const auto asked = options ? options->at("include_usage") : std::nullopt;
  const bool streamed = call.flag("stream", false);
  CompletionStream stream{.text = Text(call, call.integer("max_tokens").value_or(kTokensDefault)),
                          .id = call.id("cmpl-"),
                          .model = call.model,
                          .created = call.created,
                          .prompt_tokens = std::max<std::int64_t>(1, tokens_of(*prompt)),
                          .include_usage = streamed && asked && asked->boolean().value_or(false),
                          .usage_counted = !call.behaviour.no_usage,
                          .with_done = !call.behaviour.no_done,
                          .bill = std::make_shared<Bill>()};
  *stream.bill = {.endpoint = "completions", .input = stream.prompt_tokens};
  Answer answer;
  answer.bill = stream.bill;
  if (!streamed) {
    const std::string whole = stream.text.whole();
    stream.bill->output = static_cast<std::int64_t>(stream.text.count());
    answer.body = stream.piece(&whole, stream.reason(), stream.usage_counted);
    return answer;
  }
  answer.content_type = "text/event-stream; charset=utf-8";
  answer.error_event = sse(
      error_json({.status = 500, .type = "server_error", .message = "The server had an error."}));
  answer.script = [stream = std::move(stream)]() mutable { return stream.next(); };
  return answer;
}

}  // namespace sallyport::sim
