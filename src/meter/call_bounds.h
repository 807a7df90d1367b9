// SPDX-License-Identifier: Apache-2.0
// What can a call cost at most? Read from its endpoint and its body, before anything is sent. What
// is said here must hold for whatever the provider does with the call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/exchange.h"
#include "meter/token_counts.h"

namespace sallyport::meter {

enum class CallKind {
  kFree,       // costs nothing: lists, deletions, uploads
  kBounded,    // input, choices and maximum are known, or can be written in
  kUnbounded,  // batches, fine-tuning, background answers, hosted tools, sound, what nobody knows
};

// Where a maximum of the output stands or is to be put.
struct OutputField {
  std::string_view name;       // "max_completion_tokens"; empty: the endpoint has no such thing
  std::uint64_t offset = 0;    // in the inspected body
  std::uint64_t replaced = 0;  // bytes of a null that stands there; 0: the field is not there
};

struct CallBounds {
  CallKind kind = CallKind::kFree;
  std::int64_t estimated_input = 0;          // our best count, tokens
  std::int64_t input = 0;                    // at most, in all internal turns
  std::optional<std::int64_t> named_output;  // the caller's own maximum, of one choice
  std::int64_t fixed_output = 0;             // of endpoints without such a field (pictures)
  std::int64_t more_output = 0;              // billed beside it (a prediction that was wrong)
  std::int64_t choices = 1;                  // answers to one request
  std::int64_t characters = 0;               // speech
  std::int64_t default_output = 0;           // the endpoint's own default; 0: the model's maximum
  OutputField field;
  std::string service_tier;
  const char* wrong = nullptr;  // a member that is not what it must be: refused where it matters
};

// Where the request refers to text that is not in it, the input is all that the model can read.
CallBounds bounds_of(const Exchange& x, const TokenCounts& counts);

// May the model think without showing it? Then what was streamed is not what is billed. True for
// models that nobody here knows.
bool may_reason(std::string_view model);

}  // namespace sallyport::meter
