// SPDX-License-Identifier: Apache-2.0
#include "notify/gen_ai_names.h"

#include <array>
#include <type_traits>

#include "notify/severity.h"

namespace sallyport::notify {
namespace {

struct Operation {
  std::string_view path;  // the call itself or what lies below it
  std::string_view name;
  std::string_view api_type = {};
};
constexpr Operation kOperations[] = {
    {"/v1/chat/completions", "chat", "chat_completions"},
    {"/v1/responses", "chat", "responses"},
    {"/v1/completions", "text_completion"},
    {"/v1/embeddings", "embeddings"},
    {"/v1/images", "generate_content"},
    {"/v1/audio", "generate_content"},
};

const Operation* operation_of(std::string_view endpoint) {
  const auto [method, path] = split_endpoint(endpoint);
  if (method != "POST") return nullptr;
  for (const Operation& one : kOperations) {
    if (!path.starts_with(one.path)) continue;
    if (path.size() == one.path.size() || path[one.path.size()] == '/') return &one;
  }
  return nullptr;
}

void put(AttributeWriter& out, std::string_view name, std::string_view value) {
  if (!value.empty()) out.text(name, value);
}
void put(AttributeWriter& out, std::string_view name, std::int64_t value) {
  out.integer(name, value);
}
void put(AttributeWriter& out, std::string_view name, bool value) { out.boolean(name, value); }
void put(AttributeWriter& out, std::string_view name, NanoUsd value) {
  out.number(name, value.usd());
}

// A member as it is, when it is known.
template <auto kMember>
void member(std::string_view name, const Event& event, AttributeWriter& out) {
  const auto& value = event.*kMember;
  if constexpr (requires { value.has_value(); }) {
    if (value) put(out, name, *value);
  } else {
    put(out, name, value);
  }
}

// The same in seconds.
template <auto kMember>
void seconds(std::string_view name, const Event& event, AttributeWriter& out) {
  const std::optional<std::int64_t>& value = event.*kMember;
  if (value) out.number(name, static_cast<double>(*value) / 1000);
}

void operation(std::string_view name, const Event& event, AttributeWriter& out) {
  put(out, name, gen_ai_operation(event.endpoint));
}
void provider(std::string_view name, const Event&, AttributeWriter& out) {
  put(out, name, kGenAiProvider);
}
void api_type(std::string_view name, const Event& event, AttributeWriter& out) {
  put(out, name, openai_api_type(event.endpoint));
}
void failure(std::string_view name, const Event& event, AttributeWriter& out) {
  if (event.error) return put(out, name, *event.error);
  if (event.status.value_or(0) >= 400) put(out, name, std::to_string(*event.status));
}
void method(std::string_view name, const Event& event, AttributeWriter& out) {
  put(out, name, split_endpoint(event.endpoint).first);
}
void path(std::string_view name, const Event& event, AttributeWriter& out) {
  put(out, name, split_endpoint(event.endpoint).second);
}
void status(std::string_view name, const Event& event, AttributeWriter& out) {
  if (event.status) out.integer(name, *event.status);
}
void kind(std::string_view name, const Event& event, AttributeWriter& out) {
  put(out, name, sallyport::name(event.kind));
}
void verdict(std::string_view name, const Event& event, AttributeWriter& out) {
  if (event.injection) put(out, name, event.injection->verdict);
}
void score(std::string_view name, const Event& event, AttributeWriter& out) {
  if (event.injection) out.number(name, event.injection->score);
}
void pii(std::string_view name, const Event& event, AttributeWriter& out) {
  std::int64_t sum = 0;
  for (const auto& [type, count] : event.pii) sum += count;
  if (sum > 0) out.integer(name, sum);
}

// THE names of calls. No attribute for prompts, answers, instructions or tools: a record has none.
constexpr auto kCall = std::to_array<Attribute>({
    {"gen_ai.operation.name", operation},
    {"gen_ai.provider.name", provider},
    {"gen_ai.request.model", member<&Event::model>},
    {"gen_ai.request.stream", member<&Event::stream>},
    {"gen_ai.usage.input_tokens", member<&Event::tokens_input>},
    {"gen_ai.usage.output_tokens", member<&Event::tokens_output>},
    {"gen_ai.usage.cache_read.input_tokens", member<&Event::tokens_cached>},
    {"gen_ai.response.time_to_first_chunk", seconds<&Event::ttft_ms>},
    {"openai.api.type", api_type},
});

constexpr auto kRecord = std::to_array<Attribute>({
    {"error.type", failure},
    {"http.request.method", method},
    {"url.path", path},
    {"http.response.status_code", status},
    {"client.address", member<&Event::ip>},
    {"geo.country.iso_code", member<&Event::geo>},
    {"sallyport.kind", kind},
    {"sallyport.request_id", member<&Event::request_id>},
    {"sallyport.api_key_id", member<&Event::api_key_id>},
    {"sallyport.kid", member<&Event::kid>},
    {"sallyport.claimed_kid", member<&Event::claimed_kid>},
    {"sallyport.layer", member<&Event::layer>},
    {"sallyport.module", member<&Event::module>},
    {"sallyport.purpose", member<&Event::purpose>},
    {"sallyport.action", member<&Event::action>},
    {"sallyport.actor", member<&Event::actor>},
    {"sallyport.provider_key_id", member<&Event::provider_key_id>},
    {"sallyport.upstream", member<&Event::upstream>},
    {"sallyport.network.asn", member<&Event::asn>},
    {"sallyport.network.name", member<&Event::network>},
    {"sallyport.latency_ms", member<&Event::latency_ms>},
    {"sallyport.cost_usd", member<&Event::cost_usd>},
    {"sallyport.repeated", member<&Event::repeated>},
    {"sallyport.guardrail.injection.verdict", verdict},
    {"sallyport.guardrail.injection.score", score},
    {"sallyport.guardrail.pii.count", pii},
});

}  // namespace

std::string_view gen_ai_operation(std::string_view endpoint) {
  const Operation* found = operation_of(endpoint);
  return found == nullptr ? std::string_view() : found->name;
}

std::string_view openai_api_type(std::string_view endpoint) {
  const Operation* found = operation_of(endpoint);
  return found == nullptr ? std::string_view() : found->api_type;
}

std::span<const Attribute> call_attributes() { return kCall; }
std::span<const Attribute> record_attributes() { return kRecord; }

}  // namespace sallyport::notify
