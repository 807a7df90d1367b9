// SPDX-License-Identifier: Apache-2.0
// One call and its answer, before time and sockets come in: the endpoint families are functions
// from Call to Answer, so that a test can hold a whole answer in its hands.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "net/http_server.h"
#include "sim/behaviour.h"
#include "sim/caller.h"

namespace sallyport::sim {

// The pieces of a streamed answer, one a call; an empty one is the end.
using Script = std::move_only_function<std::string()>;

// What a call is charged for; grows while a stream is generated.
struct Bill {
  std::string_view endpoint;           // of the Usage API: "completions"
  std::int64_t input = 0, output = 0;  // tokens
  std::int64_t units = 0;              // images, characters, seconds
};

struct Answer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;  // used when there is no script
  Script script;
  std::string error_event;  // what an error in the middle of the script looks like
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::shared_ptr<const Bill> bill = {};  // nothing: free of charge
};

struct Call {
  const net::ServerRequest& request;
  std::optional<JsonValue> body = {};  // a JSON object; nothing if the body is none
  std::string model = {};              // empty if the call names none
  Behaviour behaviour = {};
  std::string digest = {};   // 64 hex digits of seed and request: same request, same answer
  std::int64_t created = 0;  // seconds since 1970
  std::optional<Caller> caller = {};  // of the data API, once the credential is accepted

  std::optional<JsonValue> at(std::string_view name) const {
    return body ? body->at(name) : std::nullopt;
  }
  std::string text(std::string_view name, std::string_view otherwise = {}) const;
  bool flag(std::string_view name, bool otherwise) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  // "chatcmpl-" and 24 digits of the digest; `salt` tells several ids of one answer apart.
  std::string id(std::string_view prefix, std::string_view salt = {}) const;
};

struct ApiError {
  int status;
  std::string_view type;
  std::string message;
  std::optional<std::string_view> param = std::nullopt;
  std::optional<std::string_view> code = std::nullopt;
};
std::string error_json(const ApiError& error);
Answer error_answer(const ApiError& error);
Answer missing_parameter(std::string_view name);
// The error of that name ("500", "429-quota"); an internal error for a name nobody knows.
Answer error_named(std::string_view name, const Behaviour& behaviour);

// "data: ...\n\n", with an event line if there is a type.
std::string sse(std::string_view data, std::string_view type = {});

std::string sha256(std::string_view bytes);  // 32 bytes

}  // namespace sallyport::sim
