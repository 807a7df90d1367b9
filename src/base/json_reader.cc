// SPDX-License-Identifier: Apache-2.0
#include "base/json_reader.h"

#include <simdjson.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace sallyport {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t kKeptParserBytes = 1 << 20;
constexpr std::size_t kFewKeys = 16;

// The four hexadecimal digits of a "\\uXXXX" at `at`; nothing if there is no such escape.
std::optional<unsigned> escape_at(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned code = 0;
  const char* const end = text.data() + at + 6;
  const auto read = std::from_chars(text.data() + at + 2, end, code, 16);
  if (read.ptr != end || read.ec != std::errc()) return std::nullopt;
  return code;
}

// Tells half a surrogate pair from other bad strings; `text` need not be JSON.
bool escapes_half_a_pair(std::string_view text) {
  std::size_t at = 0;
  while ((at = text.find('\\', at)) != std::string_view::npos) {
    const auto code = escape_at(text, at);
    at += code ? 6 : 2;
    if (!code || *code < 0xd800 || *code >= 0xe000) continue;
    const auto low = escape_at(text, at);
    if (*code >= 0xdc00 || !low || *low < 0xdc00 || *low >= 0xe000) return true;
    at += 6;
  }
  return false;
}

const char* reason(simdjson::error_code error, std::string_view text) {
  switch (error) {
    case simdjson::EMPTY:
      return "empty_body";
    case simdjson::DEPTH_ERROR:
      return "too_deep";
    case simdjson::UTF8_ERROR:
      return "not_utf8";
    case simdjson::STRING_ERROR:
      return escapes_half_a_pair(text) ? "lone_surrogate" : "not_json";
    default:
      return "not_json";
  }
}

// A \u escape of half a surrogate pair comes out of the parser as three bytes that are no UTF-8.
bool has_lone_surrogate(std::string_view text) {
  while (!text.empty()) {
    const void* const found = std::memchr(text.data(), 0xed, text.size());
    if (found == nullptr) return false;
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xa0) return true;
    text.remove_prefix(at + 1);
  }
  return false;
}

bool has_twins(std::vector<std::string_view>& keys) {
  if (keys.size() <= kFewKeys) {
    for (std::size_t i = 1; i < keys.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (keys[i] == keys[k]) return true;
      }
    }
    return false;
  }
  // Sorting, not hashing: nobody can choose keys that make it slow.
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

bool has_twins_without_case(const std::vector<std::string_view>& keys) {
  std::vector<std::string> lower;
  lower.reserve(keys.size());
  for (const std::string_view key : keys) lower.push_back(lower_ascii(key));
  std::vector<std::string_view> views(lower.begin(), lower.end());
  return has_twins(views);
}

// Nothing if all is well. The parser has bounded the depth, so recursion is bounded too.
const char* walk(const element& value, const JsonLimits& limits, std::size_t depth, bool top) {
  if (value.type() == element_type::STRING) {
    return has_lone_surrogate(value.get_string().value_unsafe()) ? "lone_surrogate" : nullptr;
  }
  const bool nests = value.type() == element_type::ARRAY || value.type() == element_type::OBJECT;
  if (!nests) return nullptr;
  if (depth > limits.depth_max) return "too_deep";
  if (value.type() == element_type::ARRAY) {
    for (const element item : value.get_array().value_unsafe()) {
      if (const char* const wrong = walk(item, limits, depth + 1, false)) return wrong;
    }
    return nullptr;
  }
  std::vector<std::string_view> keys;
  for (const auto member : value.get_object().value_unsafe()) {
    if (has_lone_surrogate(member.key)) return "lone_surrogate";
    keys.push_back(member.key);
    if (keys.size() > limits.keys_max) return "too_wide";
    if (const char* const wrong = walk(member.value, limits, depth + 1, false)) return wrong;
  }
  if (top && has_twins_without_case(keys)) return "duplicate_key";
  return has_twins(keys) ? "duplicate_key" : nullptr;
}

// Parses and walks. Large texts use a parser of their own, so that a thread keeps at most a small
// one.
class Parsed {
 public:
  Result<element> parse(std::string_view text, const JsonLimits& limits, bool object_only) {
    if (text.empty()) return fail(Code::kInvalid, "empty_body");
    thread_local simdjson::dom::parser kept;
    simdjson::dom::parser& parser = text.size() <= kKeptParserBytes ? kept : own_;
    // The parser does not count an innermost empty array; walk() counts exactly.
    const std::size_t depth_max = limits.depth_max + 2;
    if (parser.capacity() < text.size() || parser.max_depth() != depth_max) {
      const std::size_t capacity =
          &parser == &own_ ? text.size() : std::max(text.size(), parser.capacity());
      if (parser.allocate(capacity, depth_max) != simdjson::SUCCESS) {
        return fail(Code::kInvalid, "not_json");
      }
    }
    const auto parsed = parser.parse(text.data(), text.size());
    if (parsed.error() != simdjson::SUCCESS) {
      return fail(Code::kInvalid, reason(parsed.error(), text));
    }
    const element root = parsed.value_unsafe();
    if (object_only && root.type() != element_type::OBJECT)
      return fail(Code::kInvalid, "not_object");
    if (const char* const wrong = walk(root, limits, 1, object_only))
      return fail(Code::kInvalid, wrong);
    return root;
  }

 private:
  simdjson::dom::parser own_;
};

}  // namespace

Result<void> check_json(std::string_view text, const JsonLimits& limits) {
  Parsed parsed;
  const Result<element> root = parsed.parse(text, limits, true);
  if (!root) return std::unexpected(root.error());
  return {};
}

// --- JsonValue: a small tree of our own, so that it outlives the parser.

struct JsonValue::Node {
  element_type type = element_type::NULL_VALUE;
  std::string text;
  std::int64_t integer = 0;
  double number = 0;
  bool fits_integer = false;
  bool boolean = false;
  std::vector<std::string> keys;
  std::vector<Node> children;

  Node(Node&&) noexcept = default;
  // What is read this way is small, and may be a credential (an admin token, an identity).
  ~Node() { explicit_bzero(text.data(), text.size()); }

  explicit Node(const element& from) : type(from.type()) {
    switch (type) {
      case element_type::STRING:
        text = from.get_string().value_unsafe();
        break;
      case element_type::BOOL:
        boolean = from.get_bool().value_unsafe();
        break;
      case element_type::DOUBLE:
        number = from.get_double().value_unsafe();
        break;
      case element_type::INT64:
        integer = from.get_int64().value_unsafe();
        number = static_cast<double>(integer);
        fits_integer = true;
        break;
      case element_type::UINT64:
        number = static_cast<double>(from.get_uint64().value_unsafe());
        break;
      case element_type::ARRAY:
        for (const element item : from.get_array().value_unsafe()) children.emplace_back(item);
        break;
      case element_type::OBJECT:
        for (const auto member : from.get_object().value_unsafe()) {
          keys.emplace_back(member.key);
          children.emplace_back(member.value);
        }
        break;
      case element_type::NULL_VALUE:
        break;
    }
  }
};

Result<JsonValue> JsonValue::parse(std::string_view text) {
  Parsed parsed;
  const Result<element> root = parsed.parse(text, {}, false);
  if (!root) return std::unexpected(root.error());
  JsonValue value;
  value.document_ = std::make_shared<const Node>(*root);
  value.node_ = value.document_.get();
  return value;
}

bool JsonValue::is_null() const { return node_->type == element_type::NULL_VALUE; }
bool JsonValue::is_object() const { return node_->type == element_type::OBJECT; }
bool JsonValue::is_array() const { return node_->type == element_type::ARRAY; }

std::optional<std::string_view> JsonValue::string() const {
  if (node_->type != element_type::STRING) return std::nullopt;
  return std::string_view(node_->text);
}

std::optional<std::int64_t> JsonValue::integer() const {
  if (!node_->fits_integer) return std::nullopt;
  return node_->integer;
}

std::optional<double> JsonValue::number() const {
  const bool any = node_->type == element_type::INT64 || node_->type == element_type::UINT64 ||
                   node_->type == element_type::DOUBLE;
  if (!any) return std::nullopt;
  return node_->number;
}

std::optional<bool> JsonValue::boolean() const {
  if (node_->type != element_type::BOOL) return std::nullopt;
  return node_->boolean;
}

std::optional<JsonValue> JsonValue::at(std::string_view key) const {
  for (std::size_t i = 0; i < node_->keys.size(); ++i) {
    if (node_->keys[i] != key) continue;
    JsonValue member = *this;
    member.node_ = &node_->children[i];
    return member;
  }
  return std::nullopt;
}

std::vector<JsonValue> JsonValue::items() const {
  std::vector<JsonValue> all;
  if (!is_array()) return all;
  for (const Node& child : node_->children) {
    JsonValue item = *this;
    item.node_ = &child;
    all.push_back(std::move(item));
  }
  return all;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string_view, JsonValue>> all;
  for (std::size_t i = 0; i < node_->keys.size(); ++i) {
    JsonValue member = *this;
    member.node_ = &node_->children[i];
    all.emplace_back(node_->keys[i], std::move(member));
  }
  return all;
}

}  // namespace sallyport
