// SPDX-License-Identifier: Apache-2.0
#include "meter/call_bounds.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/json_reader.h"
#include "base/text.h"
#include "provider/endpoints.h"

namespace sallyport::meter {
namespace {

constexpr std::int64_t kImageTokensMax = 8'192;    // of a picture that is_bounded_picture() knows
constexpr std::int64_t kPartialImageTokens = 100;  // of each preview of it
constexpr std::int64_t kChoicesMax = 1'024;        // the provider allows 128
constexpr std::int64_t kOutputMax = 1ll << 40;
constexpr std::int64_t kCompletionsDefault = 16;  // what /v1/completions does without a maximum

constexpr std::string_view kCountPath = "/v1/responses/input_tokens";

// What the provider's count takes of a call of /v1/responses; what else stands there is not read to
// the model.
constexpr std::string_view kCounted[] = {
    "conversation", "input", "instructions", "model", "parallel_tool_calls", "previous_response_id",
    "reasoning",    "text",  "tool_choice",  "tools", "truncation"};

constexpr std::string_view kFreeFamilies[] = {
    "moderations", "files",        "uploads", "models",     "models-admin", "conversations",
    "chat-stored", "audio-voices", "skills",  "assistants", "provenance"};

bool any_of(auto& list, std::string_view one) {
  return std::find(std::begin(list), std::end(list), one) != std::end(list);
}

CallKind kind_of(const CallView& x, const provider::Endpoint& endpoint) {
  const bool reads = x.method == "GET" || x.method == "HEAD" || x.method == "DELETE";
  if (reads) return x.path == "/v1/realtime" ? CallKind::kUnbounded : CallKind::kFree;
  if (x.path == kCountPath || x.path.ends_with("/cancel")) return CallKind::kFree;
  if (any_of(kFreeFamilies, endpoint.family)) {
    return endpoint.metering == provider::Metering::kNone ? CallKind::kFree : CallKind::kUnbounded;
  }
  constexpr std::string_view kKnown[] = {"/v1/chat/completions",   "/v1/responses",
                                         "/v1/completions",        "/v1/embeddings",
                                         "/v1/images/generations", "/v1/audio/speech"};
  const bool bounded =
      x.method == "POST" && any_of(kKnown, x.path) && x.body.kind == BodyKind::kJson;
  return bounded ? CallKind::kBounded : CallKind::kUnbounded;
}

// Runs of an assistant have the field of chat.
bool starts_run(const CallView& x, const provider::Endpoint& endpoint) {
  return endpoint.family == "assistants" && x.method == "POST" && x.path.ends_with("/runs");
}

// Where a limit is in force and the request does not show what it is about, the answer is no.
OutputSeen output_seen(const CallView& x, const provider::Endpoint& endpoint, bool has_field) {
  using provider::Metering;
  if (!provider::known(endpoint)) {
    return x.body.kind == BodyKind::kNone ? OutputSeen::kNothing : OutputSeen::kHidden;
  }
  if (endpoint.model == provider::ModelIn::kIndirect || endpoint.family.starts_with("realtime")) {
    return OutputSeen::kHidden;
  }
  if (x.method != "POST" || x.path == kCountPath) return OutputSeen::kNothing;
  if (has_field) return x.body.kind == BodyKind::kJson ? OutputSeen::kField : OutputSeen::kHidden;
  const bool continues = endpoint.family == "assistants" && endpoint.may_stream;
  const bool writes = endpoint.metering == Metering::kChat ||
                      endpoint.metering == Metering::kResponses ||
                      endpoint.metering == Metering::kTranscript || continues;
  return writes ? OutputSeen::kModel : OutputSeen::kNothing;
}

// Tools that the provider runs itself read pages and files, turn by turn, as often as they like.
bool hosted_tools(std::string_view tools) {
  constexpr std::string_view kLocal[] = {"function", "custom", "local_shell", "apply_patch"};
  const auto list = JsonValue::parse(tools);
  if (!list || list->is_null()) return !list;
  for (const JsonValue& tool : list->items()) {
    const auto type = tool.at("type");
    const auto text = type ? type->string() : std::nullopt;
    if (!text || !any_of(kLocal, *text)) return true;
  }
  return false;
}

// Models whose largest picture is known (6,240 tokens), and what they are known to be asked for. Of
// a model, size or quality that came later nobody here knows what it takes.
constexpr std::string_view kPictureModels[] = {"gpt-image-1", "gpt-image-1-mini"};
constexpr std::string_view kPictureSizes[] = {"", "auto", "1024x1024", "1024x1536", "1536x1024"};
constexpr std::string_view kPictureQualities[] = {"", "auto", "low", "medium", "high"};

bool is_bounded_picture(std::string_view model, std::string_view size, std::string_view quality) {
  return any_of(kPictureModels, model) && any_of(kPictureSizes, size) &&
         any_of(kPictureQualities, quality);
}

std::int64_t count_prompts(std::string_view prompt) {
  if (!prompt.starts_with('[')) return 1;
  const auto list = JsonValue::parse(prompt);
  if (!list) return kChoicesMax;
  const auto items = list->items();
  const bool of_numbers = !items.empty() && items.front().integer().has_value();
  return of_numbers ? 1 : std::max<std::int64_t>(static_cast<std::int64_t>(items.size()), 1);
}

std::int64_t characters_of(std::string_view value) {
  const auto text = json_string(value);
  if (!text) return 0;
  return std::count_if(text->begin(), text->end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

// Reads the members of one body, each by what it means for the endpoint.
class Reading {
 public:
  Reading(const CallView& x, bool run, CallBounds& bounds) : bounds_(bounds), run_(run) {
    chat_ = x.path == "/v1/chat/completions";
    responses_ = x.path == "/v1/responses";
    completions_ = x.path == "/v1/completions";
    images_ = x.path == "/v1/images/generations";
    speech_ = x.path == "/v1/audio/speech";
    if (chat_ || run_) bounds_.field.name = "max_completion_tokens";
    if (responses_) bounds_.field.name = "max_output_tokens";
    if (completions_) bounds_.field.name = "max_tokens";
    if (completions_) bounds_.default_output = kCompletionsDefault;
    model_ = x.model;
  }

  void body(std::string_view bytes) {
    JsonMembers members(bytes);
    bounds_.field.offset = bytes.find('{') + 1;
    JsonMember found;
    while (members.next(found)) {
      // A tier is put behind the first member: before it may come a maximum, behind the last one
      // the wish for usage, and no two insertions share a place.
      const bool tiers = chat_ || responses_;
      if (tiers && bounds_.tier_field.name.empty()) {
        bounds_.tier_field = {"service_tier", found.value_offset + found.value.size(), 0};
      }
      if (found.key.contains('\\')) {
        const std::string key = json_unescape(found.key);
        member(key, found);
      } else {
        member(found.key, found);
      }
    }
    bounds_.choices = std::max<std::int64_t>(std::max(n_, best_of_), 1);
    if (__builtin_mul_overflow(bounds_.choices, prompts_, &bounds_.choices) ||
        bounds_.choices > kChoicesMax) {
      bounds_.wrong = "n";
      bounds_.choices = kChoicesMax;
    }
    if (images_) {
      if (!is_bounded_picture(model_, size_, quality_)) bounds_.kind = CallKind::kUnbounded;
      bounds_.fixed_output = n_ * (kImageTokensMax + partial_images_ * kPartialImageTokens);
    }
    if (speech_) bounds_.characters = characters_;
  }

  bool unseen() const { return unseen_; }  // it refers to text that is not in it
  bool predicted() const { return predicted_; }

 private:
  void member(std::string_view key, const JsonMember& found) {
    const std::string_view value = found.value;
    const bool null = value == "null";
    if (key == "service_tier") tier(found, null);
    if (key == "n") number(value, n_, "n");
    if (chat_) chat_member(key, found, null);
    if (responses_) responses_member(key, found, null);
    if (completions_) {
      if (key == "max_tokens") maximum(found, true, "max_tokens");
      if (key == "best_of") number(value, best_of_, "best_of");
      if (key == "prompt") prompts_ = count_prompts(value);
    }
    if (run_ && key == "max_completion_tokens") maximum(found, true, "max_completion_tokens");
    if (images_ && key == "partial_images") number(value, partial_images_, "partial_images", 0);
    if (images_ && !null && key == "size") size_ = json_string(value).value_or("?");
    if (images_ && !null && key == "quality") quality_ = json_string(value).value_or("?");
    if (speech_ && key == "input") characters_ = characters_of(value);
  }

  void chat_member(std::string_view key, const JsonMember& found, bool null) {
    if (key == "max_completion_tokens") maximum(found, true, "max_completion_tokens");
    if (key == "max_tokens") maximum(found, false, "max_tokens");
    if (null) return;
    if (key == "prediction") predicted_ = bounds_.output_hidden = true;
    if (key == "modalities") bounds_.output_hidden |= names_sound(found.value);
    if (key == "web_search_options") bounds_.kind = CallKind::kUnbounded;
    if (key == "tools" && hosted_tools(found.value)) bounds_.kind = CallKind::kUnbounded;
  }

  void responses_member(std::string_view key, const JsonMember& found, bool null) {
    if (key == "max_output_tokens") maximum(found, true, "max_output_tokens");
    if (null) return;
    if (key == "background" && found.value != "false") bounds_.kind = CallKind::kUnbounded;
    if (key == "tools" && hosted_tools(found.value)) bounds_.kind = CallKind::kUnbounded;
    // A stored prompt may bring hosted tools and a model of its own.
    if (key == "prompt") bounds_.kind = CallKind::kUnbounded;
    if (key == "previous_response_id" || key == "conversation" || key == "prompt") unseen_ = true;
    if (key == "conversation") bounds_.may_grow = true;
  }

  static bool names_sound(std::string_view modalities) {
    const auto list = JsonValue::parse(modalities);
    if (!list) return true;
    for (const JsonValue& one : list->items()) {
      if (one.string() != "text") return true;
    }
    return false;
  }

  void tier(const JsonMember& found, bool null) {
    if (!null) bounds_.service_tier = json_string(found.value).value_or("?");
    if (null && !bounds_.tier_field.name.empty()) {
      bounds_.tier_field = {"service_tier", found.value_offset, found.value.size()};
    }
  }

  void number(std::string_view value, std::int64_t& place, const char* name,
              std::uint64_t least = 1) {
    if (value == "null") return;
    const auto read = parse_uint(value);
    if (!read || *read < least || *read > static_cast<std::uint64_t>(kChoicesMax)) {
      bounds_.wrong = name;
      return;
    }
    place = static_cast<std::int64_t>(*read);
  }

  // Two spellings of one maximum may stand beside each other; the larger one counts.
  void maximum(const JsonMember& found, bool ours, const char* name) {
    if (found.value == "null") {
      if (ours) {
        bounds_.field.offset = found.value_offset;
        bounds_.field.replaced = found.value.size();
      }
      return;
    }
    const auto read = parse_uint(found.value);
    if (!read || *read > static_cast<std::uint64_t>(kOutputMax)) {
      bounds_.wrong = name;
      return;
    }
    const auto named = static_cast<std::int64_t>(*read);
    bounds_.named_output = std::max(bounds_.named_output.value_or(0), named);
  }

  CallBounds& bounds_;
  bool run_ = false;
  bool chat_ = false, responses_ = false, completions_ = false, images_ = false, speech_ = false;
  bool unseen_ = false, predicted_ = false;
  std::string model_, size_, quality_;
  std::int64_t n_ = 1, best_of_ = 1, prompts_ = 1, partial_images_ = 0, characters_ = 0;
};

// The provider adds words of its own around messages and tools; what we count may be a little less
// than what it bills.
std::int64_t with_margin(std::int64_t tokens) { return tokens + tokens / 16 + 32; }

}  // namespace

CallBounds bounds_of(const CallView& call, const TokenCounts& counts) {
  CallBounds bounds;
  const provider::Endpoint& endpoint = provider::find_endpoint(call.method, call.path);
  const bool run = starts_run(call, endpoint);
  bounds.kind = kind_of(call, endpoint);
  Reading reading(call, run, bounds);
  bounds.output_seen = output_seen(call, endpoint, !bounds.field.name.empty());
  const bool free = bounds.kind == CallKind::kFree && !run;
  if (free || call.body.kind != BodyKind::kJson) return bounds;
  const RequestBody& body = call.body;
  const std::string spliced = body.splices().empty() ? std::string() : body.sent_text();
  const std::string_view final_body = body.splices().empty() ? body.bytes : spliced;
  const TokenCount count = counts.input(call.path, final_body, call.model);
  bounds.estimated_input = count.tokens;
  reading.body(body.bytes);
  const bool all_seen = count.exact && !reading.unseen();
  bounds.input =
      all_seen ? with_margin(count.tokens) : std::max(count.tokens, counts.context_max(call.model));
  if (reading.predicted()) bounds.more_output = bounds.input;
  return bounds;
}

CallBounds bounds_of(const Exchange& x, const TokenCounts& counts) {
  const std::string_view model = x.model ? std::string_view(*x.model) : std::string_view();
  return bounds_of(CallView{x.method, x.path, model, x.body}, counts);
}

std::string count_question(const CallView& call, std::size_t bytes_max) {
  const bool asks = call.method == "POST" && call.path == "/v1/responses";
  if (!asks || call.body.kind != BodyKind::kJson || call.body.sent_size() > bytes_max) return {};
  const std::string sent = call.body.sent_text();
  std::string question = "{";
  JsonMembers members(sent);
  JsonMember member;
  while (members.next(member)) {
    const std::string key = json_unescape(member.key);
    if (key == "prompt" && member.value != "null") return {};
    if (!any_of(kCounted, key)) continue;
    if (question.size() > 1) question += ',';
    question.append("\"").append(key).append("\":").append(member.value);
  }
  question += '}';
  return question;
}

void take_provider_count(CallBounds& bounds, std::int64_t tokens) {
  bounds.estimated_input = tokens;
  const std::int64_t counted = with_margin(tokens);
  bounds.input = bounds.may_grow ? std::max(bounds.input, counted) : counted;
  if (bounds.more_output > 0) bounds.more_output = bounds.input;
}

bool may_reason(std::string_view model) {
  if (model.starts_with("ft:")) model.remove_prefix(3);
  constexpr std::string_view kPlain[] = {"gpt-4",      "gpt-3.5",     "chatgpt-4o",
                                         "gpt-5-chat", "davinci-002", "babbage-002"};
  return std::none_of(std::begin(kPlain), std::end(kPlain),
                      [&](std::string_view prefix) { return model.starts_with(prefix); });
}

}  // namespace sallyport::meter
