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

// What says how much text the model may write (output_tokens_max of a layer).
enum class OutputSeen {
  kNothing,  // it writes none: vectors, pictures, sound, lists
  kField,    // CallBounds::field
  kModel,    // no field for it: as much as the model can
  kHidden,   // in files, stored objects or other members, or an endpoint that nobody here knows
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
  bool output_hidden = false;       // billed, but not all of it passes as text: sound, a prediction
  std::int64_t choices = 1;         // answers to one request
  std::int64_t characters = 0;      // speech
  std::int64_t default_output = 0;  // the endpoint's own default; 0: the model's maximum
  OutputSeen output_seen = OutputSeen::kNothing;
  OutputField field;
  std::string service_tier;     // as named; empty: none
  OutputField tier_field;       // where one is to be named; no name: the endpoint has no tiers
  bool may_grow = false;        // a conversation: others may add to it between count and call
  const char* wrong = nullptr;  // a member that is not what it must be: refused where it matters
};

// What is looked at. All outlives the look.
struct CallView {
  std::string_view method, path, model;  // model empty: none is named
  const RequestBody& body;
};

// Where the request refers to text that is not in it, the input is all that the model can read.
CallBounds bounds_of(const CallView& call, const TokenCounts& counts);
CallBounds bounds_of(const Exchange& x, const TokenCounts& counts);

// What the provider is to be told when it is asked to count the input of the same call: of the body
// as it will be sent, only what counting takes. Empty: it cannot be asked that (a stored prompt),
// or the body is no call of /v1/responses, or above `bytes_max`.
std::string count_question(const CallView& call, std::size_t bytes_max);

// The provider counted the input: its word takes the place of our count, and of the window that was
// taken for text which is not in the body, but for a conversation, which may grow meanwhile.
void take_provider_count(CallBounds& bounds, std::int64_t tokens);

// May the model think without showing it? Then what was streamed is not what is billed. True for
// models that nobody here knows.
bool may_reason(std::string_view model);

}  // namespace sallyport::meter
