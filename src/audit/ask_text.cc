// SPDX-License-Identifier: Apache-2.0
// The answer to the four questions, as JSON and as a short report.
#include <fmt/format.h>

#include <algorithm>

#include "audit/ask.h"
#include "base/json_writer.h"

namespace sallyport::audit {
namespace {

template <class List>
void write_list(JsonWriter& json, std::string_view name, const List& words) {
  json.key(name).begin_array();
  for (const auto& word : words) json.value(word);
  json.end_array();
}

// Points to two decimals: nobody needs more, and the text is the same everywhere.
void write_score(JsonWriter& json, double score) {
  json.key("score").raw(fmt::format("{:.2f}", score));
}

void write_reasons(JsonWriter& json, const std::vector<Reason>& reasons) {
  json.key("reasons").begin_array();
  for (const Reason& reason : reasons) {
    json.begin_object().field("reason", reason.word);
    json.key("points").raw(fmt::format("{:.2f}", reason.points));
    json.field("text", reason.text).end_object();
  }
  json.end_array();
}

void write_usd(JsonWriter& json, std::string_view name, NanoUsd amount) {
  json.key(name).raw(usd_text(amount));
}

void write_source(JsonWriter& json, const Source& source) {
  json.field("ip", source.ip)
      .field("geo", source.geo)
      .field("asn", source.asn)
      .field("network", source.network)
      .field("requests", source.requests)
      .field("refused", source.refused)
      .field("new", source.is_new)
      .field("new_address", source.new_address);
}

void write_keys(JsonWriter& json, const AskAnswer& answer) {
  json.key("keys").begin_object().field("seen", std::uint64_t{answer.keys_seen});
  json.key("found").begin_array();
  for (const KeyFinding& key : answer.keys) {
    json.begin_object().field("api_key_id", key.key).field("judgement", name(key.judgement));
    write_score(json, key.score);
    json.field("requests", key.requests)
        .field("requests_expected", key.expected)
        .field("requests_before", key.past_requests);
    json.key("days_before").raw(fmt::format("{:.1f}", key.past_days));
    write_reasons(json, key.reasons);
    json.key("sources").begin_array();
    for (const Source& source : key.sources) {
      json.begin_object();
      write_source(json, source);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
}

void write_ips(JsonWriter& json, const AskAnswer& answer) {
  json.key("ips").begin_object().field("seen", std::uint64_t{answer.ips_seen});
  json.key("found").begin_array();
  for (const IpFinding& ip : answer.ips) {
    json.begin_object();
    write_source(json, ip.source);
    json.field("judgement", name(ip.judgement));
    write_score(json, ip.score);
    write_reasons(json, ip.reasons);
    write_list(json, "keys", ip.keys);
    json.field("keys_count", std::uint64_t{ip.keys_count}).end_object();
  }
  json.end_array().end_object();
}

void write_cost(JsonWriter& json, const AskAnswer& answer) {
  json.key("cost").begin_array();
  for (const CostFinding& cost : answer.costs) {
    json.begin_object();
    if (cost.key.empty()) {
      json.key("api_key_id").null();
    } else {
      json.field("api_key_id", cost.key);
    }
    json.field("judgement", name(cost.judgement));
    write_score(json, cost.score);
    write_usd(json, "spent_usd", cost.spent);
    write_usd(json, "expected_usd", cost.expected);
    write_usd(json, "dearest_hour_usd", cost.greatest_hour);
    write_usd(json, "per_day_usd", cost.per_day);
    json.field("unpriced", cost.unpriced).field("refused_by_budget", cost.refused_by_budget);
    write_reasons(json, cost.reasons);
    json.key("budgets").begin_array();
    for (const BudgetLine& budget : cost.budgets) {
      json.begin_object()
          .field("unit", budget.unit)
          .field("per", budget.per)
          .field("amount", budget.amount)
          .field("spent", budget.spent)
          .field("share", budget.share)
          .end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void write_injection(JsonWriter& json, const AskAnswer& answer) {
  json.key("injection").begin_object().field("scored", answer.injection_scored);
  json.key("attempts_per_hour_before").raw(fmt::format("{:.2f}", answer.injection_per_hour_before));
  json.key("found").begin_array();
  for (const InjectionFinding& found : answer.injections) {
    json.begin_object();
    if (found.key.empty()) {
      json.key("api_key_id").null();
    } else {
      json.field("api_key_id", found.key);
    }
    json.field("judgement", name(found.judgement))
        .field("attempts", found.attempts)
        .field("stopped", found.stopped)
        .field("got_through", found.got_through)
        .field("open", found.open);
    json.key("score_max").raw(fmt::format("{:.3f}", static_cast<double>(found.score_max) / 1000));
    write_list(json, "categories", found.categories);
    write_list(json, "ips", found.ips);
    write_list(json, "got_through_seq", found.seqs);
    json.end_object();
  }
  json.end_array().end_object();
}

bool asked(const AskAnswer& answer, Question question) {
  return std::ranges::find(answer.questions, question) != answer.questions.end();
}

// Names of keys and models come from outside: nothing of them may command a terminal.
std::string plain(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::string place(const Source& source) {
  std::string out = source.ip.empty() ? "no address" : source.ip;
  out += " " + source.geo.value_or("??");
  if (source.asn) out += " AS" + *source.asn;
  if (source.network) out += " " + *source.network;
  return plain(out);
}

void reasons(std::string& out, const std::vector<Reason>& reasons) {
  for (const Reason& reason : reasons) {
    out += fmt::format("    {:+.1f}  {}\n", reason.points, plain(reason.text));
  }
}

template <class Findings>
std::size_t above_usual(const Findings& findings) {
  return static_cast<std::size_t>(std::ranges::count_if(
      findings, [](const auto& found) { return found.judgement != Judgement::kUsual; }));
}

void keys_text(std::string& out, const AskAnswer& answer) {
  if (answer.keys.empty()) {
    out += fmt::format("Keys: nothing unusual in {} keys.\n", answer.keys_seen);
    return;
  }
  out += fmt::format("Keys: {} of {} look unusual.\n", answer.keys.size(), answer.keys_seen);
  for (const KeyFinding& key : answer.keys) {
    out += fmt::format("  {} - {} ({:.1f} points), {} requests, usually about {}\n", plain(key.key),
                       key.judgement >= Judgement::kHigh ? "looks stolen" : "notable", key.score,
                       key.requests, key.expected);
    reasons(out, key.reasons);
    for (const Source& source : key.sources) {
      out += fmt::format("    from {}: {} requests, {} refused{}{}\n", place(source),
                         source.requests, source.refused, source.is_new ? ", new network" : "",
                         source.new_address ? ", new address" : "");
    }
  }
}

void ips_text(std::string& out, const AskAnswer& answer) {
  if (answer.ips.empty()) {
    out += fmt::format("Sources: nothing unusual in {} addresses.\n", answer.ips_seen);
    return;
  }
  out += fmt::format("Sources: {} of {} addresses look unusual.\n", answer.ips.size(),
                     answer.ips_seen);
  for (const IpFinding& ip : answer.ips) {
    out += fmt::format("  {} - {} ({:.1f} points), {} requests, {} refused", place(ip.source),
                       name(ip.judgement), ip.score, ip.source.requests, ip.source.refused);
    for (std::size_t i = 0; i < ip.keys.size(); ++i) {
      out += (i == 0 ? ", keys " : ", ") + plain(ip.keys[i]);
    }
    out += ip.keys_count > ip.keys.size()
               ? fmt::format(" and {} more\n", ip.keys_count - ip.keys.size())
               : "\n";
    reasons(out, ip.reasons);
  }
}

void cost_text(std::string& out, const AskAnswer& answer) {
  const std::size_t unusual = above_usual(answer.costs);
  out += unusual == 0 ? "Cost: nothing unusual.\n" : "Cost: more than usual.\n";
  for (const CostFinding& cost : answer.costs) {
    const bool all = cost.key.empty();
    if (!all && cost.judgement == Judgement::kUsual && cost.budgets.empty() &&
        answer.costs.size() > 1) {
      continue;
    }
    out += fmt::format("  {} - {}: ${:.4f}, usually about ${:.4f}; ${:.2f} a day at this pace\n",
                       all ? "all keys" : plain(cost.key), name(cost.judgement), cost.spent.usd(),
                       cost.expected.usd(), cost.per_day.usd());
    reasons(out, cost.reasons);
    for (const BudgetLine& budget : cost.budgets) {
      out += fmt::format("    budget: {} of {} {} per {} ({} %)\n", budget.spent, budget.amount,
                         budget.unit, budget.per, budget.share);
    }
  }
}

void injection_text(std::string& out, const AskAnswer& answer) {
  if (answer.injections.empty()) {
    out += fmt::format("Injection: no attempt in {} scored requests ({:.2f} an hour before).\n",
                       answer.injection_scored, answer.injection_per_hour_before);
    return;
  }
  std::int64_t attempts = 0, through = 0;
  for (const InjectionFinding& found : answer.injections) {
    attempts += found.attempts;
    through += found.got_through;
  }
  out += fmt::format("Injection: {} attempts, {} got through ({:.2f} attempts an hour before).\n",
                     attempts, through, answer.injection_per_hour_before);
  for (const InjectionFinding& found : answer.injections) {
    out += fmt::format("  {} - {}: {} attempts, {} stopped, {} got through, highest score {:.2f}\n",
                       found.key.empty() ? "no key" : plain(found.key), name(found.judgement),
                       found.attempts, found.stopped, found.got_through,
                       static_cast<double>(found.score_max) / 1000);
    for (const std::string& category : found.categories) out += "    " + plain(category) + "\n";
    for (const std::string& ip : found.ips) out += "    from " + plain(ip) + "\n";
    for (const std::uint64_t seq : found.seqs)
      out += fmt::format("    got through: record {}\n", seq);
  }
}

}  // namespace

std::string ask_json(const AskAnswer& answer) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .field("from_utc", format_utc(answer.from))
      .field("to_utc", format_utc(answer.at))
      .field("baseline_from_utc", format_utc(answer.baseline_from))
      .field("judgement", name(answer.worst()))
      .field("records", answer.records)
      .field("records_before", answer.past_records);
  if (asked(answer, Question::kKeys)) write_keys(json, answer);
  if (asked(answer, Question::kIps)) write_ips(json, answer);
  if (asked(answer, Question::kCost)) write_cost(json, answer);
  if (asked(answer, Question::kInjection)) write_injection(json, answer);
  write_list(json, "unknown", answer.unknown);
  json.field("open_requests", std::uint64_t{answer.open})
      .field("holds_up_to_seq", answer.end_seq - 1)
      .field("holds_up_to_utc",
             answer.until ? std::optional(format_utc(*answer.until)) : std::nullopt);
  write_list(json, "missing", answer.missing);
  json.end_object();
  return out;
}

std::string ask_text(const AskAnswer& answer) {
  std::string out =
      fmt::format("{} to {}, compared with what came after {}\n", format_utc(answer.from),
                  format_utc(answer.at), format_utc(answer.baseline_from));
  if (asked(answer, Question::kKeys)) keys_text(out, answer);
  if (asked(answer, Question::kIps)) ips_text(out, answer);
  if (asked(answer, Question::kCost)) cost_text(out, answer);
  if (asked(answer, Question::kInjection)) injection_text(out, answer);
  for (const std::string& what : answer.unknown) out += "Not known - " + what + ".\n";
  for (const std::string& what : answer.missing) out += "Missing - " + what + ".\n";
  out += fmt::format(
      "Holds up to record {}{}; {} records in this span, {} before; {} requests are "
      "still open.\n",
      answer.end_seq - 1, answer.until ? " of " + format_utc(*answer.until) : std::string(),
      answer.records, answer.past_records, answer.open);
  return out;
}

}  // namespace sallyport::audit
