// SPDX-License-Identifier: Apache-2.0
// One line of the log: ids, numbers and findings, never the text of a prompt or an answer.
// docs/events.md documents every field with its unit; event.cc holds the one table of field names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/finding.h"
#include "event/money.h"

namespace sallyport {

enum class Kind {
  kRequest,
  kIntent,
  kProgress,
  kAdmin,
  kAction,
  kBreaker,
  kProvider,
  kFinding,  // a detector's word; with `finding`
  kIncident  // the story of an attack began, changed or ended; with `finding`
};
std::string_view name(Kind kind);
std::optional<Kind> parse_kind(std::string_view text);

struct Injection {
  double score = 0;
  std::string verdict;  // pass | alert | block
  std::vector<std::string> categories;
  std::string role;  // whose words scored highest
};

struct Event {
  // The mission's fields, first and in this order on every line.
  UtcTime timestamp_utc{};
  std::optional<std::string>
      api_key_id;        // stable name of the key; null when no valid key was shown
  std::string endpoint;  // "POST /v1/chat/completions"; at most 256 bytes
  std::optional<std::string> model;
  std::optional<std::int64_t> latency_ms;
  std::optional<std::int64_t> tokens_input;
  std::optional<std::int64_t> tokens_output;
  std::string ip;
  std::optional<std::string> geo;    // ISO 3166-1 alpha-2
  std::optional<int> status;         // what the client got; null while open
  std::optional<std::string> error;  // stable code; null on success
  std::string module = "unlisted";
  std::string purpose = "unlisted";

  // Ours.
  std::uint64_t seq = 0;  // given by the journal
  Kind kind = Kind::kRequest;
  std::string request_id;
  std::optional<std::string> kid;
  std::optional<std::string> claimed_kid;
  std::optional<std::string> layer;  // path of the layer that the key hangs on: "acme/support"
  std::optional<std::string> tid;    // of a derived token
  std::optional<std::string> provider_key_id;
  std::optional<std::string> upstream;
  std::optional<std::int64_t> asn;
  std::optional<std::string> network;
  std::optional<std::int64_t> tokens_cached;
  std::optional<bool> tokens_estimated;
  // Budgets (docs/budgets.md): what was held back before the call, and what was booked after it. A
  // line with reserved_tokens has been booked, and a start counts it again; without charged_* the
  // whole reservation stands.
  std::optional<std::int64_t> estimated_input_tokens;
  std::optional<std::string> input_count;  // whose count that is: local | provider
  std::optional<std::int64_t> reserved_tokens;
  std::optional<NanoUsd> reserved_usd;
  std::optional<std::int64_t> charged_tokens;
  std::optional<NanoUsd> charged_usd;
  std::optional<NanoUsd> cost_usd;
  std::optional<bool> price_estimated;               // the model has no price of its own
  std::optional<NanoUsd> provider_usage_usd;         // the provider's last known word, and
  std::optional<std::int64_t> provider_usage_age_s;  // how old it was
  std::optional<bool> stream;
  std::optional<int> upstream_status;
  std::optional<std::string> upstream_request_id;
  std::optional<std::string> asked_again;  // why the provider was asked a second time
  std::optional<std::int64_t> ttft_ms;
  std::optional<std::int64_t> request_bytes;
  std::optional<std::int64_t> response_bytes;
  std::map<std::string, std::int64_t> pii;  // type -> count
  std::optional<Injection> injection;
  std::vector<std::string> output_flags;
  std::shared_ptr<const Finding> finding;  // of kinds finding and incident alone
  std::optional<std::string> action;       // what the gate, an administrator or a playbook did
  std::optional<std::string> actor;        // who, for admin and action
  std::optional<std::string>
      detail;  // JSON object as text: before and after of an admin act, breaker states
  // This record stands for so many refusals of one source within a second (event/refusal_fold.h).
  std::optional<std::int64_t> repeated;
  std::optional<std::int64_t> time_raised_ms;  // by the journal: time never goes back in the log
  std::optional<bool> trunc;                   // a field was too long for the line and was cut
};

inline constexpr std::size_t kEventLineBytesMax = 65'535;

// One row of the table of fields, as docs/events.md must list it; in the order of the line.
struct EventField {
  std::string_view name;
  std::string_view type;  // time, string, integer, number, boolean, object
  bool always;            // written even when null
};
std::vector<EventField> event_fields();

// The line without its newline and without the closing brace's predecessors `seq` and `crc`, which
// only the journal knows: {"timestamp_utc":...,"action":null
// (no closing brace). `append_event` writes a whole object with seq.
void append_event_open(std::string& out, const Event& event);
void append_event(std::string& out, const Event& event);

// Reads a line of ours or one with only the mission's fields. Unknown fields are ignored, a field
// of the wrong type is kInvalid. Lines are at most 65,535 bytes.
Result<Event> parse_event(std::string_view line);

}  // namespace sallyport
