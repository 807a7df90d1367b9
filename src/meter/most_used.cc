// SPDX-License-Identifier: Apache-2.0
#include "meter/most_used.h"

#include <algorithm>
#include <iterator>

#include "meter/call_bounds.h"
#include "meter/token_counts.h"
#include "provider/endpoints.h"

namespace sallyport::meter {
namespace {

// Bodies up to this are looked at on the loop, which takes a part of a millisecond. Of larger ones
// the model's maximum is taken.
constexpr std::size_t kLookBytesMax = 256 << 10;
// How often the model is asked at most for one call with the provider's own tools. There is no
// such limit; what is beyond it is told as a bypass.
constexpr std::int64_t kTurnsMax = 16;
constexpr std::int64_t kOutputUnknown = 131'072;  // of a model whose maximum nobody told us
constexpr std::int64_t kTokensMax = 1ll << 40;

// Sizes for the input, what is known of the model for the rest.
class SizesAndModels final : public TokenCounts {
 public:
  TokenCount input(std::string_view path, std::string_view body,
                   std::string_view model) const override {
    TokenCount count = byte_counts().input(path, body, model);
    // An item that names another one brings its text in.
    if (path == "/v1/responses" && body.contains("\"id\"")) count.exact = false;
    return count;
  }
  std::int64_t text(std::string_view text, std::string_view model) const override {
    return byte_counts().text(text, model);
  }
  std::optional<std::int64_t> output_max(std::string_view model) const override {
    return exact_counts().output_max(model);
  }
  std::int64_t context_max(std::string_view model) const override {
    return exact_counts().context_max(model);
  }
};

std::int64_t output_of(std::string_view model) {
  return exact_counts().output_max(model).value_or(kOutputUnknown);
}

std::int64_t one_turn(std::string_view model) {
  return exact_counts().context_max(model) + output_of(model);
}

// What kind of call it is; of those with an answer that tells, the tokens are still to be found.
MostUsed kind_of(std::string_view method, std::string_view path, std::string_view model) {
  MostUsed most;
  const provider::Endpoint& endpoint = provider::find_endpoint(method, path);
  const std::string_view family = endpoint.family;
  if (method == "POST" && path == "/v1/batches") {
    most.counts = most.batch = true;
    return most;
  }
  using provider::Metering;
  const bool answered = method == "POST" && (endpoint.metering == Metering::kChat ||
                                             endpoint.metering == Metering::kResponses);
  if (answered) {
    most.counts = true;
    most.tokens = one_turn(model);
    return most;
  }
  // What these use, and where it is told, is not documented: it may stand among the completions.
  constexpr std::string_view kBehind[] = {"evals",    "realtime-mint", "realtime-calls",
                                          "realtime", "chatkit",       "unknown"};
  const bool run = family == "assistants" && endpoint.metering == Metering::kObject;
  const bool grader = family == "fine_tuning" && endpoint.metering == Metering::kObject;
  const bool behind =
      std::find(std::begin(kBehind), std::end(kBehind), family) != std::end(kBehind);
  if ((method == "POST" && (run || grader || behind)) || family == "realtime") {
    most.counts = most.several = true;
    most.tokens = kTurnsMax * one_turn(model);
  }
  return most;
}

}  // namespace

MostUsed most_used(const Exchange& x) {
  static const SizesAndModels counts;  // without a state
  const std::string_view model = x.model ? std::string_view(*x.model) : std::string_view();
  MostUsed most = kind_of(x.method, x.path, model);
  if (!most.counts || most.batch || most.several || x.path == "/v1/responses/compact") return most;
  if (x.body.kind != BodyKind::kJson || x.body.bytes.size() > kLookBytesMax) {
    most.several = true;
    return most;
  }
  const CallBounds bounds = bounds_of(CallView{x.method, x.path, model, x.body}, counts);
  if (bounds.kind != CallKind::kBounded) {
    most.several = true;
    most.tokens *= kTurnsMax;
    return most;
  }
  const std::int64_t each = bounds.named_output.value_or(
      bounds.default_output > 0 ? bounds.default_output : output_of(model));
  std::int64_t output = 0;
  if (__builtin_mul_overflow(each, bounds.choices, &output)) output = kTokensMax;
  const std::int64_t input = std::min(bounds.input, counts.context_max(model));
  most.tokens = std::min(input + bounds.more_output + std::min(output, kTokensMax), kTokensMax);
  return most;
}

MostUsed most_used(const Event& event) {
  const std::size_t space = std::min(event.endpoint.find(' '), event.endpoint.size());
  const std::string_view method = std::string_view(event.endpoint).substr(0, space);
  std::string_view path = std::string_view(event.endpoint).substr(space);
  if (!path.empty()) path.remove_prefix(1);
  MostUsed most = kind_of(method, path, event.model ? std::string_view(*event.model) : "");
  if (!most.counts || most.batch || most.several) return most;
  // What the body said is gone: it may have been one for the background.
  most.several = path == "/v1/responses";
  return most;
}

bool counts_as_completions(std::string_view endpoint) {
  return endpoint == "POST /v1/chat/completions" || endpoint == "POST /v1/responses" ||
         endpoint == "POST /v1/completions" || endpoint == "POST /v1/responses/compact";
}

}  // namespace sallyport::meter
