// SPDX-License-Identifier: Apache-2.0
#include "sim/behaviour.h"

#include <algorithm>

#include "base/text.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kSlowMs = 200;
constexpr std::size_t kSlowTokens = 50;
constexpr std::int64_t kHangMs = 60'000;
constexpr std::size_t kDieAfter = 5;

// The number behind `prefix`, at most `most`; nothing if the word is another one.
std::optional<std::uint64_t> number_after(std::string_view word, std::string_view prefix,
                                          std::uint64_t most) {
  if (!word.starts_with(prefix)) return std::nullopt;
  const auto number = parse_uint(word.substr(prefix.size()));
  if (!number) return std::nullopt;
  return std::min(*number, most);
}

bool is_bits(std::string_view text) {
  return !text.empty() && text.size() <= kAfterlifeMax &&
         text.find_first_not_of("01") == std::string_view::npos;
}

struct Switch {
  std::string_view word;
  bool Behaviour::* flag;
};
constexpr Switch kSwitches[] = {
    {"die-in-event", &Behaviour::die_in_event},
    {"die-before-head", &Behaviour::die_before_head},
    {"error-midstream", &Behaviour::error_midstream},
    {"no-done", &Behaviour::no_done},
    {"no-usage", &Behaviour::no_usage},
    {"split-utf8", &Behaviour::split_utf8},
    {"crlf", &Behaviour::crlf},
    {"comments", &Behaviour::comments},
    {"echo", &Behaviour::echo},
    {"tools", &Behaviour::tool_calls},
    {"not-json", &Behaviour::not_json},
    {"drop-after", &Behaviour::die_before_head},
    {"drop-before", &Behaviour::drop_before},
    {"after-effect", &Behaviour::after_effect},
    {"no-key", &Behaviour::no_key},
};

}  // namespace

void Behaviour::apply_all(std::string_view words, char separator) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(separator), words.size());
    apply(trim_ows(words.substr(0, end)));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

void Behaviour::apply(std::string_view word) {
  constexpr std::uint64_t kWait = kWaitMsMax;
  for (const Switch& entry : kSwitches) {
    if (word == entry.word) this->*entry.flag = true;
  }
  if (word == "slow") {
    piece_delay_ms = kSlowMs;
    tokens = kSlowTokens;
  } else if (word == "hang") {
    latency_ms = kHangMs;
  } else if (word == "die-midstream" || word == "die-in-event") {
    die_after = kDieAfter;
  } else if (const auto wait = number_after(word, "hang-", kWait)) {
    latency_ms = static_cast<std::int64_t>(*wait);
  } else if (const auto first = number_after(word, "latency-", kWait)) {
    latency_ms = static_cast<std::int64_t>(*first);
  } else if (const auto delay = number_after(word, "delay-", kWait)) {
    piece_delay_ms = static_cast<std::int64_t>(*delay);
  } else if (const auto count = number_after(word, "chunks-", kTokensMax)) {
    tokens = *count;
  } else if (const auto bytes = number_after(word, "big-", kBigBytesMax)) {
    big_bytes = *bytes;
  } else if (const auto pieces = number_after(word, "die-after-", kTokensMax)) {
    die_after = *pieces;
  } else if (const auto seconds = number_after(word, "retry-after-", 3'600)) {
    retry_after_s = static_cast<std::int64_t>(*seconds);
  } else if (const auto calls = number_after(word, "alive-", kAfterlifeMax)) {
    afterlife = std::string(*calls, '1');
  } else if (word.starts_with("flap-") && is_bits(word.substr(5))) {
    afterlife = word.substr(5);
  } else if (word.starts_with("error-") && word != "error-midstream") {
    error = word.substr(6);
  }
}

Behaviour behaviour_of(std::string_view model, const net::ServerRequest& request) {
  Behaviour behaviour;
  if (model.starts_with("sim-")) behaviour.apply_all(model.substr(4), '+');
  if (const std::string* words = request.find("x-sim-behave")) behaviour.apply_all(*words, ',');
  return behaviour;
}

}  // namespace sallyport::sim
