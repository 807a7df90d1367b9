// SPDX-License-Identifier: Apache-2.0
#include "cli/restriction_options.h"

#include <fmt/format.h>

#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

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

// "12.50usd/day", "100000tokens/month", "50requests/minute".
Result<void> add_budget(std::string_view text, bool hard, std::string& json) {
  const std::size_t slash = text.find('/');
  const std::size_t unit = text.find_first_not_of("0123456789.");
  if (slash == std::string_view::npos || unit == 0 || unit >= slash) {
    return fail(Code::kInvalid, "--budget must be like 12.50usd/day or 100000tokens/month");
  }
  const std::string_view amount = text.substr(0, unit), word = text.substr(unit, slash - unit);
  if (!json.empty()) json += ',';
  const bool usd = word == "usd";
  const auto number = parse_uint(amount);
  if (!usd && !number)
    return fail(Code::kInvalid,
                "--budget must have a whole number of " + std::string(word.substr(0, 32)));
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
