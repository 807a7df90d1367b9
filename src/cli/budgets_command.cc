// SPDX-License-Identifier: Apache-2.0
// `sallyport budgets show [ACCOUNT]`: asked over the admin socket, since the sums are in memory.
#include <fmt/format.h>

#include <ostream>

#include "base/json_reader.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "config/load.h"

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

}  // namespace

int budgets_show(const Invocation& call, const Programs&) {
  config::Surroundings around = config::process_surroundings(call.config_file);
  around.follow_secrets = false;
  const config::LoadResult loaded = config::load_file(call.config_file, around);
  if (!loaded) {
    return complain(call, kUsage, "configuration",
                    config::format_problem(call.config_file, loaded.error().front()),
                    "sallyport config check");
  }
  const std::string account = call.value("account");
  std::string target = "/admin/v1/budgets";
  if (!account.empty()) target += "/" + account;
  const auto reply = ask_socket(loaded->config.admin.socket, "GET", target);
  if (!reply) {
    const Exit code = reply.error().code == Code::kDenied ? kNotPermitted : kUnreachable;
    return complain(call, code, name(reply.error().code), reply.error().what,
                    "start it with  sallyport serve");
  }
  if (reply->status == 404) {
    return complain(call, kFailed, "account_not_found",
                    "no call with a budget has used this account yet");
  }
  const auto body = JsonValue::parse(reply->body);
  if (reply->status != 200 || !body) {
    return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  }
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  call.out << kHeading;
  if (!account.empty()) {
    print_account(call.out, *body);
    return kOk;
  }
  const auto data = body->at("data");
  for (const JsonValue& one : data ? data->items() : std::vector<JsonValue>()) {
    print_account(call.out, one);
  }
  return kOk;
}

}  // namespace sallyport::cli
