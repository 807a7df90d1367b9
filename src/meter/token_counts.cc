// SPDX-License-Identifier: Apache-2.0
#include "meter/token_counts.h"

#include <algorithm>
#include <iterator>

#include "meter/count_request.h"
#include "meter/token_limits.h"
#include "meter/tokenizer.h"

namespace sallyport::meter {
namespace {

// Parts of a body that stand for more than their own bytes. Escapes in keys do not hide them: a
// body with any `\u` counts as if it had one.
constexpr std::string_view kElsewhere[] = {"_url\"", "file_", "input_image", "input_file", "\\u"};

bool refers_elsewhere(std::string_view body) {
  return std::any_of(std::begin(kElsewhere), std::end(kElsewhere),
                     [&](std::string_view mark) { return body.contains(mark); });
}

class ByteCounts final : public TokenCounts {
 public:
  TokenCount input(std::string_view, std::string_view body, std::string_view) const override {
    return {static_cast<std::int64_t>(body.size()), !refers_elsewhere(body)};
  }
  std::int64_t text(std::string_view text, std::string_view) const override {
    return static_cast<std::int64_t>(text.size());
  }
  std::optional<std::int64_t> output_max(std::string_view) const override { return std::nullopt; }
  std::int64_t context_max(std::string_view) const override {
    return static_cast<std::int64_t>(kContextMaxUnknown);
  }
};

class ExactCounts final : public TokenCounts {
 public:
  TokenCount input(std::string_view path, std::string_view body,
                   std::string_view model) const override {
    const InputCount count = count_input(path, body, model);
    return {clamped(count.tokens), !count.unseen};
  }
  std::int64_t text(std::string_view text, std::string_view model) const override {
    return clamped(Tokenizer::of(encoding_of(model)).count(text));
  }
  std::optional<std::int64_t> output_max(std::string_view model) const override {
    return clamped(model_output_max(model));
  }
  std::int64_t context_max(std::string_view model) const override {
    return clamped(model_context_max(model));
  }

 private:
  static std::int64_t clamped(std::uint64_t tokens) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(tokens, std::uint64_t{1} << 40));
  }
};

}  // namespace

const TokenCounts& exact_counts() {
  static const ExactCounts counts;  // without a state
  return counts;
}

const TokenCounts& byte_counts() {
  static const ByteCounts counts;  // without a state
  return counts;
}

}  // namespace sallyport::meter
