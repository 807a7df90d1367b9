// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "base/json_reader.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "config/load.h"

namespace sallyport::cli {

int server_status(const Invocation& call, const Programs&) {
  config::Surroundings around = config::process_surroundings(call.config_file);
  around.follow_secrets = false;
  const config::LoadResult loaded = config::load_file(call.config_file, around);
  if (!loaded) {
    return complain(call, kUsage, "configuration",
                    config::format_problem(call.config_file, loaded.error().front()),
                    "sallyport config check");
  }
  const auto reply = ask_socket(loaded->config.admin.socket, "GET", "/health/readiness");
  if (!reply) {
    const Exit code = reply.error().code == Code::kDenied ? kNotPermitted : kUnreachable;
    return complain(call, code, name(reply.error().code), reply.error().what,
                    "start it with  sallyport serve");
  }
  const int code = reply->status == 200 ? kOk : kFinding;
  if (call.json) {
    call.out << reply->body << "\n";
    return code;
  }
  const auto body = JsonValue::parse(reply->body);
  const auto checks = body ? body->at("checks") : std::nullopt;
  if (!checks) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  if (call.quiet) return code;
  call.out << (code == kOk ? "ready\n" : "not ready\n");
  for (const JsonValue& check : checks->items()) {
    const auto ok = check.at("ok"), what = check.at("name"), detail = check.at("detail");
    call.out << (ok && ok->boolean() == true ? "OK    " : "FAIL  ")
             << (what ? what->string().value_or("") : "") << ": "
             << (detail ? detail->string().value_or("") : "") << "\n";
  }
  return code;
}

}  // namespace sallyport::cli
