// SPDX-License-Identifier: Apache-2.0
#include "exchange/exchange.h"

#include "base/text.h"

namespace sallyport {

std::optional<std::string_view> Exchange::header(std::string_view name) const {
  for (const net::Header& field : headers) {
    if (equal_ascii_nocase(field.name, name)) return field.value;
  }
  return std::nullopt;
}

Event make_event(const Exchange& x, Kind kind, UtcTime now) {
  Event event;
  event.kind = kind;
  event.timestamp_utc = now;
  event.request_id = x.request_id;
  event.endpoint = x.endpoint;
  event.ip = x.source.text();
  event.model = x.model;
  event.module = x.module;
  event.purpose = x.purpose;
  if (x.principal) {
    event.api_key_id = x.principal->api_key_id;
    event.kid = x.principal->kid;
    event.tid = x.principal->tid;
    if (!x.principal->layer_path.empty()) event.layer = x.principal->layer_path;
  }
  event.claimed_kid = x.claimed_kid;
  event.stream = x.stream;
  if (!x.upstream_name.empty()) event.upstream = x.upstream_name;
  event.provider_key_id = x.provider_key_id;
  event.request_bytes = static_cast<std::int64_t>(x.request_bytes);
  event.estimated_input_tokens = x.booked.estimated_input_tokens;
  if (x.booked.estimated_input_tokens && x.booked.input_count != nullptr) {
    event.input_count = x.booked.input_count;
  }
  event.reserved_tokens = x.booked.reserved_tokens;
  event.reserved_usd = x.booked.reserved_usd;
  event.provider_usage_usd = x.booked.provider_usage_usd;
  event.provider_usage_age_s = x.booked.provider_usage_age_s;
  if (x.price_estimated) event.price_estimated = true;
  if (kind != Kind::kRequest) return event;

  event.latency_ms = std::max<std::int64_t>((x.finished_us - x.received_us) / 1000, 0);
  if (x.first_byte_us)
    event.ttft_ms = std::max<std::int64_t>((*x.first_byte_us - x.received_us) / 1000, 0);
  if (x.answer.status != 0) event.status = x.answer.status;
  event.upstream_status = x.upstream_status;
  event.upstream_request_id = x.upstream_request_id;
  if (x.asked_again != nullptr) event.asked_again = x.asked_again;
  event.response_bytes = static_cast<std::int64_t>(x.response_bytes);
  event.charged_tokens = x.booked.charged_tokens;
  event.charged_usd = x.booked.charged_usd;
  event.cost_usd = x.cost_usd;
  if (x.usage) {
    event.tokens_input = x.usage->input;
    event.tokens_output = x.usage->output;
    event.tokens_cached = x.usage->cached;
    event.tokens_estimated = x.usage->estimated;
  }
  if (x.broken != nullptr) {
    event.error = x.broken;
  } else if (x.error_code) {
    event.error = x.error_code;
  }
  if (x.denied_because != nullptr) event.action = std::string("denied:") + x.denied_because;
  if (!x.booked.refused_by.empty()) event.detail = x.booked.refused_by;
  return event;
}

}  // namespace sallyport
