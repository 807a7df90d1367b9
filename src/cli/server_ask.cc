// SPDX-License-Identifier: Apache-2.0
#include "cli/server_ask.h"

#include <ostream>

#include "base/json_writer.h"

namespace sallyport::cli {

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return std::string(value ? value->string().value_or("") : "");
}

std::int64_t number_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return value ? value->integer().value_or(0) : 0;
}

namespace {

Exit exit_of_status(int status) {
  if (status == 400) return kUsage;
  if (status == 401 || status == 403) return kNotPermitted;
  if (status == 404) return kNotFound;
  if (status == 409) return kConflict;
  return status >= 500 ? kUnreachable : kFailed;
}

}  // namespace

std::optional<config::Loaded> load_quietly(const Invocation& call) {
  config::Surroundings around = config::process_surroundings(call.config_file);
  around.follow_secrets = false;
  config::LoadResult loaded = config::load_file(call.config_file, around);
  if (loaded) return std::move(*loaded);
  for (const config::Problem& problem : loaded.error()) {
    complain(call, kUsage, "configuration", config::format_problem(call.config_file, problem));
  }
  return std::nullopt;
}

std::optional<JsonValue> ask_server(const Invocation& call, std::string_view method,
                                    const std::string& target, std::string_view body, int& code,
                                    int patience_s) {
  const auto loaded = load_quietly(call);
  code = kUsage;
  if (!loaded) return std::nullopt;
  const auto reply = ask_socket(loaded->config.admin.socket, method, target, body, patience_s);
  if (!reply) {
    code = complain(call, reply.error().code == Code::kDenied ? kNotPermitted : kUnreachable,
                    name(reply.error().code), reply.error().what,
                    "the running server is asked; start it with  sallyport serve");
    return std::nullopt;
  }
  const Result<JsonValue> answer = JsonValue::parse(reply->body);
  if (reply->status >= 200 && reply->status < 300 && answer) {
    code = kOk;
    return *answer;
  }
  const auto error = answer ? answer->at("error") : std::nullopt;
  code = complain(
      call, exit_of_status(reply->status), error ? text_of(*error, "code") : "unexpected_answer",
      error ? text_of(*error, "message") : "the server answered " + std::to_string(reply->status));
  return std::nullopt;
}

namespace {

void write_value(JsonWriter& json, const JsonValue& value) {
  if (value.is_object()) {
    json.begin_object();
    for (const auto& [key, member] : value.members()) {
      json.key(key);
      write_value(json, member);
    }
    json.end_object();
  } else if (value.is_array()) {
    json.begin_array();
    for (const JsonValue& item : value.items()) write_value(json, item);
    json.end_array();
  } else if (const auto text = value.string()) {
    json.value(*text);
  } else if (const auto whole = value.integer()) {
    json.value(*whole);
  } else if (const auto number = value.number()) {
    json.value(*number);
  } else if (const auto truth = value.boolean()) {
    json.value(*truth);
  } else {
    json.null();
  }
}

}  // namespace

void print_json(const Invocation& call, const JsonValue& value) {
  std::string out;
  JsonWriter json(out);
  write_value(json, value);
  call.out << out << "\n";
}

}  // namespace sallyport::cli
