// SPDX-License-Identifier: Apache-2.0
#include "meter/metering.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json_reader.h"
#include "meter/usage.h"
#include "meter/usage_events.h"
#include "meter/usage_tail.h"

namespace sallyport::meter {
namespace {

// Streams of these tell their usage only when asked (stream_options.include_usage).
bool usage_on_request(std::string_view path) {
  return path == "/v1/chat/completions" || path == "/v1/completions";
}

// Calls that make something new. Reading a stored response again tells its usage again: counted
// there, it would be paid twice.
constexpr std::string_view kMetered[] = {
    "/v1/chat/completions",   "/v1/completions",       "/v1/responses",
    "/v1/responses/compact",  "/v1/embeddings",        "/v1/images/generations",
    "/v1/images/edits",       "/v1/images/variations", "/v1/audio/transcriptions",
    "/v1/audio/translations", "/v1/audio/speech",      "/v1/moderations",
};

bool is_metered(const Exchange& x) {
  return x.method == "POST" && std::ranges::find(kMetered, x.path) != std::end(kMetered);
}

// Where in the body the option goes, so that the provider tells usage; nothing if it is asked for
// already. A stream_options that is neither an object nor null is left for the provider to refuse.
std::optional<Splice> ask_for_usage(std::string_view body) {
  JsonMembers members(body);
  JsonMember member;
  bool any = false;
  while (members.next(member)) {
    any = true;
    if (json_unescape(member.key) != "stream_options") continue;
    if (member.value == "null") {
      return Splice{member.value_offset, member.value.size(), "{\"include_usage\":true}"};
    }
    if (!member.value.starts_with('{')) return std::nullopt;
    JsonMembers options(member.value);
    JsonMember option;
    bool some = false;
    while (options.next(option)) {
      some = true;
      if (json_unescape(option.key) != "include_usage") continue;
      if (option.value == "true") return std::nullopt;
      return Splice{member.value_offset + option.value_offset, option.value.size(), "true"};
    }
    return Splice{member.value_offset + options.end_offset(), 0,
                  some ? ",\"include_usage\":true" : "\"include_usage\":true"};
  }
  static constexpr std::string_view kOption = "\"stream_options\":{\"include_usage\":true}";
  return Splice{members.end_offset(), 0, (any ? "," : "") + std::string(kOption)};
}

// A speech answer is sound and tells nothing: what is billed are the request's characters.
std::optional<std::int64_t> speech_characters(const Exchange& x) {
  if (x.path != "/v1/audio/speech" || x.body.kind != BodyKind::kJson) return std::nullopt;
  JsonMembers members(x.body.bytes);
  JsonMember member;
  while (members.next(member)) {
    if (json_unescape(member.key) != "input") continue;
    const auto text = json_string(member.value);
    if (!text) return std::nullopt;
    std::int64_t characters = 0;
    for (const char c : *text) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return characters;
  }
  return std::nullopt;
}

// A plain JSON answer on its way down; its figures are picked out as it passes.
class MeteredBody final : public net::BodySource {
 public:
  MeteredBody(std::unique_ptr<net::BodySource> body, Exchange& x) : body_(std::move(body)), x_(x) {}

  Task<Result<std::string_view>> pull() override {
    Result<std::string_view> piece = co_await body_->pull();
    if (piece && !piece->empty()) {
      tail_.feed(*piece);
      look();
    }
    co_return piece;
  }
  bool finished() const override { return body_->finished(); }

 private:
  void look() {
    const std::string_view json = tail_.value("usage");
    if (json.empty()) return;
    if (json.size() != seen_) {
      seen_ = json.size();
      auto usage = read_usage(json);
      if (usage) x_.usage = std::move(usage);
    }
    if (!x_.usage) return;
    if (!tail_.value("model").empty()) x_.usage->model = json_string(tail_.value("model"));
    if (!tail_.value("service_tier").empty()) {
      x_.usage->service_tier = json_string(tail_.value("service_tier"));
    }
  }

  std::unique_ptr<net::BodySource> body_;
  Exchange& x_;  // outlives its answer's body
  UsageTail tail_;
  std::size_t seen_ = 0;
};

bool is_json(const Answer& answer) {
  for (const auto& [name, value] : answer.headers) {
    if (name == "content-type") return value.starts_with("application/json");
  }
  return false;
}

}  // namespace

Task<std::optional<Refusal>> Metering::admit(Exchange& x) {
  if (!is_metered(x)) co_return std::nullopt;
  if (x.body.kind == BodyKind::kJson && x.stream && usage_on_request(x.path)) {
    auto splice = ask_for_usage(x.body.bytes);
    x.usage_asked_by_client = !splice.has_value();
    if (splice) x.usage_injected = x.body.splice(std::move(*splice)).has_value();
  }
  if (const auto characters = speech_characters(x)) {
    x.usage.emplace();
    x.usage->characters = characters;
  }
  co_return std::nullopt;
}

void Metering::answer(Exchange& x) {
  if (!x.answer.body || !is_metered(x)) return;
  if (x.answer.event_stream) {
    x.answer.event_filters.push_back(usage_events(x));
  } else if (x.answer.status < 400 && is_json(x.answer)) {
    x.answer.body = std::make_unique<MeteredBody>(std::move(x.answer.body), x);
  }
}

void Metering::finish(Exchange& x) {
  if (x.answer.status >= 400 || x.answer.status == 0) {
    x.usage.reset();  // nothing was made; what speech would have cost was not spent
    return;
  }
  // Some providers tell in each chunk what they used so far. That is no word about the whole.
  const bool so_far = x.answer.event_stream && x.broken != nullptr && !x.answer_whole;
  if (so_far && x.usage && x.usage->input) x.usage.reset();
  if (!x.usage) return;
  // The answer's name may be finer than the table; the request's name is what was ordered.
  const bool by_answer = x.usage->model && prices_->find(*x.usage->model) != nullptr;
  const std::optional<std::string>& name = by_answer || !x.model ? x.usage->model : x.model;
  const auto cost = name ? prices_->cost(*name, *x.usage) : std::nullopt;
  if (!cost) return;
  x.cost_usd = cost->amount;
  x.price_estimated = cost->estimated;
}

}  // namespace sallyport::meter
