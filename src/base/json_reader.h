// SPDX-License-Identifier: Apache-2.0
// Reading JSON that others wrote. `check_json` is the strict gate for request bodies; `JsonValue`
// reads small documents (log lines, admin bodies, tables); `JsonMembers` walks the top-level
// members of an object that was already checked and tells where each lies in the raw bytes, so that
// it can be spliced. simdjson stays inside json_reader.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sallyport {

struct JsonLimits {
  std::size_t depth_max = 64;
  std::size_t keys_max = 10'000;  // in one object
};

// Nothing when `text` is exactly one RFC 8259 object in UTF-8 without a byte order mark, without
// lone surrogates, within the limits, and no object in it has the same key twice (after escapes);
// at the top level two keys that differ only in ASCII case count as the same. Otherwise kInvalid
// with a reason that quotes nothing from the text: "not_json", "not_object", "duplicate_key",
// "too_deep", "too_wide", "not_utf8", "lone_surrogate", "empty_body". Linear
// time; a parser per thread is reused for texts up to 1 MiB, larger ones use their own and give it
// back.
Result<void> check_json(std::string_view text, const JsonLimits& limits = {});

// A parsed small document, read only. Copies share it.
class JsonValue {
 public:
  static Result<JsonValue> parse(
      std::string_view text);  // any JSON value; same strictness, any top

  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  std::optional<std::string_view> string() const;
  std::optional<std::int64_t> integer() const;  // a number without fraction that fits
  std::optional<double> number() const;
  std::optional<bool> boolean() const;
  std::optional<JsonValue> at(std::string_view key) const;  // member of an object
  std::vector<JsonValue> items() const;                     // of an array; else empty
  std::vector<std::pair<std::string_view, JsonValue>> members() const;

 private:
  struct Node;
  std::shared_ptr<const Node> document_;
  const Node* node_ = nullptr;
};

struct JsonMember {
  std::string_view key;    // raw text between the quotes; compare decoded keys with json_unescape
  std::string_view value;  // raw text of the value, without surrounding blanks
  std::size_t key_offset = 0;    // of the opening quote of the key, in the object's text
  std::size_t value_offset = 0;  // of the value's first byte
};

// `object` is checked JSON and begins (after blanks) with '{'. Skips nested values without
// recursion.
class JsonMembers {
 public:
  explicit JsonMembers(std::string_view object);
  bool next(JsonMember& member);
  std::size_t end_offset() const {
    return at_;
  }  // after the last member: offset of the closing '}'

 private:
  std::string_view object_;
  std::size_t at_ = 0;
};

// The items of an array that was already checked: `array` begins (after blanks) with '['.
class JsonItems {
 public:
  explicit JsonItems(std::string_view array);
  bool next(std::string_view& item);  // raw text of the value, without surrounding blanks

 private:
  std::string_view array_;
  std::size_t at_ = 0;
};

// The text of a raw JSON string body (between the quotes), escapes resolved; input is checked JSON.
std::string json_unescape(std::string_view raw);
// The value of a raw JSON string with its quotes; nothing if `raw` is not a string.
std::optional<std::string> json_string(std::string_view raw);

}  // namespace sallyport
