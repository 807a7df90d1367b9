// SPDX-License-Identifier: Apache-2.0
// Questions that are answered from columns: `audit ask`, and the sums of `audit query`.
#include <fmt/format.h>

#include <ostream>
#include <utility>

#include "admin/oidc_provider.h"
#include "audit/aggregate.h"
#include "audit/ask.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "cli/audit_options.h"
#include "cli/sealing.h"
#include "cli/socket_client.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kTopMax = 100'000;
constexpr const char* kMuchToRead =
    "sallyport serve builds the columns; without them so many records are not read at once";

Result<audit::AskSpec> ask_spec(const Invocation& call) {
  audit::AskSpec spec;
  spec.at = SystemClock().now();
  if (call.has("question")) {
    const auto question = audit::parse_question(call.value("question"));
    if (!question) return fail(Code::kInvalid, "the questions are keys, ips, cost and injection");
    spec.questions.push_back(*question);
  }
  if (call.has("at")) {
    const auto at = parse_when(call.value("at"));
    if (!at) return fail(Code::kInvalid, "--at must be a time, or a duration such as 2h (ago)");
    spec.at = *at;
  }
  for (const auto& [option, into] :
       {std::pair{"since", &spec.since}, std::pair{"baseline", &spec.baseline}}) {
    if (!call.has(option)) continue;
    const auto span = parse_duration(call.value(option));
    if (!span) return fail(Code::kInvalid, fmt::format("--{} must be a duration: 5m, 2h", option));
    *into = *span;
  }
  if (call.has("key")) spec.key = call.value("key");
  return spec;
}

std::string ask_target(const audit::AskSpec& spec, bool text) {
  std::string target = "/admin/v1/audit/ask?at=" + admin::form_encode(format_utc(spec.at)) +
                       "&since=" + admin::form_encode(format_duration(spec.since)) +
                       "&baseline=" + admin::form_encode(format_duration(spec.baseline));
  for (const audit::Question question : spec.questions) {
    target += "&question=" + std::string(name(question));
  }
  if (spec.key) target += "&key=" + admin::form_encode(*spec.key);
  return target + (text ? "&format=text" : "");
}

// The running server has the columns in memory, and knows the budgets. Nothing when there is none,
// or none that answers this: then the files are read.
std::optional<std::string> ask_server(const config::Config& config, const audit::AskSpec& spec,
                                      bool text) {
  const auto reply = ask_socket(config.admin.socket, "GET", ask_target(spec, text));
  if (!reply || reply->status != 200) return std::nullopt;
  return reply->body;
}

// What a script asks for first: was something found?
bool is_bad_news(const std::string& json) {
  const auto parsed = JsonValue::parse(json);
  if (!parsed) return false;
  const auto judgement = parsed->at("judgement");
  const auto word = judgement ? judgement->string() : std::nullopt;
  return word == name(audit::Judgement::kHigh) || word == name(audit::Judgement::kCritical);
}

// --status means what it means for single records, as far as a column can know.
Result<std::vector<audit::Condition>> conditions_of(const Invocation& call) {
  auto conditions = read_conditions(call);
  if (!conditions) return conditions;
  for (const auto& [option, field] : {std::pair{"ip", "ip="}, std::pair{"status", "status="},
                                      std::pair{"model", "model="}, std::pair{"kind", "kind="}}) {
    if (!call.has(option)) continue;
    const bool open = call.value(option) == "open" && option == std::string_view("status");
    auto condition = audit::parse_condition(field + (open ? "null" : call.value(option)));
    if (!condition) return std::unexpected(condition.error());
    conditions->push_back(std::move(*condition));
    if (open) conditions->push_back(audit::word_is(audit::Column::kKind, "intent"));
  }
  if (call.has("key")) {
    auto condition = audit::word_is(audit::Column::kKey, call.value("key"));
    condition.columns = {audit::Column::kKey, audit::Column::kKid, audit::Column::kClaimedKid};
    conditions->push_back(std::move(condition));
  }
  if (call.has("endpoint")) {
    audit::Condition condition{.columns = {audit::Column::kEndpoint}};
    condition.word = [begins = call.value("endpoint")](std::optional<std::string_view> word) {
      if (!word) return false;
      const std::size_t blank = word->find(' ');
      return word->starts_with(begins) ||
             (blank != std::string_view::npos && word->substr(blank + 1).starts_with(begins));
    };
    conditions->push_back(std::move(condition));
  }
  return conditions;
}

Result<audit::AggregateSpec> aggregate_spec(const Invocation& call) {
  audit::AggregateSpec spec;
  audit::Period period;
  if (const auto read = read_period(call, period); !read) return std::unexpected(read.error());
  spec.selection.since = period.since;
  spec.selection.until = period.until;
  auto conditions = conditions_of(call);
  if (!conditions) return std::unexpected(conditions.error());
  spec.selection.conditions = std::move(*conditions);
  spec.selection.all_intents = call.has("kind") && call.value("kind") == "intent";
  for (const std::string& field : call.all("group-by")) {
    const auto column = audit::find_column(field);
    if (!column) return fail(Code::kInvalid, "there is no column \"" + field + "\"");
    spec.group_by.push_back(*column);
  }
  if (call.has("bucket")) {
    const auto bucket = parse_duration(call.value("bucket"));
    if (!bucket || bucket->count() < 1'000) {
      return fail(Code::kInvalid, "--bucket must be a duration of at least 1s");
    }
    spec.bucket = *bucket;
  }
  if (call.has("measure")) spec.measures.clear();
  for (const std::string& text : call.all("measure")) {
    const auto measure = audit::parse_measure(text);
    if (!measure) return std::unexpected(measure.error());
    spec.measures.push_back(*measure);
  }
  if (call.has("top")) {
    const auto top = parse_uint(call.value("top"));
    if (!top || *top == 0 || *top > kTopMax) {
      return fail(Code::kInvalid, "--top must be a number from 1 on");
    }
    spec.top = static_cast<std::size_t>(*top);
  }
  return spec;
}

}  // namespace

bool asks_for_sums(const Invocation& call) {
  for (const char* option : {"group-by", "bucket", "top", "measure", "csv"}) {
    if (call.has(option)) return true;
  }
  return false;
}

int audit_sums(const Invocation& call, const std::string& journal) {
  for (const char* option : {"request-id", "limit", "oldest-first"}) {
    if (!call.has(option)) continue;
    return complain(call, kUsage, "invalid", fmt::format("--{} is about single records", option),
                    "sallyport help audit query");
  }
  const auto spec = aggregate_spec(call);
  if (!spec) return complain(call, spec.error(), "sallyport help audit query");
  audit::PosixFileSystem files;
  const auto sealing = Sealing::for_reading(call, files);
  auto columns = read_columns(files, journal, sealing ? &sealing->sealer() : nullptr);
  if (!columns) return complain(call, columns.error(), kMuchToRead);
  const auto answer = (*columns)->answer(
      [&](const audit::ColumnSnapshot& now) { return audit::aggregate(now, *spec); });
  if (!answer) return complain(call, answer.error());
  if (call.json) {
    call.out << audit::aggregate_json(*spec, *answer) << '\n';
    return kOk;
  }
  call.out << (call.has("csv") ? audit::aggregate_csv(*spec, *answer)
                               : audit::aggregate_table(*spec, *answer));
  if (call.quiet) return kOk;
  for (const std::string& what : answer->missing) call.err << "missing: " << what << '\n';
  call.err << fmt::format("{} records in {} groups; holds up to record {}{}; {} requests open\n",
                          answer->count.picked, answer->groups, answer->end_seq - 1,
                          answer->until ? " of " + format_utc(*answer->until) : std::string(),
                          answer->open);
  return kOk;
}

int audit_ask(const Invocation& call, const Programs&) {
  const auto config = config_of(call);
  if (!config) return kUsage;
  const auto spec = ask_spec(call);
  if (!spec) return complain(call, spec.error(), "sallyport help audit ask");
  if (!call.has("offline")) {
    if (const auto json = ask_server(*config, *spec, false)) {
      const auto text = call.json ? json : ask_server(*config, *spec, true);
      if (text) {
        call.out << *text << (call.json ? "\n" : "");
        return is_bad_news(*json) ? kFinding : kOk;
      }
    }
  }
  audit::PosixFileSystem files;
  const auto sealing = Sealing::for_reading(call, files);
  auto columns = read_columns(files, config->audit.path, sealing ? &sealing->sealer() : nullptr);
  if (!columns) return complain(call, columns.error(), kMuchToRead);
  const auto answer =
      (*columns)->answer([&](const audit::ColumnSnapshot& now) { return audit::ask(now, *spec); });
  if (!answer) return complain(call, answer.error());
  call.out << (call.json ? audit::ask_json(*answer) + "\n" : audit::ask_text(*answer));
  return answer->worst() >= audit::Judgement::kHigh ? kFinding : kOk;
}

}  // namespace sallyport::cli
