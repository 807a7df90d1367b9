// SPDX-License-Identifier: Apache-2.0
#include "cli/key_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "cli/house.h"

namespace sallyport::cli {
namespace {

Exit exit_of_status(int status) {
  if (status == 400) return kUsage;
  if (status == 401 || status == 403) return kNotPermitted;
  if (status == 404) return kNotFound;
  if (status == 409) return kConflict;
  return status >= 500 ? kUnreachable : kFailed;
}

std::vector<JsonValue> items_of(const JsonValue& object, std::string_view member) {
  const auto list = object.at(member);
  return list ? list->items() : std::vector<JsonValue>();
}

}  // namespace

int exit_of_unasked(const Error& error) {
  return error.code == Code::kDenied ? kNotPermitted : exit_of(error);
}

int unreadable(const Invocation& call) {
  return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
}

int complain_of(const Invocation& call, const SocketReply& reply, std::string_view hint) {
  std::string message = "the server answered " + std::to_string(reply.status);
  std::string code = "unexpected_answer";
  const auto body = JsonValue::parse(reply.body);
  if (const auto error = body ? body->at("error") : std::nullopt) {
    message = text_of(*error, "message");
    code = text_of(*error, "code");
  }
  return complain(call, exit_of_status(reply.status), code, message, hint);
}

std::string text_or(const JsonValue& object, std::string_view member, std::string_view none) {
  std::string text = text_of(object, member);
  return text.empty() ? std::string(none) : text;
}

void tell_warnings(const Invocation& call, const JsonValue& answer) {
  if (call.quiet || call.json) return;
  for (const JsonValue& warning : items_of(answer, "warnings")) {
    call.err << "warning: " << warning.string().value_or("") << "\n";
  }
}

int tell_in_force(const Invocation& call, const JsonValue& answer) {
  const auto durable = answer.at("durable"), recorded = answer.at("recorded");
  if (durable && durable->boolean() == false) {
    return complain(call, kUnreachable, "not_durable",
                    "it is in force in the running server, but the store did not take it yet",
                    "keep the server running until the store answers; see its log");
  }
  if (recorded && recorded->boolean() == false) {
    return complain(call, kFailed, "not_recorded", "it is done, but the journal took no record");
  }
  return kOk;
}

int tell_ended(const Invocation& call, const SocketReply& reply, const char* sentence,
               const char* already) {
  if (call.json) call.out << reply.body << "\n";
  const auto done = JsonValue::parse(reply.body);
  if (!done) return unreadable(call);
  std::vector<std::string> unchanged;
  for (const JsonValue& kid : items_of(*done, "unchanged")) {
    if (already != nullptr) unchanged.emplace_back(kid.string().value_or(""));
  }
  const std::vector<JsonValue> keys = items_of(*done, "data");
  std::string said;  // of one that was so before
  for (const JsonValue& key : keys) {
    const std::string name = text_or(key, "name"), kid = text_or(key, "kid");
    const bool was_so = std::ranges::find(unchanged, kid) != unchanged.end();
    const std::string line = fmt::format(fmt::runtime(was_so ? already : sentence), name, kid);
    if (was_so) said = line;
    if (!call.quiet && !call.json && unchanged.size() < keys.size()) call.err << line << "\n";
  }
  const int in_force = tell_in_force(call, *done);
  if (in_force != kOk || unchanged.empty() || unchanged.size() < keys.size()) return in_force;
  return complain(call, kConflict, "nothing_changed", said);
}

int print_list(const Invocation& call, const std::string& target, std::span<const Column> columns,
               ListWords words) {
  const auto reply = ask_house(call, "GET", target);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, words.hint);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto body = JsonValue::parse(reply->body);
  if (!body || !body->at("data")) return unreadable(call);
  const std::vector<JsonValue> rows = items_of(*body, "data");
  if (rows.empty()) {
    if (!call.quiet) call.err << words.empty << "\n";
    return kOk;
  }
  const auto print = [&](auto&& cell) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const bool last = i + 1 == columns.size();
      call.out << fmt::format("{:<{}}{}", cell(columns[i]), last ? 0 : columns[i].width,
                              last ? "\n" : " ");
    }
  };
  print([](const Column& column) { return std::string(column.title); });
  for (const JsonValue& row : rows) {
    print([&](const Column& column) { return text_or(row, column.member, column.none); });
  }
  return kOk;
}

}  // namespace sallyport::cli
