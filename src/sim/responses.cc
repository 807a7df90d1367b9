// SPDX-License-Identifier: Apache-2.0
// The responses API. A stream repeats its text: the deltas come again whole in the three .done
// events and in response.completed, and every event has the next sequence_number.
#include <algorithm>
#include <memory>

#include "sim/families.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

struct Reply {
  explicit Reply(const Call& call)
      : text(call, call.integer("max_output_tokens")),
        id(call.id("resp_")),
        item_id(call.id(call.behaviour.tool_calls ? "fc_" : "msg_")),
        call_id(call.id("call_")),
        model(call.model),
        digest(call.digest),
        created(call.created),
        tools(call.behaviour.tool_calls),
        store(call.flag("store", true)),
        usage_counted(!call.behaviour.no_usage) {
    const auto input = call.at("input");
    const auto instructions = call.at("instructions");
    input_tokens = (input ? tokens_of(*input) : 0) + (instructions ? tokens_of(*instructions) : 0);
    input_tokens += 3;
  }

  std::int64_t output_tokens() const {
    return tools ? 14 : static_cast<std::int64_t>(text.count());
  }
  // Cut by max_output_tokens: the answer is incomplete, though its HTTP status is 200.
  bool incomplete() const { return !tools && text.cut(); }
  std::string_view final_status() const { return incomplete() ? "incomplete" : "completed"; }

  void write_part(JsonWriter& json, std::string_view said) const {
    json.begin_object().field("type", "output_text");
    json.key("annotations").begin_array().end_array();
    json.key("logprobs").begin_array().end_array().field("text", said).end_object();
  }

  void write_item(JsonWriter& json, std::string_view status, const std::string* said) const {
    json.begin_object().field("id", item_id).field("type", tools ? "function_call" : "message");
    json.field("status", status);
    if (tools) {
      json.field("call_id", call_id).field("name", "get_weather");
      json.field("arguments", said == nullptr ? "" : std::string_view(*said)).end_object();
      return;
    }
    json.key("content").begin_array();
    if (said != nullptr) write_part(json, *said);
    json.end_array().field("role", "assistant").end_object();
  }

  // The response object; `said` is null while it is in progress.
  void write(JsonWriter& json, const std::string* said) const {
    json.begin_object().field("id", id).field("object", "response").field("created_at", created);
    json.field("status", said == nullptr ? std::string_view("in_progress") : final_status());
    json.field("background", false).key("error").null().key("incomplete_details");
    if (said != nullptr && incomplete()) {
      json.begin_object().field("reason", "max_output_tokens").end_object();
    } else {
      json.null();
    }
    json.key("instructions").null().key("max_output_tokens").null().field("model", model);
    json.key("output").begin_array();
    if (said != nullptr) write_item(json, final_status(), said);
    json.end_array().field("parallel_tool_calls", true).key("previous_response_id").null();
    json.field("service_tier", "default").field("store", store).field("temperature", 1);
    json.field("tool_choice", "auto").key("tools").begin_array().end_array();
    json.field("top_p", 1).field("truncation", "disabled").key("usage");
    if (said == nullptr || !usage_counted) {
      json.null();
    } else {
      json.begin_object().field("input_tokens", input_tokens);
      json.key("input_tokens_details").begin_object().field("cached_tokens", 0).end_object();
      json.field("output_tokens", output_tokens());
      json.key("output_tokens_details").begin_object().field("reasoning_tokens", 0).end_object();
      json.field("total_tokens", input_tokens + output_tokens()).end_object();
    }
    json.key("user").null().key("metadata").begin_object().end_object().end_object();
  }

  std::string said() const { return tools ? "{\"city\":\"Zürich\"}" : text.whole(); }

  Text text;
  std::string id, item_id, call_id, model, digest;
  std::int64_t created;
  std::int64_t input_tokens = 0;
  bool tools;
  bool store;
  bool usage_counted;
};

class ResponseStream {
 public:
  ResponseStream(Reply reply, bool obfuscated, std::shared_ptr<Bill> bill)
      : reply_(std::move(reply)), obfuscated_(obfuscated), bill_(std::move(bill)) {}

  std::string next() {
    const std::size_t deltas = reply_.tools ? 1 : reply_.text.count();
    const std::size_t before = reply_.tools ? 3 : 4;
    const std::size_t at = sequence_;
    if (at == 0) return whole("response.created", nullptr);
    if (at == 1) return whole("response.in_progress", nullptr);
    if (at == 2) return item("response.output_item.added", "in_progress", nullptr);
    if (at == 3 && !reply_.tools) return part("response.content_part.added", "");
    if (at < before + deltas) {
      bill_->output =
          reply_.tools ? reply_.output_tokens() : static_cast<std::int64_t>(at - before + 1);
      return delta(at - before);
    }
    if (at == before + deltas) return text_done();
    std::size_t left = at - before - deltas;
    if (reply_.tools) ++left;  // no content part
    const std::string said = reply_.said();
    if (left == 1) return part("response.content_part.done", said);
    if (left == 2) return item("response.output_item.done", reply_.final_status(), &said);
    if (left == 3) {
      return whole(reply_.incomplete() ? "response.incomplete" : "response.completed", &said);
    }
    return "";
  }

 private:
  // Opens an event's object; what `close` adds ends it.
  JsonWriter& open(JsonWriter& json, std::string_view type) {
    json.begin_object().field("type", type);
    return json.field("sequence_number", static_cast<std::uint64_t>(sequence_++));
  }

  std::string whole(std::string_view type, const std::string* said) {
    std::string out;
    JsonWriter json(out);
    open(json, type).key("response");
    reply_.write(json, said);
    json.end_object();
    return sse(out, type);
  }

  std::string item(std::string_view type, std::string_view status, const std::string* said) {
    std::string out;
    JsonWriter json(out);
    open(json, type).field("output_index", 0).key("item");
    reply_.write_item(json, status, said);
    json.end_object();
    return sse(out, type);
  }

  std::string part(std::string_view type, std::string_view said) {
    std::string out;
    JsonWriter json(out);
    open(json, type).field("item_id", reply_.item_id).field("output_index", 0);
    json.field("content_index", 0).key("part");
    reply_.write_part(json, said);
    json.end_object();
    return sse(out, type);
  }

  std::string delta(std::size_t place) {
    const std::string_view type =
        reply_.tools ? "response.function_call_arguments.delta" : "response.output_text.delta";
    const std::string token = reply_.tools ? reply_.said() : reply_.text.token(place);
    std::string out;
    JsonWriter json(out);
    open(json, type).field("item_id", reply_.item_id).field("output_index", 0);
    if (!reply_.tools) json.field("content_index", 0);
    json.field("delta", token);
    if (!reply_.tools) json.key("logprobs").begin_array().end_array();
    if (obfuscated_) json.field("obfuscation", obfuscation(reply_.digest, place, token.size()));
    json.end_object();
    return sse(out, type);
  }

  std::string text_done() {
    const std::string_view type =
        reply_.tools ? "response.function_call_arguments.done" : "response.output_text.done";
    std::string out;
    JsonWriter json(out);
    open(json, type).field("item_id", reply_.item_id).field("output_index", 0);
    if (!reply_.tools) json.field("content_index", 0);
    json.field(reply_.tools ? "arguments" : "text", reply_.said());
    if (!reply_.tools) json.key("logprobs").begin_array().end_array();
    json.end_object();
    return sse(out, type);
  }

  Reply reply_;
  bool obfuscated_;
  std::shared_ptr<Bill> bill_;
  std::size_t sequence_ = 0;
};

}  // namespace

Answer responses(const Call& call) {
  Answer answer;
  Reply reply(call);
  auto bill = std::make_shared<Bill>(Bill{.endpoint = "completions", .input = reply.input_tokens});
  answer.bill = bill;
  if (!call.flag("stream", false)) {
    bill->output = reply.output_tokens();
    JsonWriter json(answer.body);
    const std::string said = reply.said();
    reply.write(json, &said);
    return answer;
  }
  const auto options = call.at("stream_options");
  const auto padding = options ? options->at("include_obfuscation") : std::nullopt;
  const bool obfuscated = !padding || padding->boolean().value_or(true);
  answer.content_type = "text/event-stream; charset=utf-8";
  answer.error_event = sse(
      R"({"type":"error","sequence_number":5,"code":"server_error","message":"The server had an error.","param":null})",
      "error");
  answer.script = [stream = ResponseStream(std::move(reply), obfuscated,
                                           std::move(bill))]() mutable { return stream.next(); };
  return answer;
}

Answer input_tokens(const Call& call) {
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "response.input_tokens");
  json.field("input_tokens", Reply(call).input_tokens).end_object();
  return answer;
}

}  // namespace sallyport::sim
