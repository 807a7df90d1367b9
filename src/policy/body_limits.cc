// SPDX-License-Identifier: Apache-2.0
#include "policy/body_limits.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/json_reader.h"
#include "provider/endpoints.h"

namespace sallyport::policy {
namespace {

using provider::Endpoint;

Refusal denied(Exchange& x, const char* code, std::string message, const char* param = nullptr) {
  x.denied_because = code;
  return {.status = 403, .code = code, .message = std::move(message), .param = param};
}

// What all layers of a key leave together.
struct Limits {
  bool tools = false;  // restricted
  bool stream_only = false, stream_never = false;
  bool any() const { return tools || stream_only || stream_never; }
};

Limits limits_of(const Principal& caller) {
  Limits limits;
  every_layer(caller, [&](const Restrictions& layer) {
    limits.tools |= layer.tools.has_value();
    if (layer.stream) (*layer.stream ? limits.stream_only : limits.stream_never) = true;
    return true;
  });
  return limits;
}

// Raw values of the members of a checked JSON body, by name.
class Body {
 public:
  explicit Body(const Exchange& x) {
    if (x.body.kind != BodyKind::kJson) return;
    JsonMembers members(x.body.bytes);
    JsonMember member;
    while (members.next(member)) values_.emplace(json_unescape(member.key), member.value);
  }
  std::optional<std::string_view> raw(std::string_view name) const {
    const auto at = values_.find(name);
    if (at == values_.end() || at->second == "null") return std::nullopt;
    return at->second;
  }

 private:
  std::map<std::string, std::string_view, std::less<>> values_;
};

// --- Hosted tools

// Functions run at the caller's side; all else, also what nobody knows yet, at the provider's.
bool hosted(std::string_view type) { return type != "function" && type != "custom"; }

bool tool_allowed(const Principal& caller, std::string_view type) {
  return every_layer(caller, [&](const Restrictions& layer) {
    return !layer.tools || std::ranges::find(*layer.tools, type) != layer.tools->end();
  });
}

std::optional<Refusal> check_tools(Exchange& x, const Endpoint& endpoint, const Body& body) {
  const auto refuse = [&] {
    return denied(x, "tool_not_allowed", "This API key is not allowed to use this tool.", "tools");
  };
  const auto hidden = [&] {
    return denied(x, "tools_not_visible",
                  "Tools are restricted here, and this request does not name its tools where they "
                  "could be checked.");
  };
  if (endpoint.model == provider::ModelIn::kIndirect) return hidden();
  const auto tools = body.raw("tools");
  // A stored prompt or assistant brings its own.
  const auto prompt = body.raw("prompt");
  if (prompt && prompt->starts_with('{')) return hidden();
  const bool runs = endpoint.family == "assistants" && std::string_view(x.path).ends_with("/runs");
  if (runs && x.method == "POST" && !tools) return hidden();
  if (body.raw("web_search_options") && !tool_allowed(*x.principal, "web_search")) return refuse();
  if (!tools) return std::nullopt;
  const Result<JsonValue> list = JsonValue::parse(*tools);
  if (!list || !list->is_array()) return refuse();
  for (const JsonValue& tool : list->items()) {
    const auto member = tool.at("type");
    const auto type = member ? member->string() : std::nullopt;
    if (!type || (hosted(*type) && !tool_allowed(*x.principal, *type))) return refuse();
  }
  return std::nullopt;
}

// --- Streaming

bool asks_for_stream(const Exchange& x, const Body& body) {
  if (x.stream) return true;
  if (body.raw("stream_format") == "\"sse\"") return true;  // speech
  for (std::string_view rest = x.query; !rest.empty();) {   // stored responses
    const std::string_view pair = rest.substr(0, rest.find('&'));
    if (pair.starts_with("stream") && pair != "stream=false") return true;
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
  }
  return false;
}

std::optional<Refusal> check_stream(Exchange& x, const Endpoint& endpoint, const Body& body,
                                    const Limits& limits) {
  const bool streams = asks_for_stream(x, body);
  if (limits.stream_never && streams) {
    return denied(x, "stream_not_allowed", "This API key is not allowed to stream.", "stream");
  }
  if (limits.stream_only && endpoint.may_stream && x.method == "POST" && !streams) {
    return denied(x, "stream_required", "This API key may only ask for streams.", "stream");
  }
  return std::nullopt;
}

}  // namespace

Task<std::optional<Refusal>> BodyLimits::admit(Exchange& x) { co_return decide(x); }

std::optional<Refusal> BodyLimits::decide(Exchange& x) const {
  if (!x.principal) {  // main.cc put the stages in a wrong order: closed
    return denied(x, "no_principal", "This API key is not allowed to make this request.");
  }
  const Limits limits = limits_of(*x.principal);
  if (!limits.any()) return std::nullopt;
  const Endpoint& endpoint = provider::find_endpoint(x.method, x.path);
  const Body body(x);
  if (limits.tools) {
    if (auto refusal = check_tools(x, endpoint, body)) return refusal;
  }
  return check_stream(x, endpoint, body, limits);
}

}  // namespace sallyport::policy
