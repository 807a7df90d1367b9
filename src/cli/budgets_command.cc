// SPDX-License-Identifier: Apache-2.0
// `sallyport budgets show [ACCOUNT]` and `budgets reset ACCOUNT`: asked over the admin socket,
// since the sums are in memory.
#include <fmt/format.h>

#include <ostream>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "config/load.h"
#include "event/restrictions.h"

namespace sallyport::cli {
namespace {

std::string text_of(const JsonValue& object, std::string_view name) {
  const auto member = object.at(name);
  if (!member) return "-";
  if (const auto text = member->string()) return std::string(*text);
  if (const auto number = member->integer()) return std::to_string(*number);
  if (const auto yes = member->boolean()) return *yes ? "yes" : "no";
  return "-";
}

void print_account(std::ostream& out, const JsonValue& account) {
  const std::string name = text_of(account, "account");
  const auto budgets = account.at("budgets");
  const auto items = budgets ? budgets->items() : std::vector<JsonValue>();
  for (const JsonValue& budget : items) {
    out << fmt::format("{:<40} {:<8} {:<7} {:<4} {:>16} {:>16} {:>16} {:>4}%\n", name,
                       text_of(budget, "unit"), text_of(budget, "per"),
                       text_of(budget, "hard") == "yes" ? "hard" : "soft",
                       text_of(budget, "amount"), text_of(budget, "spent"), text_of(budget, "held"),
                       text_of(budget, "share"));
  }
  const auto windows = account.at("windows");
  const auto month = windows ? windows->at("month") : std::nullopt;
  if (!items.empty() || !month) return;
  out << fmt::format("{:<40} {:<8} {:<7} {:<4} {:>16} {:>16}\n", name, "usd", "month", "-", "-",
                     text_of(*month, "usd"));
}

constexpr const char* kHeading =
    "account                                  unit     per     kind           amount            "
    "spent             held share\n";

const std::string kBudgets = "/admin/v1/budgets";

struct Reply {
  std::string text;
  JsonValue json;
};

Exit exit_of_status(int status) {
  if (status == 400) return kUsage;
  if (status == 401 || status == 403) return kNotPermitted;
  if (status == 404) return kNotFound;
  if (status == 409) return kConflict;
  return status >= 500 ? kUnreachable : kFailed;
}

// What goes wrong is told, and its exit code left in `code`.
std::optional<Reply> ask(const Invocation& call, std::string_view method, const std::string& target,
                         std::string_view body, int& code) {
  config::Surroundings around = config::process_surroundings(call.config_file);
  around.follow_secrets = false;
  const config::LoadResult loaded = config::load_file(call.config_file, around);
  if (!loaded) {
    code = complain(call, kUsage, "configuration",
                    config::format_problem(call.config_file, loaded.error().front()),
                    "sallyport config check");
    return std::nullopt;
  }
  auto reply = ask_socket(loaded->config.admin.socket, method, target, body);
  if (!reply) {
    code = complain(call, reply.error().code == Code::kDenied ? kNotPermitted : kUnreachable,
                    name(reply.error().code), reply.error().what, "start it with  sallyport serve");
    return std::nullopt;
  }
  const auto answer = JsonValue::parse(reply->body);
  if (reply->status == 200 && answer) return Reply{std::move(reply->body), *answer};
  const auto error = answer ? answer->at("error") : std::nullopt;
  std::string_view hint;
  if (reply->status == 409) hint = "if the clock is right now:  --trust-clock";
  if (reply->status == 404) hint = "sallyport budgets show";
  code = complain(call, exit_of_status(reply->status),
                  error ? text_of(*error, "code") : "unexpected_answer",
                  error ? text_of(*error, "message") : "the answer cannot be read", hint);
  return std::nullopt;
}

}  // namespace

int budgets_show(const Invocation& call, const Programs&) {
  const std::string account = call.value("account");
  const std::string target = account.empty() ? kBudgets : kBudgets + ("/" + account);
  int code = kOk;
  const auto reply = ask(call, "GET", target, {}, code);
  if (!reply) return code;
  if (call.json) {
    call.out << reply->text << "\n";
    return kOk;
  }
  call.out << kHeading;
  if (!account.empty()) {
    print_account(call.out, reply->json);
    return kOk;
  }
  const auto data = reply->json.at("data");
  for (const JsonValue& one : data ? data->items() : std::vector<JsonValue>()) {
    print_account(call.out, one);
  }
  return kOk;
}

int budgets_reset(const Invocation& call, const Programs&) {
  const std::string account = call.value("account");
  if (call.has("window") && !parse_budget_window(call.value("window"))) {
    return complain(call, kUsage, "usage",
                    "--window must be minute, hour, day, month or total, not " +
                        call.value("window").substr(0, 64));
  }
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (call.has("window")) json.field("window", call.value("window"));
  if (call.has("trust-clock")) json.field("trust_clock", true);
  json.end_object();
  int code = kOk;
  const auto reply = ask(call, "POST", kBudgets + ("/" + account + "/reset"), body, code);
  if (!reply) return code;
  if (call.json) {
    call.out << reply->text << "\n";
    return kOk;
  }
  if (call.quiet) return kOk;
  call.out << kHeading;
  print_account(call.out, reply->json);
  return kOk;
}

}  // namespace sallyport::cli
