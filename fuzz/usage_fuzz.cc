// SPDX-License-Identifier: Apache-2.0
// The scanner that reads usage out of a passing answer must find the same at any segmentation, and
// on checked JSON the same as the walker that has the whole text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "meter/usage.h"
#include "meter/usage_tail.h"

namespace {

using sallyport::meter::UsageTail;

constexpr std::string_view kNames[] = {"usage", "model", "service_tier"};

void require(bool condition) {
  if (!condition) std::abort();
}

// A number keeps the blanks behind it.
std::string_view trimmed(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

void walk(std::string_view object, bool top, std::map<std::string, std::string>& found) {
  sallyport::JsonMembers members(object);
  sallyport::JsonMember member;
  while (members.next(member)) {
    if (top && member.key == "response" && member.value.starts_with('{')) {
      walk(member.value, false, found);
    } else if (std::ranges::find(kNames, member.key) != std::end(kNames) &&
               member.value.size() < UsageTail::kValueBytesMax) {
      found[std::string(member.key)] = std::string(member.value);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  UsageTail whole;
  whole.feed(text);
  UsageTail bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.feed(text.substr(i, 1));
  const bool is_json = sallyport::check_json(text).has_value();
  std::map<std::string, std::string> expected;
  if (is_json) walk(text, true, expected);
  for (const std::string_view name : kNames) {
    require(whole.value(name) == bytes.value(name));
    require(whole.value(name).size() <= UsageTail::kValueBytesMax);
    if (is_json && size < UsageTail::kValueBytesMax) {
      require(trimmed(whole.value(name)) == expected[std::string(name)]);
    }
  }
  (void)sallyport::meter::read_usage(whole.value("usage"));
  return 0;
}
