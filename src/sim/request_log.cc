// SPDX-License-Identifier: Apache-2.0
#include "sim/request_log.h"

#include "base/json_writer.h"
#include "base/text.h"
#include "sim/answer.h"

namespace sallyport::sim {
namespace {

bool is_credential(std::string_view name) {
  return name == "authorization" || name == "api-key" || name == "x-api-key";
}

// "Bearer sha256:..." tells a test which key came without showing it.
std::string masked(std::string_view value) {
  constexpr std::string_view kBearer = "Bearer ";
  const bool bearer = value.starts_with(kBearer);
  if (bearer) value.remove_prefix(kBearer.size());
  return std::string(bearer ? kBearer : "") + "sha256:" + to_hex(sha256(value));
}

void write(JsonWriter& json, const LoggedRequest& request) {
  json.begin_object().field("number", request.number).field("method", request.method);
  json.field("path", request.path).field("query", request.query);
  json.key("headers").begin_array();
  for (const auto& [name, value] : request.headers) {
    json.begin_array().value(name).value(value).end_array();
  }
  json.end_array().field("body_bytes", static_cast<std::uint64_t>(request.body_bytes));
  json.field("body_sha256", request.body_sha256).field("model", request.model);
  json.field("status", request.status);
  json.field("pieces", static_cast<std::uint64_t>(request.pieces));
  json.field("finished", request.finished).field("client_left", request.client_left);
  json.field("died", request.died).end_object();
}

}  // namespace

std::shared_ptr<LoggedRequest> RequestLog::add(const net::ServerRequest& request,
                                               std::string body_sha256) {
  auto logged = std::make_shared<LoggedRequest>();
  logged->number = ++seen_;
  logged->method = request.method;
  logged->path = request.path;
  logged->query = request.query;
  for (const auto& [name, value] : request.headers) {
    logged->headers.emplace_back(name, is_credential(name) ? masked(value) : value);
  }
  logged->body_bytes = request.body.size();
  logged->body_sha256 = std::move(body_sha256);
  requests_.push_back(logged);
  if (requests_.size() > logged_max_) requests_.pop_front();
  return logged;
}

std::string RequestLog::json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("seen", seen_).key("requests").begin_array();
  for (const auto& request : requests_) write(json, *request);
  json.end_array().end_object();
  return out;
}

}  // namespace sallyport::sim
