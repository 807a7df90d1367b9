// SPDX-License-Identifier: Apache-2.0
#include "event/event.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport {
namespace {

struct KindName {
  Kind kind;
  std::string_view name;
};
constexpr KindName kKindNames[] = {
    {Kind::kRequest, "request"},   {Kind::kIntent, "intent"},   {Kind::kProgress, "progress"},
    {Kind::kAdmin, "admin"},       {Kind::kAction, "action"},   {Kind::kBreaker, "breaker"},
    {Kind::kProvider, "provider"}, {Kind::kFinding, "finding"}, {Kind::kIncident, "incident"},
};

constexpr std::string_view kSeverityNames[] = {"info", "low", "medium", "high", "critical"};

// The journal adds ,"synced":N,"seq":N,"crc":"xxxxxxxx"} and a newline.
constexpr std::size_t kTailBytesMax = 96;

// Bytes before JSON escapes (an escape makes at most six of one). What is longer is cut at a
// character and ends in a mark, so that nobody takes a cut name for a whole one.
constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kItemBytesMax = 64;
constexpr std::size_t kItemsMax = 32;
constexpr std::size_t kDetailBytesMax = 32'768;
constexpr std::string_view kCutMark = "\xE2\x80\xA6";

struct Metadata {};  // module and purpose
struct Detail {};    // raw JSON
struct Truncated {};

using Member =
    std::variant<UtcTime Event::*, std::string Event::*, std::optional<std::string> Event::*,
                 std::optional<std::int64_t> Event::*, std::optional<int> Event::*,
                 std::optional<NanoUsd> Event::*, std::optional<bool> Event::*, Kind Event::*,
                 std::uint64_t Event::*, std::map<std::string, std::int64_t> Event::*,
                 std::optional<Injection> Event::*, std::vector<std::string> Event::*,
                 std::shared_ptr<const Finding> Event::*, Metadata, Detail, Truncated>;

enum class Presence {
  kAlways,    // null when unknown
  kIfKnown,   // left out when null
  kElsewhere  // read here, written by append_event and the journal
};

struct Field {
  std::string_view name;
  Member member;
  Presence presence;
};

constexpr Presence kAlways = Presence::kAlways;
constexpr Presence kIfKnown = Presence::kIfKnown;

// The one table of field names: writer, parser and docs/events.md all follow it, in this order.
const auto kFields = std::to_array<Field>({
    {"timestamp_utc", &Event::timestamp_utc, kAlways},
    {"api_key_id", &Event::api_key_id, kAlways},
    {"endpoint", &Event::endpoint, kAlways},
    {"model", &Event::model, kAlways},
    {"latency_ms", &Event::latency_ms, kAlways},
    {"tokens_input", &Event::tokens_input, kAlways},
    {"tokens_output", &Event::tokens_output, kAlways},
    {"ip", &Event::ip, kAlways},
    {"geo", &Event::geo, kAlways},
    {"status", &Event::status, kAlways},
    {"error", &Event::error, kAlways},
    {"metadata", Metadata{}, kAlways},
    {"kind", &Event::kind, kAlways},
    {"request_id", &Event::request_id, kAlways},
    {"kid", &Event::kid, kIfKnown},
    {"claimed_kid", &Event::claimed_kid, kIfKnown},
    {"layer", &Event::layer, kIfKnown},
    {"tid", &Event::tid, kIfKnown},
    {"provider_key_id", &Event::provider_key_id, kIfKnown},
    {"upstream", &Event::upstream, kIfKnown},
    {"asn", &Event::asn, kIfKnown},
    {"network", &Event::network, kIfKnown},
    {"tokens_cached", &Event::tokens_cached, kIfKnown},
    {"tokens_estimated", &Event::tokens_estimated, kIfKnown},
    {"estimated_input_tokens", &Event::estimated_input_tokens, kIfKnown},
    {"input_count", &Event::input_count, kIfKnown},
    {"reserved_tokens", &Event::reserved_tokens, kIfKnown},
    {"reserved_usd", &Event::reserved_usd, kIfKnown},
    {"charged_tokens", &Event::charged_tokens, kIfKnown},
    {"charged_usd", &Event::charged_usd, kIfKnown},
    {"cost_usd", &Event::cost_usd, kIfKnown},
    {"price_estimated", &Event::price_estimated, kIfKnown},
    {"provider_usage_usd", &Event::provider_usage_usd, kIfKnown},
    {"provider_usage_age_s", &Event::provider_usage_age_s, kIfKnown},
    {"stream", &Event::stream, kIfKnown},
    {"upstream_status", &Event::upstream_status, kIfKnown},
    {"upstream_request_id", &Event::upstream_request_id, kIfKnown},
    {"asked_again", &Event::asked_again, kIfKnown},
    {"ttft_ms", &Event::ttft_ms, kIfKnown},
    {"request_bytes", &Event::request_bytes, kIfKnown},
    {"response_bytes", &Event::response_bytes, kIfKnown},
    {"pii", &Event::pii, kIfKnown},
    {"injection", &Event::injection, kIfKnown},
    {"output", &Event::output_flags, kIfKnown},
    {"finding", &Event::finding, kIfKnown},
    {"action", &Event::action, kIfKnown},
    {"actor", &Event::actor, kIfKnown},
    {"detail", Detail{}, kIfKnown},
    {"repeated", &Event::repeated, kIfKnown},
    {"time_raised_ms", &Event::time_raised_ms, kIfKnown},
    {"trunc", Truncated{}, kIfKnown},
    {"seq", &Event::seq, Presence::kElsewhere},
});

// At most `bytes_max` bytes, never half a UTF-8 character.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  std::size_t end = bytes_max - kCutMark.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// The object on one line: blanks outside strings go, U+2028 and U+2029 become escapes. `object` is
// checked JSON, so control characters cannot stand inside its strings.
std::string one_line(std::string_view object) {
  std::string out;
  out.reserve(object.size());
  bool quoted = false;
  for (std::size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
    if (quoted &&
        (object.substr(i, 3) == "\xE2\x80\xA8" || object.substr(i, 3) == "\xE2\x80\xA9")) {
      out += object[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
      continue;
    }
    out += c;
    if (c == '"') quoted = !quoted;
    if (c == '\\' && quoted && i + 1 < object.size()) out += object[++i];
  }
  return out;
}

// Writes one field. `items_max` and `detail_bytes_max` shrink when a whole line was too long.
struct FieldWriter {
  JsonWriter& json;
  const Event& event;
  std::string_view name;
  bool always;
  std::size_t items_max;
  std::size_t detail_bytes_max;
  bool& truncated;

  void text(std::string_view value, std::size_t bytes_max) {
    if (value.size() <= bytes_max) {
      json.value(value);
      return;
    }
    truncated = true;
    std::string shortened(cut(value, bytes_max));
    shortened += kCutMark;
    json.value(shortened);
  }

  bool absent() {
    if (always) json.key(name).null();
    return true;
  }

  void list(const std::vector<std::string>& values) {
    json.begin_array();
    for (std::size_t i = 0; i < values.size() && i < items_max; ++i) text(values[i], kItemBytesMax);
    json.end_array();
    if (values.size() > items_max) truncated = true;
  }

  void operator()(UtcTime Event::* member) { json.field(name, format_utc(event.*member)); }
  void operator()(Kind Event::* member) { json.field(name, sallyport::name(event.*member)); }
  void operator()(std::uint64_t Event::*) {}  // Presence::kElsewhere
  void operator()(std::string Event::* member) {
    if ((event.*member).empty() && absent()) return;
    json.key(name);
    text(event.*member, kTextBytesMax);
  }
  void operator()(std::optional<std::string> Event::* member) {
    if (!(event.*member) && absent()) return;
    json.key(name);
    text(*(event.*member), kTextBytesMax);
  }
  void operator()(std::optional<NanoUsd> Event::* member) {
    if (!(event.*member) && absent()) return;
    json.key(name).raw(usd_text(*(event.*member)));
  }
  template <class Number>
  void operator()(std::optional<Number> Event::* member) {
    if (!(event.*member) && absent()) return;
    json.field(name, *(event.*member));
  }
  void operator()(std::map<std::string, std::int64_t> Event::* member) {
    const auto& counts = event.*member;
    if (counts.empty()) return;
    json.key(name).begin_object();
    std::size_t written = 0;
    for (const auto& [type, count] : counts) {
      if (written++ == items_max) break;
      if (type.size() > kItemBytesMax) truncated = true;
      json.field(std::string_view(type).substr(0, kItemBytesMax), count);
    }
    json.end_object();
    if (counts.size() > items_max) truncated = true;
  }
  void operator()(std::optional<Injection> Event::* member) {
    if (!(event.*member)) return;
    const Injection& injection = *(event.*member);
    json.key(name).begin_object().field("score", injection.score);
    json.key("verdict");
    text(injection.verdict, kItemBytesMax);
    json.key("categories");
    list(injection.categories);
    json.key("role");
    text(injection.role, kItemBytesMax);
    json.end_object();
  }
  void operator()(std::shared_ptr<const Finding> Event::* member) {
    if (!(event.*member)) return;
    const Finding& finding = *(event.*member);
    json.key(name).begin_object().key("detector");
    text(finding.detector, kItemBytesMax);
    json.field("severity", sallyport::name(finding.severity)).field("score", finding.score);
    json.key("summary");
    text(finding.summary, kTextBytesMax);
    json.key("tags");
    list(finding.tags);
    if (!finding.incident_id.empty()) {
      json.key("incident_id");
      text(finding.incident_id, kItemBytesMax);
    }
    json.end_object();
  }
  void operator()(std::vector<std::string> Event::* member) {
    if ((event.*member).empty()) return;
    json.key(name).begin_object().key("flags");
    list(event.*member);
    json.end_object();
  }
  void operator()(Metadata) {
    json.key(name).begin_object();
    json.key("module");
    text(event.module, kTextBytesMax);
    json.key("purpose");
    text(event.purpose, kTextBytesMax);
    json.end_object();
  }
  void operator()(Detail) {
    if (!event.detail) return;
    json.key(name);
    const std::size_t bytes = event.detail->size();
    if (bytes > detail_bytes_max) {
      // Half an object is no object: say how much is missing.
      truncated = true;
      json.begin_object().field("cut_bytes", static_cast<std::uint64_t>(bytes)).end_object();
    } else if (!check_json(*event.detail)) {
      json.begin_object().field("unreadable", true).end_object();
    } else {
      json.raw(one_line(*event.detail));
    }
  }
  void operator()(Truncated) {
    if (truncated || event.trunc.value_or(false)) json.field(name, true);
  }
};

void append_fields(std::string& out, const Event& event, std::size_t items_max,
                   std::size_t detail_bytes_max) {
  JsonWriter json(out);
  json.begin_object();
  bool truncated = false;
  for (const Field& field : kFields) {
    std::visit(FieldWriter{json, event, field.name, field.presence == Presence::kAlways, items_max,
                           detail_bytes_max, truncated},
               field.member);
  }
}

// Reads one value that is not null; false when its type is wrong.
struct FieldReader {
  const JsonValue& value;
  Event& event;

  // A fraction is rounded: others log milliseconds as 12.5.
  std::optional<std::int64_t> integer() const {
    if (const auto whole = value.integer()) return whole;
    const auto number = value.number();
    if (!number || !(std::fabs(*number) < 9e15)) return std::nullopt;
    return std::llround(*number);
  }
  static bool strings(const JsonValue& list, std::vector<std::string>& out) {
    if (!list.is_array()) return false;
    for (const JsonValue& item : list.items()) {
      const auto text = item.string();
      if (!text) return false;
      out.emplace_back(*text);
    }
    return true;
  }
  static bool text(const JsonValue& object, std::string_view key, std::string& out) {
    const auto member = object.at(key);
    if (!member || member->is_null()) return true;
    const auto found = member->string();
    if (found) out = *found;
    return found.has_value();
  }

  bool operator()(UtcTime Event::* member) const {
    const auto text = value.string();
    const auto time = text ? parse_utc(*text) : std::nullopt;
    if (time) event.*member = *time;
    return time.has_value();
  }
  bool operator()(Kind Event::* member) const {
    const auto text = value.string();
    const auto kind = text ? parse_kind(*text) : std::nullopt;
    if (kind) event.*member = *kind;
    return kind.has_value();
  }
  bool operator()(std::uint64_t Event::* member) const {
    const auto number = value.integer();
    if (!number || *number < 0) return false;
    event.*member = static_cast<std::uint64_t>(*number);
    return true;
  }
  bool operator()(std::string Event::* member) const {
    const auto text = value.string();
    if (text) event.*member = *text;
    return text.has_value();
  }
  bool operator()(std::optional<std::string> Event::* member) const {
    const auto text = value.string();
    if (text) event.*member = std::string(*text);
    return text.has_value();
  }
  bool operator()(std::optional<std::int64_t> Event::* member) const {
    event.*member = integer();
    return (event.*member).has_value();
  }
  bool operator()(std::optional<int> Event::* member) const {
    const auto number = integer();
    if (!number || *number < 0 || *number > std::numeric_limits<int>::max()) return false;
    event.*member = static_cast<int>(*number);
    return true;
  }
  // A double holds every billionth of amounts up to four million dollars; no call costs that.
  bool operator()(std::optional<NanoUsd> Event::* member) const {
    const auto usd = value.number();
    if (!usd || !(std::fabs(*usd) < 9e9)) return false;
    event.*member = NanoUsd{std::llround(*usd * static_cast<double>(kNanoUsdPerUsd))};
    return true;
  }
  bool operator()(std::optional<bool> Event::* member) const {
    event.*member = value.boolean();
    return (event.*member).has_value();
  }
  bool operator()(std::map<std::string, std::int64_t> Event::* member) const {
    if (!value.is_object()) return false;
    for (const auto& [type, count] : value.members()) {
      const auto number = count.integer();
      if (!number) return false;
      (event.*member)[std::string(type)] = *number;
    }
    return true;
  }
  bool operator()(std::optional<Injection> Event::* member) const {
    if (!value.is_object()) return false;
    Injection injection;
    if (const auto score = value.at("score"); score && !score->is_null()) {
      const auto number = score->number();
      if (!number) return false;
      injection.score = *number;
    }
    if (!text(value, "verdict", injection.verdict)) return false;
    if (!text(value, "role", injection.role)) return false;
    const auto categories = value.at("categories");
    if (categories && !strings(*categories, injection.categories)) return false;
    event.*member = std::move(injection);
    return true;
  }
  bool operator()(std::shared_ptr<const Finding> Event::* member) const {
    if (!value.is_object()) return false;
    auto finding = std::make_shared<Finding>();
    if (const auto score = value.at("score"); score && !score->is_null()) {
      const auto number = score->number();
      if (!number) return false;
      finding->score = *number;
    }
    std::string severity;
    if (!text(value, "severity", severity)) return false;
    if (!severity.empty()) {
      const auto known = parse_severity(severity);
      if (!known) return false;
      finding->severity = *known;
    }
    const auto tags = value.at("tags");
    if (tags && !strings(*tags, finding->tags)) return false;
    const bool read = text(value, "detector", finding->detector) &&
                      text(value, "summary", finding->summary) &&
                      text(value, "incident_id", finding->incident_id);
    event.*member = std::move(finding);
    return read;
  }
  bool operator()(std::vector<std::string> Event::* member) const {
    if (!value.is_object()) return false;
    const auto flags = value.at("flags");
    return !flags || strings(*flags, event.*member);
  }
  bool operator()(Metadata) const {
    return value.is_object() && text(value, "module", event.module) &&
           text(value, "purpose", event.purpose);
  }
  bool operator()(Detail) const { return value.is_object(); }  // its raw text is taken afterwards
  bool operator()(Truncated) const {
    event.trunc = value.boolean();
    return event.trunc.has_value();
  }
};

// Lines come in the table's order, so the search starts where the last one ended.
const Field* find_field(std::string_view name, std::size_t& hint) {
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    const std::size_t at = (hint + i) % kFields.size();
    if (kFields[at].name != name) continue;
    hint = at + 1;
    return &kFields[at];
  }
  return nullptr;
}

std::string raw_member(std::string_view line, std::string_view key) {
  JsonMembers members(line);
  JsonMember member;
  while (members.next(member)) {
    if (json_unescape(member.key) == key) return std::string(member.value);
  }
  return {};
}

std::string_view type_of(const Member& member) {
  struct Type {
    std::string_view operator()(UtcTime Event::*) const { return "time"; }
    std::string_view operator()(std::string Event::*) const { return "string"; }
    std::string_view operator()(std::optional<std::string> Event::*) const { return "string"; }
    std::string_view operator()(Kind Event::*) const { return "string"; }
    std::string_view operator()(std::optional<std::int64_t> Event::*) const { return "integer"; }
    std::string_view operator()(std::optional<int> Event::*) const { return "integer"; }
    std::string_view operator()(std::uint64_t Event::*) const { return "integer"; }
    std::string_view operator()(std::optional<NanoUsd> Event::*) const { return "number"; }
    std::string_view operator()(std::optional<bool> Event::*) const { return "boolean"; }
    std::string_view operator()(Truncated) const { return "boolean"; }
    std::string_view operator()(std::map<std::string, std::int64_t> Event::*) const {
      return "object";
    }
    std::string_view operator()(std::optional<Injection> Event::*) const { return "object"; }
    std::string_view operator()(std::vector<std::string> Event::*) const { return "object"; }
    std::string_view operator()(std::shared_ptr<const Finding> Event::*) const { return "object"; }
    std::string_view operator()(Metadata) const { return "object"; }
    std::string_view operator()(Detail) const { return "object"; }
  };
  return std::visit(Type{}, member);
}

}  // namespace

std::string_view name(Kind kind) {
  for (const KindName& row : kKindNames) {
    if (row.kind == kind) return row.name;
  }
  return "request";
}

std::optional<Kind> parse_kind(std::string_view text) {
  for (const KindName& row : kKindNames) {
    if (row.name == text) return row.kind;
  }
  return std::nullopt;
}

std::string_view name(Severity severity) {
  return kSeverityNames[static_cast<std::size_t>(severity)];
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (std::size_t i = 0; i < std::size(kSeverityNames); ++i) {
    if (kSeverityNames[i] == text) return static_cast<Severity>(i);
  }
  return std::nullopt;
}

std::vector<EventField> event_fields() {
  std::vector<EventField> fields;
  for (const Field& field : kFields) {
    fields.push_back({field.name, type_of(field.member), field.presence == Presence::kAlways});
  }
  return fields;
}

void append_event_open(std::string& out, const Event& event) {
  const std::size_t start = out.size();
  append_fields(out, event, kItemsMax, kDetailBytesMax);
  if (out.size() - start + kTailBytesMax <= kEventLineBytesMax) return;

  // Only long lists and a long detail can fill a line; without them it always fits.
  out.resize(start);
  append_fields(out, event, kItemsMax / 8, 0);
}

void append_event(std::string& out, const Event& event) {
  append_event_open(out, event);
  out += ",\"seq\":";
  out += std::to_string(event.seq);
  out += '}';
}

Result<Event> parse_event(std::string_view line) {
  if (line.size() > kEventLineBytesMax) return fail(Code::kInvalid, "the line is too long");
  const Result<JsonValue> document = JsonValue::parse(line);
  if (!document || !document->is_object()) return fail(Code::kInvalid, "not a JSON object");

  Event event;
  bool timed = false;
  bool detailed = false;
  std::size_t hint = 0;
  for (const auto& [name, value] : document->members()) {
    const Field* field = find_field(name, hint);
    if (field == nullptr || value.is_null()) continue;
    if (!std::visit(FieldReader{value, event}, field->member)) {
      return fail(Code::kInvalid, "wrong type: " + std::string(field->name));
    }
    timed = timed || field->name == "timestamp_utc";
    detailed = detailed || std::holds_alternative<Detail>(field->member);
  }
  if (!timed) return fail(Code::kInvalid, "no timestamp_utc");
  if (detailed) event.detail = raw_member(line, "detail");
  return event;
}

}  // namespace sallyport
