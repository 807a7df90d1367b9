// SPDX-License-Identifier: Apache-2.0
#include "cli/restriction_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "event/money.h"

namespace sallyport::cli {
namespace {

enum class Form { kWords, kNumber, kNumbers, kText, kFlag };

struct Row {
  std::string_view option, value, help;
  std::string_view member;  // of the written form
  Form form;
};

constexpr Row kRows[] = {
    {"endpoint", "PATTERN", "Allow only such endpoints: \"POST /v1/responses\".", "endpoints",
     Form::kWords},
    {"read-only", "", "Allow only reading and counting: nothing that creates, changes or costs.",
     "read_only", Form::kFlag},
    {"model", "PATTERN", "Allow only such models: gpt-5*.", "models", Form::kWords},
    {"tool", "TYPE", "Allow only such hosted tools: web_search.", "tools", Form::kWords},
    {"output-tokens-max", "NUMBER", "Longest answer of one call, in tokens.", "output_tokens_max",
     Form::kNumber},
    {"cidr", "NETWORK", "Only from these addresses: 10.0.0.0/8.", "cidr", Form::kWords},
    {"country", "CODE", "Only from these countries: TW.", "countries", Form::kWords},
    {"network", "NUMBER", "Only from these autonomous systems: 3462.", "networks", Form::kNumbers},
    {"hours", "PERIOD", "Only in this part of the day: 07:00-22:00+08:00.", "hours", Form::kWords},
    {"certificate", "THUMBPRINT", "Only with this client certificate: its SHA-256 in base64url.",
     "certificate", Form::kText},
    {"dpop", "THUMBPRINT", "Only with DPoP proofs under this key: its thumbprint in base64url.",
     "dpop", Form::kText},
    {"rpm", "NUMBER", "At most so many requests a minute.", "rpm", Form::kNumber},
    {"tpm", "NUMBER", "At most so many tokens a minute.", "tpm", Form::kNumber},
    {"parallel", "NUMBER", "At most so many requests at once.", "parallel", Form::kNumber},
};

std::string member_json(const Row& row, const Invocation& call) {
  std::string out;
  JsonWriter json(out);
  switch (row.form) {
    case Form::kFlag:
      json.value(true);
      break;
    case Form::kText:
      json.value(call.value(row.option));
      break;
    case Form::kNumber: {
      const auto number = parse_uint(call.value(row.option));
      number ? json.value(*number) : json.value(call.value(row.option));  // a text is refused
      break;
    }
    case Form::kWords:
    case Form::kNumbers:
      json.begin_array();
      for (const std::string& word : call.all(row.option)) {
        const auto number = row.form == Form::kNumbers ? parse_uint(word) : std::nullopt;
        number ? json.value(*number) : json.value(word);
      }
      json.end_array();
      break;
  }
  return out;
}

// What is wrong with the text of a budget, and one that is right.
std::unexpected<Error> wrong_budget(bool hard, const std::string& what, std::string_view right) {
  return fail(Code::kInvalid, std::string(hard ? "--budget" : "--soft-budget") + ": " + what +
                                  "; write for example " + std::string(right));
}

// "12.50usd/day", "100000tokens/month", "50requests/minute".
Result<void> add_budget(std::string_view text, bool hard, std::string& json) {
  constexpr std::string_view kMoney = "12.50usd/day", kTokens = "100000tokens/month",
                             kRequests = "50requests/minute";
  const std::size_t slash = text.find('/');
  const std::size_t unit = std::min(text.find_first_not_of("0123456789."), text.size());
  if (unit == 0) return wrong_budget(hard, "an amount comes first", kMoney);
  if (unit < text.size() && text[unit] == ',') {
    return wrong_budget(hard, "decimals stand behind a point, not a comma", kMoney);
  }
  if (slash == std::string_view::npos || slash < unit) {
    return wrong_budget(hard, "the time it counts for is missing", kMoney);
  }
  const std::string_view amount = text.substr(0, unit), word = text.substr(unit, slash - unit);
  const bool usd = word == "usd";
  if (!usd && word != "tokens" && word != "requests") {
    return wrong_budget(hard, "the unit is usd, tokens or requests", kMoney);
  }
  if (!parse_budget_window(text.substr(slash + 1))) {
    return wrong_budget(hard, "the time is minute, hour, day, month or total", kMoney);
  }
  if (usd && !parse_usd(amount)) {
    return wrong_budget(hard, "the amount is too large, or has more than 9 decimals", kMoney);
  }
  const auto number = usd ? std::nullopt : parse_uint(amount);
  if (!usd && (!number || *number > INT64_MAX)) {
    const std::string what = amount.contains('.') ? "must be a whole number" : "is too large";
    return wrong_budget(hard, "the amount " + what, word == "tokens" ? kTokens : kRequests);
  }
  if (!json.empty()) json += ',';
  JsonWriter out(json);
  out.begin_object().key(word);
  usd ? out.value(amount) : out.value(*number);
  out.field("per", text.substr(slash + 1)).field("hard", hard).end_object();
  return {};
}

Result<void> read_member(std::string_view member, std::string_view option, const std::string& json,
                         Restrictions& into) {
  const Result<JsonValue> value = JsonValue::parse(json);
  if (!value) return fail(Code::kInvalid, "--" + std::string(option) + " cannot be read");
  const Result<void> read = read_restriction(member, *value, into);
  if (!read) return fail(Code::kInvalid, "--" + std::string(option) + ": " + read.error().what);
  return {};
}

}  // namespace

std::vector<Option> restriction_options() {
  std::vector<Option> options;
  for (const Row& row : kRows) {
    const bool many = row.form == Form::kWords || row.form == Form::kNumbers;
    options.push_back({row.option, row.value, row.help, many});
  }
  options.push_back({"no-tools", "", "Allow no hosted tool at all."});
  options.push_back({"stream", "WORD", "Allow only streams, or none.", false, {"only", "never"}});
  options.push_back({"budget", "AMOUNT",
                     "Spend at most this: 12.50usd/day, 100000tokens/month, "
                     "50requests/minute (also /hour, /total).",
                     true});
  options.push_back({"soft-budget", "AMOUNT", "Only tell when this is spent.", true});
  return options;
}

Result<Restrictions> restrictions_of(const Invocation& call, Restrictions base) {
  for (const Row& row : kRows) {
    if (!call.has(row.option)) continue;
    const Result<void> read = read_member(row.member, row.option, member_json(row, call), base);
    if (!read) return std::unexpected(read.error());
  }
  if (call.has("no-tools")) base.tools.emplace();
  if (call.has("stream")) base.stream = call.value("stream") == "only";
  if (!call.has("budget") && !call.has("soft-budget")) return base;
  std::string budgets;
  for (const bool hard : {true, false}) {
    for (const std::string& text : call.all(hard ? "budget" : "soft-budget")) {
      const Result<void> added = add_budget(text, hard, budgets);
      if (!added) return std::unexpected(added.error());
    }
  }
  const Result<void> read = read_member("budgets", "budget", "[" + budgets + "]", base);
  if (!read) return std::unexpected(read.error());
  return base;
}

std::vector<std::pair<std::string, std::string>> restriction_lines(const Restrictions& from) {
  std::vector<std::pair<std::string, std::string>> lines;
  const std::string text = restrictions_json(from);
  JsonMembers members(text);
  JsonMember member;
  while (members.next(member)) lines.emplace_back(member.key, member.value);
  return lines;
}

}  // namespace sallyport::cli
