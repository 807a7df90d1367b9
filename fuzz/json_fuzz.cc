// SPDX-License-Identifier: Apache-2.0
// What check_json accepts, the raw walker and the tree must read alike, and every place that the
// walker names must lie inside the text. The walker also gets what check_json refuses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "base/json_writer.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// The members as the walker sees them, put together again as JSON.
std::string rewritten(std::string_view text, bool is_json) {
  std::string out;
  sallyport::JsonWriter writer(out);
  writer.begin_object();
  sallyport::JsonMembers members(text);
  sallyport::JsonMember member;
  std::size_t behind = 0;
  while (members.next(member)) {
    require(member.key_offset >= behind && member.value_offset > member.key_offset);
    behind = member.value_offset + member.value.size();
    require(behind <= text.size());
    require(text.substr(member.value_offset, member.value.size()) == member.value);
    if (!is_json) continue;
    writer.key(sallyport::json_unescape(member.key)).raw(member.value);
  }
  writer.end_object();
  if (is_json) require(text[members.end_offset()] == '}');
  return out;
}

void compare(const sallyport::JsonValue& a, const sallyport::JsonValue& b) {
  const auto left = a.members();
  const auto right = b.members();
  require(left.size() == right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    require(left[i].first == right[i].first);
    require(left[i].second.string() == right[i].second.string());
    require(left[i].second.number() == right[i].second.number());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool is_json = sallyport::check_json(text).has_value();
  const std::string again = rewritten(text, is_json);
  if (!is_json) return 0;
  const auto value = sallyport::JsonValue::parse(text);
  const auto copy = sallyport::JsonValue::parse(again);
  require(value.has_value() && value->is_object() && copy.has_value());
  compare(*value, *copy);
  return 0;
}
