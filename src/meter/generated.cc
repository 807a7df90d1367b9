// SPDX-License-Identifier: Apache-2.0
#include "meter/generated.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/json_reader.h"

namespace sallyport::meter {
namespace {

constexpr std::size_t kPieceBytesMax = 64 * 1024;  // of text that is counted exactly

// Members that hold generated text. They are found by their raw spelling: inside a string the
// quotes would be escaped, so no text can look like one of them.
constexpr std::array<std::string_view, 9> kChatKeys{
    "\"content\"", "\"arguments\"", "\"refusal\"", "\"reasoning_content\"", "\"reasoning\"",
    "\"text\"",    "\"name\"",      "\"input\"",   "\"transcript\""};
constexpr std::array<std::string_view, 1> kResponseKeys{"\"delta\""};
// A call of a tool begins: its name stands in no delta of a response.
constexpr std::string_view kItemAdded = "\"response.output_item.added\"";
constexpr std::array<std::string_view, 2> kItemKeys{"\"name\"", "\"input\""};
// The model writes more around a call than what is shown of it.
constexpr std::string_view kToolCall = "\"function\"", kCustomCall = "\"custom\"";
constexpr std::int64_t kCallTokens = 12;
constexpr std::string_view kSounds[] = {"\"audio\"", "audio.delta\""};

// The raw text of the string value that follows a key, without its quotes; nothing if it is none.
std::string_view string_after(std::string_view data, std::size_t at) {
  const auto skip = [&] {
    while (at < data.size() && (data[at] == ' ' || data[at] == '\t')) ++at;
  };
  skip();
  if (at >= data.size() || data[at] != ':') return {};
  ++at;
  skip();
  if (at >= data.size() || data[at] != '"') return {};
  const std::size_t begin = ++at;
  while (at < data.size() && data[at] != '"') at += data[at] == '\\' ? 2 : 1;
  return data.substr(begin, std::min(at, data.size()) - begin);
}

class Counting final : public EventFilter {
 public:
  Counting(StreamDialect dialect, std::string model, const TokenCounts& counts,
           Generated& generated)
      : model_(std::move(model)), counts_(counts), generated_(generated) {
    responses_ = dialect == StreamDialect::kResponses;
    keys_ = responses_ ? std::span<const std::string_view>(kResponseKeys)
                       : std::span<const std::string_view>(kChatKeys);
  }

  void event(const net::SseEvent& event, EventSink& next) override {
    if (event.partial) {
      generated_.uncountable = true;
    } else {
      look(event.data);
    }
    next.event(event);
  }

 private:
  void look(std::string_view data) {
    for (const std::string_view sound : kSounds) {
      if (data.contains(sound)) generated_.uncountable = true;
    }
    if (!responses_ && (data.contains(kToolCall) || data.contains(kCustomCall))) {
      generated_.tokens += kCallTokens;
    }
    look_for(data, keys_);
    if (!responses_ || !data.contains(kItemAdded)) return;
    generated_.tokens += kCallTokens;
    look_for(data, kItemKeys);
  }

  void look_for(std::string_view data, std::span<const std::string_view> keys) {
    for (const std::string_view key : keys) {
      for (std::size_t at = data.find(key); at != std::string_view::npos;) {
        at += key.size();
        const std::string_view raw = string_after(data, at);
        if (!raw.empty()) count(raw);
        at = data.find(key, at + raw.size());
      }
    }
  }

  void count(std::string_view raw) {
    // It passes on the loop, and no provider streams such a piece: its bytes are a bound.
    if (raw.size() > kPieceBytesMax) {
      generated_.tokens += static_cast<std::int64_t>(raw.size());
      return;
    }
    const bool escapes = raw.contains('\\');
    const std::int64_t tokens =
        escapes ? counts_.text(json_unescape(raw), model_) : counts_.text(raw, model_);
    generated_.tokens += std::max<std::int64_t>(tokens, 1);
  }

  bool responses_ = false;
  std::span<const std::string_view> keys_;
  std::string model_;
  const TokenCounts& counts_;
  Generated& generated_;
};

}  // namespace

std::unique_ptr<EventFilter> count_generated(StreamDialect dialect, std::string model,
                                             const TokenCounts& counts, Generated& generated) {
  return std::make_unique<Counting>(dialect, std::move(model), counts, generated);
}

}  // namespace sallyport::meter
