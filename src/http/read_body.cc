// SPDX-License-Identifier: Apache-2.0
#include "http/read_body.h"

#include <utility>

#include "base/json_reader.h"
#include "base/log.h"
#include "base/text.h"
#include "exchange/spool.h"
#include "http/inflate.h"
#include "http/multipart.h"

namespace sallyport::http {
namespace {

constexpr std::size_t kReserveBytesMax = 1 << 20;  // a length is a promise, not memory

Refusal bad(const char* code, std::string message, int status = 400) {
  return {.status = status, .code = code, .message = std::move(message), .close = true};
}

Refusal spool_full(const Error& error) {
  log::error("spool.write_failed", {{"reason", error.what}});
  return {.status = 503,
          .code = "spool_unavailable",
          .message = "The gateway cannot keep this upload at the moment.",
          .type = "server_error",
          .retry_after_s = 5,
          .close = true};
}

// Not the caller's fault: the memory for bodies is taken by others at the moment.
Refusal overloaded() {
  return {.status = 503,
          .code = "overloaded",
          .message = "The gateway holds as many large requests as it may. Try again in a moment.",
          .type = "server_error",
          .retry_after_s = 1,
          .close = true};
}

struct MediaType {
  std::string type;             // lower case
  std::string_view parameters;  // from the first ';'
};

MediaType media_type(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  return {lower_ascii(trim_ows(value.substr(0, semicolon))),
          semicolon == std::string_view::npos ? std::string_view() : value.substr(semicolon)};
}

// JSON is UTF-8 (RFC 8259): another charset would be read differently by somebody.
bool utf8_parameters(std::string_view parameters) {
  const std::string text = lower_ascii(trim_ows(parameters));
  if (text.empty() || text == ";") return true;
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return false;
  const std::string_view name = trim_ows(std::string_view(text).substr(1, equals - 1));
  std::string_view value = trim_ows(std::string_view(text).substr(equals + 1));
  return name == "charset" && (value == "utf-8" || value == "\"utf-8\"" || value == "utf8");
}

Refusal not_json(const Error& why) {
  if (why.what == "duplicate_key") {
    return bad("duplicate_json_key", "The request body has the same JSON key twice in one object.");
  }
  if (why.what == "too_deep" || why.what == "too_wide") {
    return bad("json_too_complex", "The request body is nested too deeply or has too many keys.");
  }
  return bad("invalid_json", "The request body is not a JSON object in UTF-8.");
}

// What a body turned out to be, and what later stages decide on.
struct Checked {
  Result<void> json;
  std::optional<std::string> model;
  bool stream = false;
};

Checked check(std::string_view bytes) {
  Checked checked;
  checked.json = check_json(bytes);
  if (!checked.json) return checked;
  JsonMembers members(bytes);
  JsonMember member;
  while (members.next(member)) {
    if (member.key.size() > 16) continue;
    const std::string key = json_unescape(member.key);
    if (key == "model") checked.model = json_string(member.value);
    if (key == "stream") checked.stream = member.value == "true";
  }
  return checked;
}

bool expects_no_body(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

}  // namespace

Refusal body_too_large() {
  return bad("body_too_large", "The request body is larger than this gateway accepts.", 413);
}

// The body did not arrive whole: timed out, malformed framing, or the client went away.
Refusal broken_body(const Error& error) {
  if (error.code == Code::kExhausted) {
    return bad("request_timeout", "The request body did not arrive in time.", 408);
  }
  if (error.code == Code::kDenied) return body_too_large();
  if (error.code == Code::kUnavailable) return bad("client_gone", "The client went away.", 499);
  return bad("malformed_body", "The request body's framing is malformed.");
}

Task<std::optional<Refusal>> ReadBody::admit(Exchange& x) {
  if (x.incoming == nullptr || x.incoming_length == 0) co_return std::nullopt;
  if (expects_no_body(x.method)) {
    co_return bad("body_not_allowed", "A request with this method has no body.");
  }
  const std::string_view encoding = x.header("content-encoding").value_or("identity");
  const bool gzip = equal_ascii_nocase(encoding, "gzip");
  if (!gzip && !equal_ascii_nocase(encoding, "identity")) {
    co_return bad("unsupported_content_encoding", "Only gzip is accepted as a content coding.",
                  415);
  }
  const MediaType media = media_type(x.header("content-type").value_or(""));
  if (media.type == "application/json" && utf8_parameters(media.parameters)) {
    std::optional<Refusal> refusal = co_await read_json(x, gzip);
    co_return refusal;
  }
  if (gzip) {
    co_return bad("unsupported_content_encoding", "Only JSON may be compressed.", 415);
  }
  if (media.type == "multipart/form-data") {
    auto boundary = multipart_boundary(media.parameters);
    if (!boundary)
      co_return bad("malformed_multipart", "The multipart boundary is missing or malformed.");
    std::optional<Refusal> refusal = co_await read_multipart(x, std::move(*boundary));
    co_return refusal;
  }
  if (media.type == "application/sdp" && media.parameters.empty()) {
    std::optional<Refusal> refusal = co_await read_opaque(x);
    co_return refusal;
  }
  co_return bad("unsupported_media_type", "The request's content type is not accepted here.", 415);
}

Task<std::optional<Refusal>> ReadBody::read_json(Exchange& x, bool gzip) {
  if (x.incoming_length && *x.incoming_length > config_.body_bytes_max) co_return body_too_large();
  std::string& bytes = x.body.bytes;
  if (x.incoming_length && !gzip)
    bytes.reserve(std::min<std::size_t>(*x.incoming_length, kReserveBytesMax));
  std::optional<Inflate> inflate;
  if (gzip) inflate.emplace(config_.body_bytes_max);
  for (;;) {
    const Result<std::string_view> piece = co_await x.incoming->pull();
    if (!piece) co_return broken_body(piece.error());
    if (piece->empty()) break;
    if (!inflate) {
      if (bytes.size() + piece->size() > config_.body_bytes_max) co_return body_too_large();
      if (!x.body.memory.grow(memory_, bytes.size() + piece->size())) co_return overloaded();
      bytes.append(*piece);
      continue;
    }
    const Result<void> fed = inflate->feed(*piece, bytes);
    if (!fed && fed.error().code == Code::kExhausted) co_return body_too_large();
    if (!fed) co_return bad("malformed_content_encoding", "The compressed body cannot be decoded.");
    if (!x.body.memory.grow(memory_, bytes.size())) co_return overloaded();
  }
  if (inflate && !inflate->finish()) {
    co_return bad("malformed_content_encoding", "The compressed body is cut off.");
  }
  x.request_bytes = bytes.size();
  if (bytes.empty()) co_return std::nullopt;

  Checked checked;
  if (bytes.size() <= kOffloadBytes) {
    checked = check(bytes);
  } else {
    BodyMemory::Share tree;
    if (!tree.grow(memory_, bytes.size() * kParseFactor)) co_return overloaded();
    // The bytes travel to the other thread and back, so that nothing dangles if this exchange dies.
    struct Large {
      std::string bytes;
      Checked checked;
    };
    auto large = std::make_shared<Large>();
    large->bytes = std::move(bytes);
    std::function<void()> work = [large] { large->checked = check(large->bytes); };
    co_await offload_.run(*x.loop, std::move(work));
    bytes = std::move(large->bytes);
    checked = std::move(large->checked);
  }
  if (!checked.json) co_return not_json(checked.json.error());
  x.model = std::move(checked.model);
  x.stream = checked.stream;
  x.body.kind = BodyKind::kJson;
  x.body.content_type = "application/json";
  co_return std::nullopt;
}

Task<std::optional<Refusal>> ReadBody::read_multipart(Exchange& x, std::string boundary) {
  if (x.incoming_length && *x.incoming_length > config_.upload_bytes_max)
    co_return body_too_large();
  x.body.spool = std::make_unique<Spool>(config_.spool_directory, config_.spool_memory_bytes_max);
  Multipart form(boundary);
  for (;;) {
    const Result<std::string_view> piece = co_await x.incoming->pull();
    if (!piece) co_return broken_body(piece.error());
    if (piece->empty()) break;
    if (x.body.spool->size() + piece->size() > config_.upload_bytes_max) co_return body_too_large();
    if (!form.feed(*piece)) {
      log::debug("multipart.refused", {{"reason", form.reason()}});
      co_return bad("malformed_multipart", "The multipart body is malformed.");
    }
    const Result<void> kept = x.body.spool->append(*piece);
    if (!kept) co_return spool_full(kept.error());
  }
  if (!form.complete()) co_return bad("malformed_multipart", "The multipart body is cut off.");
  x.request_bytes = x.body.spool->size();
  x.body.kind = BodyKind::kMultipart;
  x.body.content_type = "multipart/form-data; boundary=\"" + boundary + "\"";
  const auto model = form.fields().find("model");
  if (model != form.fields().end()) x.model = model->second;
  const auto stream = form.fields().find("stream");
  if (stream != form.fields().end()) x.stream = stream->second == "true";
  co_return std::nullopt;
}

Task<std::optional<Refusal>> ReadBody::read_opaque(Exchange& x) {
  static constexpr std::size_t kSdpBytesMax = 64 * 1024;
  x.body.spool = std::make_unique<Spool>(config_.spool_directory, kSdpBytesMax);
  for (;;) {
    const Result<std::string_view> piece = co_await x.incoming->pull();
    if (!piece) co_return broken_body(piece.error());
    if (piece->empty()) break;
    if (x.body.spool->size() + piece->size() > kSdpBytesMax) co_return body_too_large();
    const Result<void> kept = x.body.spool->append(*piece);
    if (!kept) co_return spool_full(kept.error());
  }
  x.request_bytes = x.body.spool->size();
  x.body.kind = BodyKind::kOpaque;
  x.body.content_type = "application/sdp";
  co_return std::nullopt;
}

}  // namespace sallyport::http
