// SPDX-License-Identifier: Apache-2.0
// The provider turns functions into text of its own before the model sees them. Its cookbook ("How
// to count tokens with tiktoken") gives the rule below, for parameters that are an object of plain
// properties; it counts neither `required` nor what schemas may have besides.
#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/json_reader.h"
#include "meter/count_text.h"

namespace sallyport::meter {
namespace {

constexpr std::uint64_t kFunction = 7, kFunctionCl100k = 10;
constexpr std::uint64_t kProperties = 3, kProperty = 3;
constexpr std::uint64_t kEnumItem = 3, kEnumLess = 3;  // an enum begins with three less
constexpr std::uint64_t kAllTools = 12;

// Members of a function that the rule reads. Raw JSON; empty: absent.
struct Function {
  std::string name, description;
  std::string_view parameters;
  bool plain = true;  // has no member that the rule does not know
};

std::string without_full_stop(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Function read_function(std::string_view object) {
  Function function;
  JsonMembers members(object);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (key == "name" && is_string(member.value)) {
      function.name = json_string(member.value).value_or("");
    } else if (key == "description" && is_string(member.value)) {
      function.description = json_string(member.value).value_or("");
    } else if (key == "parameters" && is_object(member.value)) {
      function.parameters = member.value;
    } else if (key != "type" && key != "strict" && !is_null(member.value)) {
      function.plain = false;
    }
  }
  return function;
}

// Tokens of one property, nothing if it is more than a type, a description and names to choose of.
std::optional<std::uint64_t> property_tokens(const Tokenizer& tokenizer, std::string_view name,
                                             std::string_view schema) {
  if (!is_object(schema)) return std::nullopt;
  std::uint64_t tokens = kProperty, enum_tokens = 0;
  std::string type, description;
  JsonMembers members(schema);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (key == "type" && is_string(member.value)) {
      type = json_string(member.value).value_or("");
    } else if (key == "description" && is_string(member.value)) {
      description = json_string(member.value).value_or("");
    } else if (key == "enum" && is_array(member.value)) {
      JsonItems items(member.value);
      for (std::string_view item; items.next(item);) {
        const std::optional<std::string> text = json_string(item);
        if (!text) return std::nullopt;
        enum_tokens += kEnumItem + tokenizer.count(*text);
      }
      enum_tokens -= std::min(enum_tokens, kEnumLess);
    } else {
      return std::nullopt;
    }
  }
  tokens += enum_tokens;
  return tokens + tokenizer.count(std::string(name) + ':' + type + ':' +
                                  without_full_stop(std::move(description)));
}

std::optional<std::uint64_t> parameters_tokens(const Tokenizer& tokenizer,
                                               std::string_view schema) {
  if (schema.empty()) return 0;
  std::uint64_t tokens = 0;
  JsonMembers members(schema);
  std::string scratch, name_scratch;
  for (JsonMember member; members.next(member);) {
    const std::string_view key = decoded(member.key, scratch);
    if (key == "type" || key == "required" || key == "additionalProperties") {
      if (is_object(member.value)) return std::nullopt;
      continue;
    }
    if (key != "properties" || !is_object(member.value)) return std::nullopt;
    JsonMembers properties(member.value);
    bool any = false;
    for (JsonMember property; properties.next(property); any = true) {
      const auto one =
          property_tokens(tokenizer, decoded(property.key, name_scratch), property.value);
      if (!one) return std::nullopt;
      tokens += *one;
    }
    if (any) tokens += kProperties;
  }
  return tokens;
}

void add_function(RequestSum& sum, std::string_view object) {
  const Tokenizer& tokenizer = sum.tokenizer();
  const bool old = tokenizer.encoding() == Encoding::kCl100k;
  sum.add(old ? kFunctionCl100k : kFunction);
  const Function function = read_function(object);
  const auto parameters = parameters_tokens(tokenizer, function.parameters);
  if (!function.plain || !parameters) return sum.add_all(object);
  sum.add_text(function.name + ':' + without_full_stop(function.description));
  sum.add(*parameters);
}

// Tools that the provider carries out: they read and write what is not in this body.
bool hosted(std::string_view type) { return type != "function" && type != "custom"; }

void add_tool(RequestSum& sum, std::string_view tool) {
  if (!is_object(tool)) return sum.add_all(tool);
  const std::string type = name_in(tool, "type");
  JsonMembers members(tool);
  std::string scratch;
  for (JsonMember member; type == "function" && members.next(member);) {
    // As chat has them; in responses the tool itself is the function.
    if (decoded(member.key, scratch) == "function" && is_object(member.value)) {
      return add_function(sum, member.value);
    }
  }
  if (type == "function" || type.empty()) return add_function(sum, tool);
  if (hosted(type)) sum.unseen();
  sum.add_all(tool);
}

}  // namespace

void add_tools(RequestSum& sum, std::string_view tools) {
  if (is_null(tools)) return;
  sum.rule();
  if (!is_array(tools)) return sum.add_all(tools);
  JsonItems items(tools);
  bool any = false;
  for (std::string_view tool; items.next(tool); any = true) add_tool(sum, tool);
  if (any) sum.add(kAllTools);
}

}  // namespace sallyport::meter
