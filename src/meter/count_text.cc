// SPDX-License-Identifier: Apache-2.0
#include "meter/count_text.h"

#include <algorithm>
#include <limits>

#include "base/json_reader.h"
#include "meter/token_limits.h"

namespace sallyport::meter {
namespace {

constexpr std::uint64_t kAround = 2;  // tokens of quotes, colons, commas beside one value

bool bracket(char c) { return c == '{' || c == '}' || c == '[' || c == ']'; }

bool blank_or_mark(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',' || c == ':' || bracket(c);
}

// `at` is behind the opening quote; the result is the closing one.
std::size_t string_end(std::string_view raw, std::size_t at) {
  while (at < raw.size() && raw[at] != '"') at += raw[at] == '\\' ? 2 : 1;
  return std::min(at, raw.size());
}

}  // namespace

bool is_string(std::string_view raw) { return raw.starts_with('"'); }
bool is_array(std::string_view raw) { return raw.starts_with('['); }
bool is_object(std::string_view raw) { return raw.starts_with('{'); }
bool is_null(std::string_view raw) { return raw == "null"; }

std::string_view decoded(std::string_view key, std::string& scratch) {
  if (!key.contains('\\')) return key;
  scratch = json_unescape(key);
  return scratch;
}

std::string name_in(std::string_view object, std::string_view key) {
  if (!is_object(object)) return {};
  JsonMembers members(object);
  std::string scratch;
  for (JsonMember member; members.next(member);) {
    if (decoded(member.key, scratch) == key) return json_string(member.value).value_or("");
  }
  return {};
}

void RequestSum::add(std::uint64_t tokens) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  tokens_ = tokens > kMost - tokens_ ? kMost : tokens_ + tokens;
}

void RequestSum::add_string(std::string_view raw) {
  if (!is_string(raw) || raw.size() < 2) return add_all(raw);
  const std::string_view text = raw.substr(1, raw.size() - 2);
  if (text.contains('\\')) return add_text(json_unescape(text));
  add_text(text);
}

void RequestSum::add_all(std::string_view raw) {
  if (!is_null(raw)) rule();
  for (std::size_t at = 0; at < raw.size();) {
    if (blank_or_mark(raw[at])) {
      if (bracket(raw[at])) add(1);
      ++at;
      continue;
    }
    const std::size_t begin = at;
    if (raw[at] == '"') {
      at = std::min(string_end(raw, at + 1) + 1, raw.size());
      const std::string_view quoted = raw.substr(begin, at - begin);
      if (quoted.size() >= 2) add_string(quoted);
    } else {
      while (at < raw.size() && raw[at] != '"' && !blank_or_mark(raw[at])) ++at;
      add_text(raw.substr(begin, at - begin));
    }
    add(kAround);
  }
}

InputCount RequestSum::result() const {
  InputCount count{
      .tokens = tokens_, .exact = exact_ && !unseen_, .unseen = unseen_, .seen = tokens_};
  // No input is larger than the model's window: that bounds what cannot be seen.
  if (unseen_) count.tokens = std::max(tokens_, model_context_max(model_));
  return count;
}

void add_image(RequestSum& sum, std::string_view detail) {
  sum.rule();
  const ImageTokens& image = model_limits(sum.model()).image;
  std::uint64_t tokens = std::max({image.low, image.high, image.original, image.automatic});
  if (detail == "low") tokens = image.low;
  if (detail == "high") tokens = image.high;
  if (detail == "original") tokens = image.original;
  if (detail == "auto" || detail.empty()) tokens = image.automatic;
  if (tokens == kNoLimit) return sum.unseen();
  sum.add(tokens);
}

}  // namespace sallyport::meter
