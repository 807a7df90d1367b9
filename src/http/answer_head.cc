// SPDX-License-Identifier: Apache-2.0
#include "http/answer_head.h"

#include "base/json_writer.h"

namespace sallyport::http {
namespace {

void status_line(std::string& out, int status, int minor) {
  out.append(minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ");
  out.append(std::to_string(status)).append(" ").append(net::reason_phrase(status)).append("\r\n");
}

void field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void write_answer_head(std::string& out, const Exchange& x, Framing framing, bool keep_alive,
                       int minor) {
  status_line(out, x.answer.status, minor);
  for (const auto& [name, value] : x.answer.headers) field(out, name, value);
  field(out, "x-request-id", x.upstream_request_id ? *x.upstream_request_id : x.request_id);
  field(out, "x-sallyport-request-id", x.request_id);
  out.append(x.limit_fields);
  if (framing == Framing::kLength) {
    field(out, "content-length", std::to_string(x.answer.content_length.value_or(0)));
  }
  if (framing == Framing::kChunked) field(out, "transfer-encoding", "chunked");
  if (!keep_alive) {
    field(out, "connection", "close");
  } else if (minor == 0) {
    field(out, "connection", "keep-alive");
  }
  out.append("\r\n");
}

std::string write_refusal(const Refusal& refusal, std::string_view request_id, bool keep_alive,
                          bool head_only, std::string_view limit_fields) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("error").begin_object();
  json.field("message", refusal.message).field("type", refusal.type).key("param");
  if (refusal.param != nullptr) {
    json.value(refusal.param);
  } else {
    json.null();
  }
  json.field("code", refusal.code).end_object().end_object();

  std::string out;
  out.reserve(512 + body.size());
  status_line(out, refusal.status, 1);
  field(out, "content-type", "application/json");
  field(out, "content-length", std::to_string(body.size()));
  field(out, "x-request-id", request_id);
  field(out, "x-sallyport-request-id", request_id);
  // A rate is the one thing that asking again in a moment helps against.
  const bool wait = refusal.status == 429 && refusal.retry_after_s.has_value();
  field(out, "x-should-retry", wait ? "true" : "false");
  out.append(limit_fields);
  if (refusal.retry_after_s) field(out, "retry-after", std::to_string(*refusal.retry_after_s));
  if (refusal.status == 401) field(out, "www-authenticate", "Bearer");
  if (refusal.status == 405) field(out, "allow", "GET, HEAD, POST, PUT, PATCH, DELETE");
  if (!keep_alive) field(out, "connection", "close");
  out.append("\r\n");
  if (!head_only) out.append(body);
  return out;
}

}  // namespace sallyport::http
