// SPDX-License-Identifier: Apache-2.0
// A request and its answer in flight. A plain struct: each part is written by the one stage named
// beside it and read by those that come later. Only rooms of the gate may include this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/secret.h"
#include "event/event.h"
#include "event/principal.h"
#include "exchange/event_stream.h"
#include "exchange/request_body.h"
#include "net/body.h"
#include "net/http1_head.h"
#include "net/loop.h"

namespace sallyport {

class Ticket;  // exchange/record.h

// Why the gate says no: becomes OpenAI's error envelope. `code` is stable and documented.
struct Refusal {
  int status = 400;
  const char* code = "invalid_request";
  std::string message;  // for the caller; never quotes a credential or a prompt
  const char* type = "invalid_request_error";
  const char* param = nullptr;
  std::optional<int> retry_after_s = {};  // only where waiting helps
  bool close = false;                     // the connection cannot be read on
};

// The head of the answer, then its body.
struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>>
      headers;                                  // lower-case names; framing fields are http's
  std::optional<std::uint64_t> content_length;  // none: chunked (or closed for HTTP/1.0)
  bool event_stream = false;
  std::unique_ptr<net::BodySource> body;                    // null: no body
  std::vector<std::unique_ptr<EventFilter>> event_filters;  // added by stages, applied by http
};

// What ended an exchange before its time.
enum class Cancel { kNone, kClientGone, kKeyRevoked, kShutdown };

struct Usage {  // as the provider told it
  std::optional<std::int64_t> input, output, cached, cache_write;
  std::optional<std::int64_t> input_audio, input_image;  // of input, where priced apart
  std::optional<std::int64_t> output_audio;              // of output
  std::optional<std::string> model;                      // the answer's model name
  std::optional<std::string> service_tier;               // of the answer
  std::optional<double> seconds;                         // transcriptions billed by duration
  std::optional<std::int64_t> characters;  // speech: of the request, since no answer tells
  bool estimated = false;
};

// What a stage keeps for one exchange from `admit` to `finish`; of a type that only it knows.
struct StageState {
  virtual ~StageState() = default;
};

// What the budgets know of a call (docs/budgets.md); as far as it is known, in its records.
struct Booked {
  std::optional<std::int64_t> estimated_input_tokens;
  const char* input_count = nullptr;  // whose count that is: local, provider
  std::optional<std::int64_t> reserved_tokens, charged_tokens;
  std::optional<NanoUsd> reserved_usd, charged_usd;
  std::optional<NanoUsd> provider_usage_usd;
  std::optional<std::int64_t> provider_usage_age_s;
  std::string refused_by;  // JSON object: which budget the call did not fit into; empty: none
};

struct Exchange {
  // http: before any stage
  std::string request_id;
  UtcTime received_at{};
  std::int64_t received_us = 0;        // steady
  IpAddress source;                    // the client, after trusted proxies
  std::string certificate_thumbprint;  // of a verified client certificate
  std::string method;
  std::string path;  // normal form; the policy never sees another than the upstream
  std::string query;
  std::string endpoint;                 // "POST /v1/chat/completions" for policy and log
  std::string head_bytes;               // what `headers` points into; given up when sent
  std::vector<net::Header> headers;     // the client's, read only
  std::optional<Secret> credential;     // taken out of the head, from exactly one place
  net::BodySource* incoming = nullptr;  // the body as it arrives, unframed; null: none is announced
  std::optional<std::uint64_t> incoming_length;
  RequestBody body;  // filled by the stage ReadBody
  net::Loop* loop = nullptr;

  // exchange/record: the open record, durable before the answer's first byte
  std::shared_ptr<Ticket> intent;

  // keys
  std::shared_ptr<const Principal> principal;  // part of a key snapshot; null until identified
  std::optional<std::string> claimed_kid;
  const char* denied_because = nullptr;  // for the record, never for the caller

  // policy
  std::string module = "unlisted";
  std::string purpose = "unlisted";

  // body (http/read_body): what later stages need of a JSON or multipart body
  std::optional<std::string> model;
  bool stream = false;  // "stream": true

  // upstream
  std::string upstream_name;
  std::optional<int> upstream_status;
  std::optional<std::string> upstream_request_id;
  std::optional<std::string> provider_key_id;
  bool asked = false;                 // bytes of this call may have reached the provider
  const char* asked_again = nullptr;  // stable code of why a second time
  Answer answer;

  // meter
  std::optional<Usage> usage;
  std::optional<NanoUsd> cost_usd;
  bool price_estimated = false;  // the model is not in the table
  Booked booked;
  std::unique_ptr<StageState> budgets;
  bool written_before_call = false;    // the intent must be written before the provider is asked
  bool drain_for_usage = false;        // when the client leaves, the provider is heard out a moment
  std::string limit_fields;            // header lines (with CRLF) on whatever answer is given
  bool usage_asked_by_client = false;  // stream_options.include_usage of the caller
  bool usage_injected = false;

  // the answer's way back, written by http
  std::optional<std::int64_t> first_byte_us;  // steady, when the answer's first byte left
  std::int64_t finished_us = 0;               // steady, when the record was made
  std::uint64_t request_bytes = 0;            // of the body as inspected
  std::uint64_t response_bytes = 0;           // of the body, as far as it went to the client
  const char* broken = nullptr;               // stable code when the answer did not end well
  bool answer_whole = false;                  // broken, but the provider was heard to its end
  std::optional<std::string> error_code;      // of the provider's error envelope or of our refusal

  // cancelling: set the reason, then call what upstream hung here
  Cancel cancelled = Cancel::kNone;
  std::move_only_function<void()> on_cancel;
  void cancel(Cancel why) {
    if (cancelled != Cancel::kNone) return;
    cancelled = why;
    if (on_cancel) on_cancel();
  }

  std::optional<std::string_view> header(std::string_view name) const;  // first, case-insensitive
};

// The record of an exchange as it stands: intent (open) or request (finished).
Event make_event(const Exchange& x, Kind kind, UtcTime now);

}  // namespace sallyport
