// SPDX-License-Identifier: Apache-2.0
#include "admin/audit_routes.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "audit/aggregate.h"
#include "base/text.h"
#include "event/money.h"
#include "keys/form.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kTopMax = 10'000;
constexpr std::size_t kRowsMax = 10'000;  // of one answer; beyond it `top` or a condition helps

std::vector<std::string> split(std::string_view text, char mark) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(mark), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Result<std::chrono::milliseconds> span(const std::string& name, const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration) return fail(Code::kInvalid, name + " must be a duration such as 5m");
  return *duration;
}

// "15m" is that long ago; else a time of RFC 3339.
Result<UtcTime> moment(const std::string& name, const std::string& text, UtcTime now) {
  if (const auto ago = parse_duration(text)) return now - *ago;
  const auto time = parse_utc(text);
  if (!time) return fail(Code::kInvalid, name + " must be a duration or a time");
  return *time;
}

struct AskWish {
  audit::AskSpec spec;
  bool text = false;
};

Result<AskWish> parse_ask(const keys::Form& query, UtcTime now) {
  AskWish wish;
  wish.spec.at = now;
  for (const auto& [name, value] : query) {
    if (name == "question") {
      for (const std::string& word : split(value, ',')) {
        const auto question = audit::parse_question(word);
        if (!question) return fail(Code::kInvalid, "question is keys, ips, cost or injection");
        wish.spec.questions.push_back(*question);
      }
    } else if (name == "since" || name == "baseline") {
      const auto length = span(name, value);
      if (!length) return std::unexpected(length.error());
      (name == "since" ? wish.spec.since : wish.spec.baseline) = *length;
    } else if (name == "at") {
      const auto at = moment(name, value, now);
      if (!at) return std::unexpected(at.error());
      wish.spec.at = *at;
    } else if (name == "key") {
      wish.spec.key = value;
    } else if (name == "format" && (value == "json" || value == "text")) {
      wish.text = value == "text";
    } else {
      return fail(Code::kInvalid, "there is no parameter " + name);
    }
  }
  return wish;
}

struct SumWish {
  audit::AggregateSpec spec;
  bool csv = false;
};

Result<void> parse_lists(const std::string& name, const std::string& value,
                         audit::AggregateSpec& spec) {
  if (name == "where") {
    for (const std::string& text : split(value, ';')) {
      auto condition = audit::parse_condition(text);
      if (!condition) return std::unexpected(condition.error());
      spec.selection.conditions.push_back(std::move(*condition));
    }
  } else if (name == "group_by") {
    for (const std::string& field : split(value, ',')) {
      const auto column = audit::find_column(field);
      if (!column) return fail(Code::kInvalid, "group_by: there is no such column");
      spec.group_by.push_back(*column);
    }
  } else {
    spec.measures.clear();
    for (const std::string& text : split(value, ',')) {
      const auto measure = audit::parse_measure(text);
      if (!measure) return std::unexpected(measure.error());
      spec.measures.push_back(*measure);
    }
  }
  return {};
}

Result<SumWish> parse_sums(const keys::Form& query, UtcTime now) {
  SumWish wish;
  audit::AggregateSpec& spec = wish.spec;
  for (const auto& [name, value] : query) {
    if (name == "where" || name == "group_by" || name == "measure") {
      if (const auto read = parse_lists(name, value, spec); !read) {
        return std::unexpected(read.error());
      }
    } else if (name == "since" || name == "until") {
      const auto at = moment(name, value, now);
      if (!at) return std::unexpected(at.error());
      (name == "since" ? spec.selection.since : spec.selection.until) = *at;
    } else if (name == "bucket") {
      const auto length = span(name, value);
      if (!length) return std::unexpected(length.error());
      if (length->count() < 1'000) return fail(Code::kInvalid, "bucket is at least 1s");
      spec.bucket = *length;
    } else if (name == "top") {
      const auto top = parse_uint(value);
      if (!top || *top == 0 || *top > kTopMax) return fail(Code::kInvalid, "top is 1 to 10000");
      spec.top = static_cast<std::size_t>(*top);
    } else if (name == "intents" && (value == "true" || value == "false")) {
      spec.selection.all_intents = value == "true";
    } else if (name == "format" && (value == "json" || value == "csv")) {
      wish.csv = value == "csv";
    } else {
      return fail(Code::kInvalid, "there is no parameter " + name);
    }
  }
  return wish;
}

Result<keys::Form> query_of(const AdminRequest& request) {
  return request.http.query.empty() ? keys::Form() : keys::parse_form(request.http.query);
}

net::ServerResponse refusal(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return error_answer(400, "invalid_question", error.what);
    case Code::kExhausted:
      return error_answer(422, "too_much", error.what);
    default:
      return error_answer(503, "columns_unavailable", "The columns cannot be read.");
  }
}

// Shared with the work, which may outlive the request.
struct Work {
  std::function<net::ServerResponse()> ask;
  std::optional<net::ServerResponse> answer;
};

class AuditRoutes {
 public:
  explicit AuditRoutes(AuditRouteParts parts) : parts_(std::move(parts)) {}

  Task<net::ServerResponse> ask(AdminRequest request) {
    const auto query = query_of(request);
    if (!query) return at_once(error_answer(400, "invalid_question", "The query cannot be read."));
    auto wish = parse_ask(*query, parts_.clock.now());
    if (!wish) return at_once(refusal(wish.error()));
    wish->spec.budgets = parts_.budgets;
    return away([this, wish = std::move(*wish)] {
      const auto answer = parts_.columns.answer(
          [&](const audit::ColumnSnapshot& now) { return audit::ask(now, wish.spec); });
      if (!answer) return refusal(answer.error());
      return wish.text ? text_answer(200, "text/plain; charset=utf-8", audit::ask_text(*answer))
                       : json_answer(200, audit::ask_json(*answer));
    });
  }

  Task<net::ServerResponse> sums(AdminRequest request) {
    const auto query = query_of(request);
    if (!query) return at_once(error_answer(400, "invalid_question", "The query cannot be read."));
    auto wish = parse_sums(*query, parts_.clock.now());
    if (!wish) return at_once(refusal(wish.error()));
    return away([this, wish = std::move(*wish)] {
      const auto answer = parts_.columns.answer(
          [&](const audit::ColumnSnapshot& now) { return audit::aggregate(now, wish.spec); });
      if (!answer) return refusal(answer.error());
      if (answer->rows.size() > kRowsMax) {
        return error_answer(422, "too_much", "More than 10000 rows: ask for the top, or less.");
      }
      return wish.csv ? text_answer(200, "text/csv; charset=utf-8",
                                    audit::aggregate_csv(wish.spec, *answer))
                      : json_answer(200, audit::aggregate_json(wish.spec, *answer));
    });
  }

 private:
  Task<net::ServerResponse> away(std::function<net::ServerResponse()> ask) {
    auto work = std::make_shared<Work>();
    work->ask = std::move(ask);
    if (under_way_.fetch_add(1) >= kAuditQuestionsMax) {
      under_way_.fetch_sub(1);
      return at_once(error_answer(429, "busy", "Other questions are being answered."));
    }
    return wait(std::move(work));
  }

  Task<net::ServerResponse> wait(std::shared_ptr<Work> work) {
    std::function<void()> act = [this, work] {
      work->answer.emplace(work->ask());
      under_way_.fetch_sub(1);
    };
    co_await parts_.questions.run(parts_.loop, std::move(act));
    co_return std::move(*work->answer);
  }

  const AuditRouteParts parts_;
  std::atomic<int> under_way_{0};
};

}  // namespace

std::function<std::vector<audit::BudgetLine>(const std::string& key)> budget_lines_of(
    const meter::Ledger& ledger) {
  return [&ledger](const std::string& key) {
    std::vector<audit::BudgetLine> lines;
    for (const meter::AccountView& view : ledger.show("key:" + key, 1)) {
      for (const Budget& budget : view.budgets) {
        const auto unit = static_cast<std::size_t>(budget.unit);
        const auto window = static_cast<std::size_t>(budget.window);
        const std::int64_t spent = view.state.windows[window].settled[unit];
        const bool money = budget.unit == BudgetUnit::kNanoUsd;
        const auto text = [&](std::int64_t n) { return money ? usd_text({n}) : std::to_string(n); };
        const double share = 100.0 * static_cast<double>(spent) /
                             static_cast<double>(std::max<std::int64_t>(budget.amount, 1));
        lines.push_back({.unit = std::string(meter::name(budget.unit)),
                         .per = std::string(name(budget.window)),
                         .amount = text(budget.amount),
                         .spent = text(spent),
                         .share = static_cast<std::int64_t>(std::min(share, 1e6))});
      }
    }
    return lines;
  };
}

void add_audit_routes(Routes& routes, AuditRouteParts parts) {
  const auto own = std::make_shared<AuditRoutes>(std::move(parts));
  routes.add({.method = "GET",
              .path = "/admin/v1/audit/ask",
              .least = Role::kViewer,
              .summary = "Which key looks stolen, from where, what does it cost, was there "
                         "injection? `question`, `since`, `baseline`, `at`, `key`, `format`.",
              .handle = handler(own, &AuditRoutes::ask)});
  routes.add({.method = "GET",
              .path = "/admin/v1/audit/sums",
              .least = Role::kViewer,
              .summary = "Sums over the record: `where`, `group_by`, `bucket`, `measure`, `top`, "
                         "`since`, `until`, `intents`, `format`.",
              .handle = handler(own, &AuditRoutes::sums)});
}

}  // namespace sallyport::admin
