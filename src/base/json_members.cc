// SPDX-License-Identifier: Apache-2.0
// The raw side of json_reader.h: where things lie in a text that was already checked.
#include <cstring>

#include "base/json_reader.h"

namespace sallyport {
namespace {

bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (at < text.size() && blank(text[at])) ++at;
  return at;
}

// `at` is the opening quote; the result is behind the closing one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  std::size_t from = at + 1;
  for (;;) {
    const void* const found = std::memchr(text.data() + from, '"', text.size() - from);
    if (found == nullptr) return text.size();
    const auto quote = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
    std::size_t slashes = 0;
    while (quote - slashes > from && text[quote - slashes - 1] == '\\') ++slashes;
    if (slashes % 2 == 0) return quote + 1;
    from = quote + 1;
  }
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  if (at >= text.size()) return at;
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] != '{' && text[at] != '[') {
    while (at < text.size() && !blank(text[at]) && text[at] != ',' && text[at] != '}' &&
           text[at] != ']') {
      ++at;
    }
    return at;
  }
  for (std::size_t depth = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return at;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 0;
}

unsigned hex4(std::string_view text, std::size_t at) {
  unsigned code = 0;
  for (std::size_t i = at; i < at + 4 && i < text.size(); ++i) {
    code = code * 16 + static_cast<unsigned>(hex_digit(text[i]));
  }
  return code;
}

void append_utf8(std::string& out, unsigned code) {
  const auto put = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 63));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 63));
    put(0x80 | (code & 63));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 63));
    put(0x80 | (code >> 6 & 63));
    put(0x80 | (code & 63));
  }
}

}  // namespace

JsonMembers::JsonMembers(std::string_view object) : object_(object) {
  at_ = skip_blanks(object_, 0);
  if (at_ < object_.size()) ++at_;  // the opening brace
  at_ = skip_blanks(object_, at_);
}

bool JsonMembers::next(JsonMember& member) {
  if (at_ < object_.size() && object_[at_] == ',') at_ = skip_blanks(object_, at_ + 1);
  if (at_ >= object_.size() || object_[at_] != '"') return false;
  member.key_offset = at_;
  const std::size_t key_end = skip_string(object_, at_);
  member.key = object_.substr(at_ + 1, key_end - at_ - 2);
  const std::size_t colon = skip_blanks(object_, key_end);
  if (colon >= object_.size()) return false;  // not checked JSON
  member.value_offset = skip_blanks(object_, colon + 1);
  const std::size_t value_end = skip_value(object_, member.value_offset);
  member.value = object_.substr(member.value_offset, value_end - member.value_offset);
  at_ = skip_blanks(object_, value_end);
  return true;
}

JsonItems::JsonItems(std::string_view array) : array_(array) {
  at_ = skip_blanks(array_, 0);
  if (at_ < array_.size()) ++at_;  // the opening bracket
  at_ = skip_blanks(array_, at_);
}

bool JsonItems::next(std::string_view& item) {
  if (at_ < array_.size() && array_[at_] == ',') at_ = skip_blanks(array_, at_ + 1);
  if (at_ >= array_.size() || array_[at_] == ']') return false;
  const std::size_t end = skip_value(array_, at_);
  if (end == at_) return false;  // not checked JSON
  item = array_.substr(at_, end - at_);
  at_ = skip_blanks(array_, end);
  return true;
}

std::string json_unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  std::size_t at = 0;
  while (at < raw.size()) {
    const std::size_t slash = raw.find('\\', at);
    out.append(raw.substr(at, slash - at));
    if (slash == std::string_view::npos || slash + 1 >= raw.size()) break;
    at = slash + 2;
    switch (const char c = raw[slash + 1]) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u': {
        unsigned code = hex4(raw, at);
        at += 4;
        const bool high = code >= 0xd800 && code < 0xdc00;
        if (high && at + 6 <= raw.size() && raw[at] == '\\' && raw[at + 1] == 'u') {
          code = 0x10000 + ((code - 0xd800) << 10) + (hex4(raw, at + 2) - 0xdc00);
          at += 6;
        }
        append_utf8(out, code);
        break;
      }
      default:
        out.push_back(c);
        break;
    }
  }
  return out;
}

std::optional<std::string> json_string(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"' || raw.back() != '"') return std::nullopt;
  return json_unescape(raw.substr(1, raw.size() - 2));
}

}  // namespace sallyport
