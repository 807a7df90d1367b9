// SPDX-License-Identifier: Apache-2.0
#include "sim/text.h"

#include <algorithm>

#include "base/random.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t kFillerBytes = 1024;
constexpr std::size_t kShortest = 12;
constexpr std::size_t kSpread = 24;
constexpr std::size_t kObfuscationBytes = 16;

// Many scripts on purpose: what passes only ASCII unharmed is found out early.
constexpr std::string_view kWords[] = {
    "the",        "gate", "keeps", "two",   "doors", "and",         "opens", "one",
    "at",         "a",    "time",  "Grüße", "von",   "überall",     "世界",  "門",
    "こんにちは", "мир",  "نور",   "नमस्ते",  "🚀",    "👩‍💻", "naïve", "café",
    "stone",      "in",   "quiet", "rain",  "every", "answer",      "has",   "its",
    "price",      "so",   "count", "it",    "twice", "then",        "let",   "go",
};

// The last text a person wrote: of `messages`, `input` or `prompt`.
void last_text(const JsonValue& value, std::string& found) {
  if (const auto text = value.string()) {
    found = *text;
    return;
  }
  for (const JsonValue& item : value.items()) last_text(item, found);
  for (const auto& [name, member] : value.members()) {
    if (name == "content" || name == "text" || name == "input_text") last_text(member, found);
  }
}

std::vector<std::string> echo_of(const Call& call) {
  std::string text;
  for (const char* name : {"messages", "input", "prompt"}) {
    if (const auto value = call.at(name)) last_text(*value, text);
  }
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at + 1), text.size());
    pieces.push_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

}  // namespace

std::uint64_t mixed(std::uint64_t seed) {
  seed += 0x9e3779b97f4a7c15;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb;
  return seed ^ (seed >> 31);
}

std::uint64_t number_of(std::string_view digest) {
  std::uint64_t number = 0;
  for (const char c : digest.substr(0, 16)) {
    number = number * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return number;
}

Text::Text(const Call& call, std::optional<std::int64_t> tokens_max)
    : seed_(number_of(call.digest)) {
  const Behaviour& asked = call.behaviour;
  count_ = asked.tokens.value_or(kShortest + mixed(seed_) % kSpread);
  if (asked.big_bytes) {
    filler_bytes_ = *asked.big_bytes;
    count_ = (*asked.big_bytes + kFillerBytes - 1) / kFillerBytes;
  } else if (asked.echo) {
    echo_ = echo_of(call);
    count_ = echo_.size();
  }
  if (tokens_max && *tokens_max >= 0 && static_cast<std::uint64_t>(*tokens_max) < count_) {
    count_ = static_cast<std::size_t>(*tokens_max);
    cut_ = true;
  }
}

std::string Text::token(std::size_t place, std::size_t choice) const {
  if (!echo_.empty()) return echo_[place];
  if (filler_bytes_ > 0) {
    const std::uint64_t left = filler_bytes_ - place * kFillerBytes;
    return std::string(std::min<std::uint64_t>(kFillerBytes, left),
                       static_cast<char>('a' + place % 26));
  }
  const std::uint64_t pick = mixed(seed_ + place * 31 + choice * 7919);
  std::string token(place == 0 ? "" : " ");
  token += kWords[pick % std::size(kWords)];
  if (place + 1 == count_ && !cut_) token += '.';
  return token;
}

std::string Text::whole(std::size_t choice) const {
  std::string text;
  text.reserve(filler_bytes_);
  for (std::size_t place = 0; place < count_; ++place) text += token(place, choice);
  return text;
}

std::int64_t tokens_of(std::string_view text) {
  return static_cast<std::int64_t>((text.size() + 3) / 4);
}

std::int64_t tokens_of(const JsonValue& value) {
  if (const auto text = value.string()) return tokens_of(*text);
  std::int64_t sum = value.is_object() ? 4 : 0;
  for (const JsonValue& item : value.items()) sum += tokens_of(item);
  for (const auto& [name, member] : value.members()) sum += tokens_of(member);
  return sum;
}

std::string obfuscation(std::string_view digest, std::size_t place, std::size_t text_bytes) {
  std::uint64_t state = mixed(number_of(digest) ^ (place * 0x51ed2701));
  const std::size_t size = text_bytes >= kObfuscationBytes ? 0 : kObfuscationBytes - text_bytes;
  std::string padding;
  for (std::size_t i = 0; i < size; ++i) {
    state = mixed(state);
    padding += kBase62[state % 62];
  }
  return padding;
}

}  // namespace sallyport::sim
