// SPDX-License-Identifier: Apache-2.0
#include "event/restrictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "event/money.h"
#include "event/scope_pattern.h"

namespace sallyport {
namespace {

constexpr std::size_t kListMax = 256;
constexpr std::size_t kWordBytesMax = 256;
constexpr std::int64_t kNetworkMax = 4'294'967'295;  // autonomous system numbers have 32 bits
constexpr int kMinutesOfDay = 24 * 60;
constexpr int kOffsetMax = 14 * 60;  // the farthest zone there is

std::unexpected<Error> wrong(std::string_view member, std::string_view must) {
  return fail(Code::kInvalid, std::string(member) + " must be " + std::string(must));
}

bool valid_word(std::string_view text) {
  return !text.empty() && text.size() <= kWordBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

// A name that somebody reads: no control characters.
bool valid_text(std::string_view text) {
  return !text.empty() && text.size() <= kWordBytesMax && std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

bool valid_country(std::string_view text) {
  return text.size() == 2 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Reads a list whose entries `read(item)` turns into a value or nothing.
template <typename T, typename Read>
Result<void> read_list(std::string_view member, std::string_view must, const JsonValue& value,
                       std::vector<T>& into, Read read) {
  if (!value.is_array()) return wrong(member, must);
  const std::vector<JsonValue> items = value.items();
  if (items.size() > kListMax) return wrong(member, "a list of at most 256 entries");
  into.clear();
  for (const JsonValue& item : items) {
    std::optional<T> entry = read(item);
    if (!entry) return wrong(member, must);
    into.push_back(std::move(*entry));
  }
  return {};
}

Result<void> read_words(std::string_view member, std::string_view must, const JsonValue& value,
                        std::vector<std::string>& into, bool (*valid)(std::string_view)) {
  return read_list(member, must, value, into,
                   [valid](const JsonValue& item) -> std::optional<std::string> {
                     const auto text = item.string();
                     if (!text || !valid(*text)) return std::nullopt;
                     return std::string(*text);
                   });
}

Result<void> read_count(std::string_view member, const JsonValue& value,
                        std::optional<std::int64_t>& into) {
  into = value.integer();
  if (!into || *into < 0) return wrong(member, "a whole number from 0 to 9223372036854775807");
  return {};
}

Result<void> read_thumbprint(std::string_view member, const JsonValue& value,
                             std::optional<std::string>& into) {
  const auto text = value.string();
  if (!text || !valid_thumbprint(*text)) {
    return wrong(member, "a SHA-256 in base64url, 43 characters without padding");
  }
  into = std::string(*text);
  return {};
}

std::optional<std::int64_t> read_usd(const JsonValue& value) {
  std::optional<NanoUsd> amount;
  if (const auto text = value.string()) {
    amount = parse_usd(*text);
  } else if (const auto number = value.number()) {
    amount = parse_usd_number(fmt::format("{}", *number));  // the shortest text that is the number
  }
  if (!amount) return std::nullopt;
  return amount->nano;
}

Result<void> read_budget(const JsonValue& value, Budget& into) {
  constexpr std::string_view kForm =
      "{\"usd\":\"12.50\" or \"tokens\":N or \"requests\":N, "
      "\"per\":\"minute|hour|day|month|total\", \"hard\":true}";
  if (!value.is_object()) return wrong("budgets", kForm);
  bool window = false;
  int amounts = 0;
  for (const auto& [member, part] : value.members()) {
    std::optional<std::int64_t> amount;
    if (member == "per") {
      const auto text = part.string();
      const auto read = text ? parse_budget_window(*text) : std::nullopt;
      if (!read) return wrong("budgets.per", "minute, hour, day, month or total");
      into.window = *read;
      window = true;
      continue;
    }
    if (member == "hard") {
      const auto hard = part.boolean();
      if (!hard) return wrong("budgets.hard", "true or false");
      into.hard = *hard;
      continue;
    }
    if (member == "usd") {
      into.unit = BudgetUnit::kNanoUsd;
      amount = read_usd(part);
      if (!amount) {
        return wrong("budgets.usd",
                     "an amount such as \"12.50\": not negative, at most 9 decimals");
      }
    } else if (member == "tokens" || member == "requests") {
      into.unit = member == "tokens" ? BudgetUnit::kTokens : BudgetUnit::kRequests;
      const Result<void> read = read_count("budgets." + std::string(member), part, amount);
      if (!read) return read;
    } else {
      return fail(Code::kInvalid, "unknown member budgets." + std::string(member.substr(0, 64)));
    }
    into.amount = *amount;
    ++amounts;
  }
  if (!window || amounts != 1) return wrong("budgets", kForm);
  return {};
}

Result<void> read_budgets(const JsonValue& value, std::vector<Budget>& into) {
  if (!value.is_array()) return wrong("budgets", "a list");
  const std::vector<JsonValue> items = value.items();
  if (items.size() > kListMax) return wrong("budgets", "a list of at most 256 entries");
  into.clear();
  for (const JsonValue& item : items) {
    const Result<void> read = read_budget(item, into.emplace_back());
    if (!read) return read;
  }
  return {};
}

Result<void> read_flag(std::string_view member, const JsonValue& value, bool& into) {
  const auto truth = value.boolean();
  if (!truth) return wrong(member, "true or false");
  into = *truth;
  return {};
}

// --- The members, one row each.

struct Member {
  std::string_view name;
  Result<void> (*read)(std::string_view, const JsonValue&, Restrictions&);
};

constexpr Member kMembers[] = {
    {"endpoints",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_words(m, "a list of \"METHOD /path\" patterns", v, r.endpoints,
                         valid_endpoint_pattern);
     }},
    {"read_only", [](std::string_view m, const JsonValue& v,
                     Restrictions& r) { return read_flag(m, v, r.read_only); }},
    {"models",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_words(m, "a list of models, exact or a prefix that ends in *", v, r.models,
                         valid_model_pattern);
     }},
    {"tools",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_words(m, "a list of types of hosted tools", v, r.tools.emplace(), valid_word);
     }},
    {"stream", [](std::string_view m, const JsonValue& v,
                  Restrictions& r) { return read_flag(m, v, r.stream.emplace()); }},
    {"output_tokens_max", [](std::string_view m, const JsonValue& v,
                             Restrictions& r) { return read_count(m, v, r.output_tokens_max); }},
    {"modules",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_words(m, "a list of modules", v, r.modules, valid_text);
     }},
    {"purposes",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_words(m, "a list of purposes", v, r.purposes, valid_text);
     }},
    {"cidr",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_list(m, "a list of networks such as \"10.0.0.0/8\"", v, r.sources,
                        [](const JsonValue& item) {
                          const auto text = item.string();
                          return text ? Cidr::parse(*text) : std::nullopt;
                        });
     }},
    {"countries",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_words(m, "a list of countries of two capitals, such as \"TW\"", v, r.countries,
                         valid_country);
     }},
    {"networks",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_list(m, "a list of numbers of autonomous systems", v, r.networks,
                        [](const JsonValue& item) -> std::optional<std::int64_t> {
                          const auto asn = item.integer();
                          return asn && *asn >= 1 && *asn <= kNetworkMax ? asn : std::nullopt;
                        });
     }},
    {"hours",
     [](std::string_view m, const JsonValue& v, Restrictions& r) {
       return read_list(m, "a list of parts of the day such as \"07:00-22:00+08:00\"", v, r.hours,
                        [](const JsonValue& item) {
                          const auto text = item.string();
                          return text ? parse_day_hours(*text) : std::nullopt;
                        });
     }},
    {"certificate", [](std::string_view m, const JsonValue& v,
                       Restrictions& r) { return read_thumbprint(m, v, r.certificate); }},
    {"dpop", [](std::string_view m, const JsonValue& v,
                Restrictions& r) { return read_thumbprint(m, v, r.dpop); }},
    {"budgets", [](std::string_view, const JsonValue& v,
                   Restrictions& r) { return read_budgets(v, r.limits.budgets); }},
    {"rpm", [](std::string_view m, const JsonValue& v,
               Restrictions& r) { return read_count(m, v, r.limits.requests_per_minute); }},
    {"tpm", [](std::string_view m, const JsonValue& v,
               Restrictions& r) { return read_count(m, v, r.limits.tokens_per_minute); }},
    {"parallel", [](std::string_view m, const JsonValue& v,
                    Restrictions& r) { return read_count(m, v, r.limits.parallel_max); }},
};

// --- Writing

void write_words(JsonWriter& json, std::string_view member, std::span<const std::string> words) {
  if (words.empty()) return;
  json.key(member).begin_array();
  for (const std::string& word : words) json.value(word);
  json.end_array();
}

template <typename T>
void write_present(JsonWriter& json, std::string_view member, const std::optional<T>& value) {
  if (value) json.field(member, *value);
}

void write_budgets(JsonWriter& json, const std::vector<Budget>& budgets) {
  if (budgets.empty()) return;
  json.key("budgets").begin_array();
  for (const Budget& budget : budgets) {
    json.begin_object();
    if (budget.unit == BudgetUnit::kNanoUsd) json.field("usd", usd_text({budget.amount}));
    if (budget.unit == BudgetUnit::kTokens) json.field("tokens", budget.amount);
    if (budget.unit == BudgetUnit::kRequests) json.field("requests", budget.amount);
    json.field("per", name(budget.window)).field("hard", budget.hard).end_object();
  }
  json.end_array();
}

// --- Hours

// "HH:MM" at the front of `text`, which loses it.
std::optional<int> take_clock(std::string_view& text) {
  if (text.size() < 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_uint(text.substr(0, 2)), minute = parse_uint(text.substr(3, 2));
  if (!hour || !minute || *hour > 24 || *minute > 59) return std::nullopt;
  text.remove_prefix(5);
  return static_cast<int>(*hour * 60 + *minute);
}

std::optional<int> parse_offset(std::string_view text) {
  if (text == "Z") return 0;
  if (!text.starts_with('+') && !text.starts_with('-')) return std::nullopt;
  const bool west = text.front() == '-';
  text.remove_prefix(1);
  const auto minutes = take_clock(text);
  if (!minutes || !text.empty() || *minutes > kOffsetMax) return std::nullopt;
  return west ? -*minutes : *minutes;
}

std::string clock_text(int minutes) {
  return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
}

}  // namespace

bool Restrictions::empty() const { return *this == Restrictions{}; }

std::string restrictions_json(const Restrictions& restrictions) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_restrictions(json, restrictions);
  json.end_object();
  return out;
}

void write_restrictions(JsonWriter& json, const Restrictions& r) {
  write_words(json, "endpoints", r.endpoints);
  if (r.read_only) json.field("read_only", true);
  write_words(json, "models", r.models);
  if (r.tools) {
    json.key("tools").begin_array();
    for (const std::string& tool : *r.tools) json.value(tool);
    json.end_array();
  }
  write_present(json, "stream", r.stream);
  write_present(json, "output_tokens_max", r.output_tokens_max);
  write_words(json, "modules", r.modules);
  write_words(json, "purposes", r.purposes);
  std::vector<std::string> sources, hours;
  for (const Cidr& source : r.sources) sources.push_back(source.text());
  for (const DayHours& part : r.hours) hours.push_back(day_hours_text(part));
  write_words(json, "cidr", sources);
  write_words(json, "countries", r.countries);
  if (!r.networks.empty()) {
    json.key("networks").begin_array();
    for (const std::int64_t asn : r.networks) json.value(asn);
    json.end_array();
  }
  write_words(json, "hours", hours);
  write_present(json, "certificate", r.certificate);
  write_present(json, "dpop", r.dpop);
  write_budgets(json, r.limits.budgets);
  write_present(json, "rpm", r.limits.requests_per_minute);
  write_present(json, "tpm", r.limits.tokens_per_minute);
  write_present(json, "parallel", r.limits.parallel_max);
}

Result<void> read_restriction(std::string_view member, const JsonValue& value, Restrictions& into) {
  const auto row = std::ranges::find(kMembers, member, &Member::name);
  if (row == std::end(kMembers)) {
    return fail(Code::kNotFound, "unknown member " + std::string(member.substr(0, 64)));
  }
  return row->read(member, value, into);
}

Result<Restrictions> parse_restrictions(std::string_view json) {
  const Result<JsonValue> document = JsonValue::parse(json);
  if (!document || !document->is_object()) {
    return fail(Code::kInvalid, "restrictions must be a JSON object without repeated members");
  }
  Restrictions restrictions;
  for (const auto& [member, value] : document->members()) {
    const Result<void> read = read_restriction(member, value, restrictions);
    if (!read) return fail(Code::kInvalid, read.error().what);
  }
  return restrictions;
}

std::optional<DayHours> parse_day_hours(std::string_view text) {
  const auto from = take_clock(text);
  if (!from || !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  const auto to = take_clock(text);
  const auto offset = to ? parse_offset(text) : std::nullopt;
  if (!offset || *from >= kMinutesOfDay || *to > kMinutesOfDay || *from == *to) return std::nullopt;
  return DayHours{.from_minute = static_cast<std::int16_t>(*from),
                  .to_minute = static_cast<std::int16_t>(*to),
                  .offset_minutes = static_cast<std::int16_t>(*offset)};
}

std::string day_hours_text(const DayHours& hours) {
  std::string text = clock_text(hours.from_minute) + "-" + clock_text(hours.to_minute);
  if (hours.offset_minutes == 0) return text + "Z";
  text += hours.offset_minutes < 0 ? '-' : '+';
  return text + clock_text(std::abs(hours.offset_minutes));
}

bool contains(const DayHours& hours, UtcTime now) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
  std::int64_t minute = (minutes + hours.offset_minutes) % kMinutesOfDay;
  if (minute < 0) minute += kMinutesOfDay;
  if (hours.from_minute < hours.to_minute) {
    return minute >= hours.from_minute && minute < hours.to_minute;
  }
  return minute >= hours.from_minute || minute < hours.to_minute;
}

std::string_view name(BudgetWindow window) {
  switch (window) {
    case BudgetWindow::kMinute:
      return "minute";
    case BudgetWindow::kHour:
      return "hour";
    case BudgetWindow::kDay:
      return "day";
    case BudgetWindow::kMonth:
      return "month";
    case BudgetWindow::kTotal:
      return "total";
  }
  return "total";
}

std::optional<BudgetWindow> parse_budget_window(std::string_view text) {
  for (const BudgetWindow window : {BudgetWindow::kMinute, BudgetWindow::kHour, BudgetWindow::kDay,
                                    BudgetWindow::kMonth, BudgetWindow::kTotal}) {
    if (text == name(window)) return window;
  }
  return std::nullopt;
}

bool valid_thumbprint(std::string_view text) {
  if (text.size() != 43) return false;
  const auto bytes = base64url_decode(text);
  return bytes && bytes->size() == 32;
}

}  // namespace sallyport
