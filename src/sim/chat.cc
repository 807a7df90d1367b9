// SPDX-License-Identifier: Apache-2.0
// Chat completions. A stream is: one chunk with the role for each choice, one a token and choice,
// one with the finish_reason for each choice, the extra usage chunk if it was asked for, [DONE].
#include <algorithm>
#include <memory>

#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kChoicesMax = 128;  // OpenAI's own limit for n
constexpr std::string_view kToolArguments[] = {"{\"", "city", "\":\"", "Zürich", "\"}"};

struct Usage {
  std::int64_t prompt = 0;
  std::int64_t completion = 0;
};

void write_usage(JsonWriter& json, const Usage& usage) {
  json.key("usage").begin_object();
  json.field("prompt_tokens", usage.prompt);
  json.field("completion_tokens", usage.completion);
  json.field("total_tokens", usage.prompt + usage.completion);
  json.key("prompt_tokens_details").begin_object();
  json.field("cached_tokens", 0).field("audio_tokens", 0).end_object();
  json.key("completion_tokens_details").begin_object();
  json.field("reasoning_tokens", 0).field("audio_tokens", 0);
  json.field("accepted_prediction_tokens", 0).field("rejected_prediction_tokens", 0).end_object();
  json.end_object();
}

std::string tool_arguments() {
  std::string whole;
  for (const std::string_view piece : kToolArguments) whole += piece;
  return whole;
}

// What both forms of an answer are made from.
struct Said {
  explicit Said(const Call& call)
      : text(call, call.integer("max_completion_tokens") ? call.integer("max_completion_tokens")
                                                         : call.integer("max_tokens")),
        id(call.id("chatcmpl-")),
        call_id(call.id("call_")),
        model(call.model),
        digest(call.digest),
        created(call.created),
        choices(static_cast<std::size_t>(
            std::clamp<std::int64_t>(call.integer("n").value_or(1), 1, kChoicesMax))),
        tools(call.behaviour.tool_calls),
        usage_counted(!call.behaviour.no_usage) {
    const auto messages = call.at("messages");
    usage.prompt = (messages ? tokens_of(*messages) : 0) + 3;
    const std::size_t tokens = tools ? std::size(kToolArguments) + 8 : text.count();
    usage.completion = static_cast<std::int64_t>(tokens * choices);
  }

  std::string_view finish_reason() const {
    if (tools) return "tool_calls";
    return text.cut() ? "length" : "stop";
  }

  Text text;
  std::string id, call_id, model, digest;
  std::int64_t created;
  std::size_t choices;
  bool tools;
  bool usage_counted;
  Usage usage;
};

void write_tool_call(JsonWriter& json, const Said& said, bool in_stream,
                     std::string_view arguments) {
  json.key("tool_calls").begin_array().begin_object();
  if (in_stream) json.field("index", 0);
  json.field("id", said.call_id).field("type", "function");
  json.key("function").begin_object();
  json.field("name", "get_weather").field("arguments", arguments);
  json.end_object().end_object().end_array();
}

std::string whole_answer(const Said& said) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("id", said.id).field("object", "chat.completion").field("created", said.created);
  json.field("model", said.model).key("choices").begin_array();
  for (std::size_t choice = 0; choice < said.choices; ++choice) {
    json.begin_object().field("index", static_cast<std::uint64_t>(choice));
    json.key("message").begin_object().field("role", "assistant");
    json.key("content");
    if (said.tools) {
      json.null();
      write_tool_call(json, said, false, tool_arguments());
    } else {
      json.value(said.text.whole(choice));
    }
    json.key("refusal").null().key("annotations").begin_array().end_array().end_object();
    json.key("logprobs").null().field("finish_reason", said.finish_reason()).end_object();
  }
  json.end_array();
  if (said.usage_counted) write_usage(json, said.usage);
  json.field("service_tier", "default").key("system_fingerprint").null().end_object();
  return out;
}

class ChatStream {
 public:
  ChatStream(Said said, const Call& call, std::shared_ptr<Bill> bill)
      : said_(std::move(said)),
        bill_(std::move(bill)),
        tokens_(said_.tools ? std::size(kToolArguments) : said_.text.count()),
        with_done_(!call.behaviour.no_done) {
    if (const auto options = call.at("stream_options")) {
      const auto usage = options->at("include_usage");
      const auto padding = options->at("include_obfuscation");
      include_usage_ = usage && usage->boolean().value_or(false);
      obfuscated_ = !padding || padding->boolean().value_or(true);
    }
  }

  std::string next() {
    const std::size_t at = next_++;
    const std::size_t chunks = (tokens_ + 2) * said_.choices;
    if (at < chunks) {
      const bool all = at + said_.choices >= chunks;  // the chunks that end a choice
      bill_->output = all ? said_.usage.completion : generated(at);
      return chunk(at / said_.choices, at % said_.choices);
    }
    std::size_t left = at - chunks;
    if (include_usage_ && said_.usage_counted && left-- == 0) return usage_chunk();
    return with_done_ && left == 0 ? "data: [DONE]\n\n" : "";
  }

 private:
  // Tokens up to and with that chunk: the first ones of each choice hold none.
  std::int64_t generated(std::size_t at) const {
    return at < said_.choices ? 0 : static_cast<std::int64_t>(at + 1 - said_.choices);
  }

  void write_head(JsonWriter& json) const {
    json.begin_object().field("id", said_.id).field("object", "chat.completion.chunk");
    json.field("created", said_.created).field("model", said_.model);
    json.field("service_tier", "default").key("system_fingerprint").null();
  }

  // Round 0 names the role, the last one the reason why it ends, those between hold a token each.
  std::string chunk(std::size_t round, std::size_t choice) const {
    std::string out;
    JsonWriter json(out);
    write_head(json);
    json.key("choices").begin_array().begin_object();
    json.field("index", static_cast<std::uint64_t>(choice)).key("delta").begin_object();
    const bool last = round == tokens_ + 1;
    std::size_t text_bytes = 0;
    if (round == 0) {
      write_first_delta(json);
    } else if (!last && said_.tools) {
      json.key("tool_calls").begin_array().begin_object().field("index", 0);
      json.key("function").begin_object().field("arguments", kToolArguments[round - 1]);
      json.end_object().end_object().end_array();
    } else if (!last) {
      const std::string token = said_.text.token(round - 1, choice);
      text_bytes = token.size();
      json.field("content", token);
    }
    json.end_object().key("logprobs").null().key("finish_reason");
    if (last) {
      json.value(said_.finish_reason());
    } else {
      json.null();
    }
    json.end_object().end_array();
    if (include_usage_) json.key("usage").null();
    if (obfuscated_) json.field("obfuscation", obfuscation(said_.digest, round, text_bytes));
    json.end_object();
    return sse(out);
  }

  void write_first_delta(JsonWriter& json) const {
    json.field("role", "assistant").key("content");
    if (said_.tools) {
      json.null();
      write_tool_call(json, said_, true, "");
    } else {
      json.value("");
    }
    json.key("refusal").null();
  }

  std::string usage_chunk() const {
    std::string out;
    JsonWriter json(out);
    write_head(json);
    json.key("choices").begin_array().end_array();
    write_usage(json, said_.usage);
    if (obfuscated_) json.field("obfuscation", obfuscation(said_.digest, tokens_ + 2, 0));
    json.end_object();
    return sse(out);
  }

  Said said_;
  std::shared_ptr<Bill> bill_;
  std::size_t tokens_;
  std::size_t next_ = 0;
  bool with_done_;
  bool include_usage_ = false;
  bool obfuscated_ = true;
};

}  // namespace

Answer chat(const Call& call) {
  if (!call.at("messages")) return missing_parameter("messages");
  if (call.at("messages")->items().empty()) {
    return error_answer({.status = 400,
                         .type = "invalid_request_error",
                         .message = "Invalid 'messages': empty array. Expected an array with "
                                    "minimum length 1, but got an empty array instead.",
                         .param = "messages",
                         .code = "empty_array"});
  }
  Answer answer;
  Said said(call);
  auto bill = std::make_shared<Bill>(Bill{.endpoint = "completions", .input = said.usage.prompt});
  answer.bill = bill;
  if (!call.flag("stream", false)) {
    bill->output = said.usage.completion;
    answer.body = whole_answer(said);
    return answer;
  }
  answer.content_type = "text/event-stream; charset=utf-8";
  answer.error_event =
      sse(error_json({.status = 500,
                      .type = "server_error",
                      .message = "The server had an error while processing your request."}));
  answer.script = [stream = ChatStream(std::move(said), call, std::move(bill))]() mutable {
    return stream.next();
  };
  return answer;
}

}  // namespace sallyport::sim
