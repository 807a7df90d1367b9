// SPDX-License-Identifier: Apache-2.0
#include "meter/usage_tail.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace sallyport::meter {
namespace {

constexpr std::size_t kKeyBytesMax = 32;
constexpr std::size_t kSearchBytes = 512;

constexpr std::array<bool, 256> make_nesting() {
  std::array<bool, 256> table{};
  for (const char c : {'"', '{', '}', '[', ']'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kNesting = make_nesting();

bool blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

std::string_view UsageTail::value(std::string_view name) const {
  const auto found = std::find(kWanted.begin(), kWanted.end(), name);
  if (found == kWanted.end()) return {};
  return values_[static_cast<std::size_t>(found - kWanted.begin())];
}

void UsageTail::feed(std::string_view bytes) {
  while (!bytes.empty() && in_ != In::kDone) {
    if (in_string_ && in_ == In::kValue) {
      pass_string(bytes);
      continue;
    }
    if (in_ == In::kValue && depth_ > 0) {
      pass_nested(bytes);
      continue;
    }
    step(bytes.front());
    bytes.remove_prefix(1);
  }
}

// Inside a string value: jump to the next quote or backslash. Only a window is searched at a time:
// with a text of backslashes alone, each would search all that follows for a quote.
void UsageTail::pass_string(std::string_view& bytes) {
  std::size_t length = 0;
  if (escaped_) {
    escaped_ = false;
    length = 1;
  } else {
    const std::size_t window = std::min(bytes.size(), kSearchBytes);
    const void* const quote = std::memchr(bytes.data(), '"', window);
    length = quote == nullptr
                 ? window
                 : static_cast<std::size_t>(static_cast<const char*>(quote) - bytes.data());
    const void* const slash = std::memchr(bytes.data(), '\\', length);
    if (slash != nullptr) {
      length = static_cast<std::size_t>(static_cast<const char*>(slash) - bytes.data()) + 1;
      escaped_ = true;
    } else if (quote != nullptr) {
      ++length;
      in_string_ = false;
    }
  }
  keep(bytes.substr(0, length));
  bytes.remove_prefix(length);
  if (!in_string_ && depth_ == 0) end_value();
}

// Inside an object or array that is a value: jump to the next quote or bracket.
void UsageTail::pass_nested(std::string_view& bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && !kNesting[static_cast<unsigned char>(bytes[at])]) ++at;
  const std::size_t length = std::min(at + 1, bytes.size());
  keep(bytes.substr(0, length));
  if (at < bytes.size()) {
    const char c = bytes[at];
    in_string_ = c == '"';
    if (c == '{' || c == '[') ++depth_;
    if ((c == '}' || c == ']') && --depth_ == 0) end_value();
  }
  bytes.remove_prefix(length);
}

void UsageTail::keep(std::string_view bytes) {
  if (!capturing_) return;
  text_.append(bytes.substr(0, kValueBytesMax + 1 - text_.size()));
  if (text_.size() <= kValueBytesMax) return;
  capturing_ = false;
  std::string().swap(text_);
}

void UsageTail::step(char c) {
  switch (in_) {
    case In::kStart:
      if (c == '{') {
        in_ = In::kKey;
      } else if (!blank(c)) {
        in_ = In::kDone;
      }
      return;
    case In::kKey:
      if (c == '"') {
        key_.clear();
        in_ = In::kKeyText;
      } else if (c == '}') {
        end_object();
      } else if (!blank(c) && c != ',') {
        in_ = In::kDone;
      }
      return;
    case In::kKeyText:
      if (c == '"' && !escaped_) {
        in_ = In::kColon;
      } else {
        escaped_ = c == '\\' && !escaped_;
        if (key_.size() < kKeyBytesMax) key_.push_back(c);
      }
      return;
    case In::kColon:
      if (c == ':') {
        in_ = In::kAfter;
      } else if (!blank(c)) {
        in_ = In::kDone;
      }
      return;
    case In::kAfter:
      if (!blank(c)) begin_value(c);
      return;
    case In::kValue:
      break;
    case In::kDone:
      return;
  }
  // Inside a number or a word.
  if (c == ',' || c == '}' || c == ']') {
    end_value();
    if (c != ',') end_object();
    return;
  }
  keep({&c, 1});
}

void UsageTail::begin_value(char c) {
  if (c == '{' && key_ == "response" && !in_response_) {
    in_response_ = true;
    in_ = In::kKey;
    return;
  }
  const auto wanted = std::find(kWanted.begin(), kWanted.end(), key_);
  capturing_ = wanted != kWanted.end();
  wanted_ = static_cast<std::size_t>(wanted - kWanted.begin());
  text_.clear();
  if (capturing_) text_.push_back(c);
  escaped_ = false;
  in_string_ = c == '"';
  depth_ = c == '{' || c == '[' ? 1 : 0;
  in_ = In::kValue;
}

void UsageTail::end_value() {
  if (capturing_) values_[wanted_] = std::exchange(text_, {});
  capturing_ = false;
  in_ = In::kKey;
}

void UsageTail::end_object() {
  in_ = in_response_ ? In::kKey : In::kDone;
  in_response_ = false;
}

}  // namespace sallyport::meter
