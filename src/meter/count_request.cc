// SPDX-License-Identifier: Apache-2.0
#include "meter/count_request.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/json_reader.h"
#include "meter/count_text.h"

namespace sallyport::meter {
namespace {

using Names = std::span<const std::string_view>;

// The cookbook's figures for chat with gpt-3.5, gpt-4 and gpt-4o: a message begins and ends, a name
// is marked, the answer is begun. For other models, and for responses, no page of the provider says
// anything; the same figures are taken, and the count is not exact.
constexpr std::uint64_t kMessage = 3, kName = 1, kAnswer = 3;

// Sound, where neither its length nor its rate is known: 10 tokens a second (the provider's figure
// for speech), and no codec that it takes goes below 500 bytes a second.
constexpr std::uint64_t kAudioBytesAToken = 50;

// Parameters of a call: the model never sees them, whatever they are.
constexpr std::string_view kParameters[] = {
    "audio",
    "background",
    "best_of",
    "dimensions",
    "echo",
    "encoding_format",
    "frequency_penalty",
    "include",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_tool_calls",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "verbosity",
};
constexpr std::string_view kImageParameters[] = {
    "background",    "input_fidelity", "moderation", "output_compression",
    "output_format", "partial_images", "quality",    "response_format",
    "size",          "style"};
constexpr std::string_view kSpeechParameters[] = {"response_format", "speed", "stream_format",
                                                  "voice"};

bool has(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_scalar(std::string_view raw) {
  return !is_string(raw) && !is_array(raw) && !is_object(raw);
}

// A member of the request that no rule names. Switches and figures are not read to the model; text
// may be.
void add_unknown(RequestSum& sum, std::string_view value) {
  if (!is_scalar(value)) sum.add_all(value);
}

// Base64, as it stands in the body.
void add_sound(RequestSum& sum, std::string_view value) {
  sum.rule();
  sum.add(value.size() / kAudioBytesAToken + 1);
}

// Chat has the detail one level further in: {"image_url":{"url":...,"detail":...}}, and reads it
// nowhere else.
void add_picture(RequestSum& sum, std::string_view part, bool of_chat) {
  if (!of_chat) return add_image(sum, name_in(part, "detail"));
  std::string detail;
  JsonMembers members(part);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    if (decoded(member.key, scratch) != "image_url") continue;
    if (is_object(member.value)) detail = name_in(member.value, "detail");
  }
  add_image(sum, detail);
}

// Adds what `keys` name as text, and everything else that is not the type as unknown.
void add_texts(RequestSum& sum, std::string_view object, Names keys) {
  JsonMembers members(object);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (has(keys, key)) {
      sum.add_string(member.value);
    } else if (key != "type") {
      add_unknown(sum, member.value);
    }
  }
}

// One part of a message's content.
void add_part(RequestSum& sum, std::string_view part) {
  if (is_string(part)) return sum.add_string(part);
  if (!is_object(part)) return sum.add_all(part);
  const std::string type = name_in(part, "type");
  constexpr std::string_view kTexts[] = {"text", "refusal"};
  if (type == "text" || type == "input_text" || type == "output_text" || type == "refusal") {
    return add_texts(sum, part, kTexts);
  }
  if (type == "image_url") return add_picture(sum, part, true);
  if (type == "input_image" || type == "computer_screenshot") return add_picture(sum, part, false);
  if (type == "input_audio") return add_sound(sum, part);
  // A file may hold any number of pages, and a part of another type what it likes.
  sum.unseen();
  if (type != "file" && type != "input_file") sum.add_all(part);
}

void add_content(RequestSum& sum, std::string_view content) {
  if (is_null(content)) return;
  if (is_string(content)) return sum.add_string(content);
  if (!is_array(content)) return add_part(sum, content);
  JsonItems items(content);
  for (std::string_view part; items.next(part);) add_part(sum, part);
}

// By the documented rule every string of a message counts, whatever it is called, but for `marks`.
void add_message(RequestSum& sum, std::string_view message, Names marks = {}) {
  if (!is_object(message)) return sum.add_all(message);
  sum.add(kMessage);
  JsonMembers members(message);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (has(marks, key)) continue;
    if (key == "content" || key == "output") {
      add_content(sum, member.value);
    } else if (key == "audio" && is_object(member.value)) {
      sum.unseen();  // an earlier answer in sound, by its id
    } else if (is_string(member.value)) {
      sum.add_string(member.value);
      if (key == "name") sum.add(kName);
    } else {
      add_unknown(sum, member.value);
    }
  }
}

void add_messages(RequestSum& sum, std::string_view messages) {
  if (!is_array(messages)) return add_unknown(sum, messages);
  JsonItems items(messages);
  for (std::string_view message; items.next(message);) add_message(sum, message);
}

// A text, an array of texts, tokens, or arrays of tokens.
void add_prompts(RequestSum& sum, std::string_view prompts) {
  if (is_string(prompts)) return sum.add_string(prompts);
  if (!is_array(prompts)) return add_unknown(sum, prompts);
  JsonItems items(prompts);
  for (std::string_view item; items.next(item);) {
    if (is_string(item)) {
      sum.add_string(item);
    } else if (is_array(item)) {
      JsonItems tokens(item);
      for (std::string_view token; tokens.next(token);) {
        is_scalar(token) ? sum.add(1) : sum.add_all(token);
      }
    } else if (is_object(item)) {
      add_part(sum, item);
    } else {
      sum.add(1);
    }
  }
}

// An output format is nothing to the model unless it is a schema, which it reads in some form.
void add_format(RequestSum& sum, std::string_view format) {
  if (!is_object(format)) return add_unknown(sum, format);
  const std::string type = name_in(format, "type");
  if (type != "text" && type != "json_object") sum.add_all(format);
}

void add_text_options(RequestSum& sum, std::string_view text) {
  if (!is_object(text)) return add_unknown(sum, text);
  JsonMembers members(text);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (key == "format") {
      add_format(sum, member.value);
    } else if (key != "verbosity") {
      add_unknown(sum, member.value);
    }
  }
}

void add_choice(RequestSum& sum, std::string_view choice) {
  if (is_object(choice)) sum.add_all(choice);  // names a tool once more
}

void chat(RequestSum& sum, std::string_view key, std::string_view value) {
  if (key == "messages") return add_messages(sum, value);
  if (key == "tools" || key == "functions") return add_tools(sum, value);
  if (key == "response_format") return add_format(sum, value);
  if (key == "tool_choice" || key == "function_call") return add_choice(sum, value);
  if (key == "web_search_options" && !is_null(value)) sum.unseen();
  add_unknown(sum, value);
}

bool has_text(std::string_view value) {
  if (is_null(value)) return false;
  return is_array(value) ? JsonItems(value).next(value) : value != "\"\"";
}

// Does an item of the input only name what the provider has stored? All that is said of it here
// must then be taken from there. `body` is where an item of its type has its text.
bool stored_elsewhere(std::string_view item, std::string_view type) {
  if (!is_object(item)) return false;
  if (type == "item_reference") return true;
  constexpr std::pair<std::string_view, std::string_view> kBodies[] = {
      {"", "content"},
      {"message", "content"},
      {"function_call", "arguments"},
      {"custom_tool_call", "input"},
      {"reasoning", "encrypted_content"},
      {"compaction", "encrypted_content"},
      {"image_generation_call", "result"}};
  const auto* const known = std::ranges::find(kBodies, type, [](const auto& p) { return p.first; });
  const std::string_view body = known != std::end(kBodies)  ? known->second
                                : type.ends_with("_output") ? std::string_view("output")
                                                            : std::string_view();
  bool named = type.empty();  // without a type nothing says what it is but its content
  JsonMembers members(item);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (!body.empty() && key == body && has_text(member.value)) return false;
    named |= key == "id" && !is_null(member.value);
  }
  return named;
}

void add_items(RequestSum& sum, std::string_view input) {
  if (is_string(input)) {
    sum.add(kMessage);
    sum.add_text("user");
    return sum.add_string(input);
  }
  if (!is_array(input)) return add_unknown(sum, input);
  constexpr std::string_view kMarks[] = {"type", "id", "status"};  // of an item, not of its text
  JsonItems items(input);
  for (std::string_view item; items.next(item);) {
    const std::string type = name_in(item, "type");
    if (stored_elsewhere(item, type)) sum.unseen();
    if (type.empty() || type == "message") {
      add_message(sum, item, kMarks);
    } else if (type.ends_with("_output")) {  // of a tool that the caller ran; may hold pictures
      sum.rule();
      add_message(sum, item, kMarks);
    } else {
      sum.add(kMessage);
      sum.add_all(item);
    }
  }
}

void responses(RequestSum& sum, std::string_view key, std::string_view value) {
  if (is_null(value)) return;
  if (key == "input") return add_items(sum, value);
  if (key == "instructions") {
    sum.add(kMessage);
    sum.add_text("system");
    if (is_array(value)) return add_items(sum, value);
    return sum.add_string(value);
  }
  if (key == "tools") return add_tools(sum, value);
  if (key == "text") return add_text_options(sum, value);
  if (key == "tool_choice") return add_choice(sum, value);
  if (key == "previous_response_id" || key == "conversation" || key == "prompt") sum.unseen();
  add_unknown(sum, value);
}

void completions(RequestSum& sum, std::string_view key, std::string_view value) {
  if (key == "prompt") return add_prompts(sum, value);
  add_unknown(sum, value);
}

void embeddings(RequestSum& sum, std::string_view key, std::string_view value) {
  if (key == "input") return add_prompts(sum, value);
  add_unknown(sum, value);
}

// What the provider adds to the prompt of a picture is not documented.
void images(RequestSum& sum, std::string_view key, std::string_view value) {
  sum.rule();
  if (has(kImageParameters, key)) return;
  if (key == "images" && is_array(value)) {
    JsonItems items(value);
    for (std::string_view item; items.next(item);) add_image(sum, "high");
    return;
  }
  if (key == "mask" && is_object(value)) return add_image(sum, "high");
  if (is_string(value)) return sum.add_string(value);
  add_unknown(sum, value);
}

void speech(RequestSum& sum, std::string_view key, std::string_view value) {
  if (has(kSpeechParameters, key)) return;
  if (key == "input" || key == "instructions") return sum.add_string(value);
  add_unknown(sum, value);
}

bool framing_documented(std::string_view model) {
  const auto family = [&](std::string_view name) {
    if (!model.starts_with(name)) return false;
    return model.size() == name.size() || model[name.size()] == '-';
  };
  return family("gpt-3.5") || family("gpt-4") || family("gpt-4o");
}

struct Path {
  std::string_view path;
  void (*add)(RequestSum& sum, std::string_view key, std::string_view value);
  std::uint64_t around;  // tokens of the whole beside its members
};
constexpr Path kPaths[] = {
    {"/v1/chat/completions", chat, kAnswer},
    {"/v1/responses", responses, kAnswer},
    {"/v1/responses/input_tokens", responses, kAnswer},
    {"/v1/responses/compact", responses, kAnswer},
    {"/v1/completions", completions, 0},
    {"/v1/embeddings", embeddings, 0},
    {"/v1/moderations", embeddings, 0},
    {"/v1/images/generations", images, 0},
    {"/v1/images/edits", images, 0},
    {"/v1/audio/speech", speech, 0},
};

}  // namespace

InputCount count_input(std::string_view path, std::string_view json_body, std::string_view model) {
  RequestSum sum(Tokenizer::of(encoding_of(model)), model);
  if (!encoding_known(model)) sum.rule();
  const std::size_t begin = json_body.find_first_not_of(" \t\r\n");
  const auto* const known = std::ranges::find(kPaths, path, &Path::path);
  if (known == std::end(kPaths) || begin == std::string_view::npos || json_body[begin] != '{') {
    // What this call reads is not known, or not JSON: all that stands here, and perhaps more.
    sum.unseen();
    sum.add_all(json_body);
    return sum.result();
  }
  sum.add(known->around);
  const bool framed = known->around > 0;
  if (framed && (known->add == responses || !framing_documented(model))) sum.rule();
  JsonMembers members(json_body);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (!has(kParameters, key)) known->add(sum, key, member.value);
  }
  // Without a prompt the model begins behind the end of a text.
  if (known->add == completions && sum.result().tokens == 0) sum.add(1);
  return sum.result();
}

}  // namespace sallyport::meter
