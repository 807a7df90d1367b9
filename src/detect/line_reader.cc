// SPDX-License-Identifier: Apache-2.0
#include "detect/line_reader.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

namespace sallyport::detect {
namespace {

// A value as it stands in the line: text between quotes, or raw.
struct Value {
  enum Kind : std::uint8_t { kText, kNumber, kNull, kTrue, kFalse, kObject, kArray } kind = kNull;
  std::string_view text;
};

class Scanner {
 public:
  explicit Scanner(std::string_view line) : at_(line.data()), end_(line.data() + line.size()) {}

  bool eat(char c) {
    skip();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool done() {
    skip();
    return at_ == end_;
  }

  // A string without escapes or control characters; false for any other.
  bool text(std::string_view& out) {
    if (!eat('"')) return false;
    const char* begin = at_;
    const auto* close =
        static_cast<const char*>(std::memchr(at_, '"', static_cast<std::size_t>(end_ - at_)));
    if (close == nullptr) return false;
    out = {begin, static_cast<std::size_t>(close - begin)};
    if (std::memchr(begin, '\\', out.size()) != nullptr) return false;
    at_ = close + 1;
    return true;
  }

  bool value(Value& out) {
    skip();
    if (at_ == end_) return false;
    switch (*at_) {
      case '"':
        out.kind = Value::kText;
        return text(out.text);
      case 'n':
        return word("null", Value::kNull, out);
      case 't':
        return word("true", Value::kTrue, out);
      case 'f':
        return word("false", Value::kFalse, out);
      case '{':
        out.kind = Value::kObject;
        return nested(out.text);
      case '[':
        out.kind = Value::kArray;
        return nested(out.text);
      default:
        out.kind = Value::kNumber;
        return number(out.text);
    }
  }

 private:
  void skip() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool word(std::string_view spelling, Value::Kind kind, Value& out) {
    if (static_cast<std::size_t>(end_ - at_) < spelling.size()) return false;
    if (std::string_view(at_, spelling.size()) != spelling) return false;
    at_ += spelling.size();
    out.kind = kind;
    return true;
  }
  bool number(std::string_view& out) {
    const char* begin = at_;
    while (at_ != end_ && ((*at_ >= '0' && *at_ <= '9') || *at_ == '-' || *at_ == '+' ||
                           *at_ == '.' || *at_ == 'e' || *at_ == 'E')) {
      ++at_;
    }
    out = {begin, static_cast<std::size_t>(at_ - begin)};
    return !out.empty();
  }
  // Balanced, without escapes in its strings.
  bool nested(std::string_view& out) {
    const char* begin = at_;
    int depth = 0;
    do {
      if (at_ == end_) return false;
      if (*at_ == '"') {
        std::string_view inside;
        if (!text(inside)) return false;
        continue;
      }
      if (*at_ == '{' || *at_ == '[') ++depth;
      if (*at_ == '}' || *at_ == ']') --depth;
      ++at_;
    } while (depth > 0);
    out = {begin, static_cast<std::size_t>(at_ - begin)};
    return true;
  }

  const char* at_;
  const char* end_;
};

std::optional<std::int64_t> whole(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::size_t i = text[0] == '-' ? 1 : 0;
  if (i == text.size()) return std::nullopt;
  std::int64_t number = 0;
  for (; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  return text[0] == '-' ? -number : number;
}

template <class Number>
bool set(std::optional<Number>& field, const Value& value) {
  if (value.kind == Value::kNull) return true;
  const auto number = value.kind == Value::kNumber ? whole(value.text) : std::nullopt;
  if (number) field = static_cast<Number>(*number);
  return number.has_value();
}
bool set(std::optional<std::string>& field, const Value& value) {
  if (value.kind == Value::kNull) return true;
  if (value.kind != Value::kText) return false;
  field.emplace(value.text);
  return true;
}
bool set(std::string& field, const Value& value) {
  if (value.kind == Value::kNull) return true;
  if (value.kind != Value::kText) return false;
  field.assign(value.text);
  return true;
}

// As parse_event() rounds it.
bool set(std::optional<NanoUsd>& field, const Value& value) {
  if (value.kind == Value::kNull) return true;
  double usd = 0;
  const char* end = value.text.data() + value.text.size();
  const auto read = std::from_chars(value.text.data(), end, usd);
  if (value.kind != Value::kNumber || read.ptr != end || read.ec != std::errc()) return false;
  if (!(std::fabs(usd) < 9e9)) return false;
  field = NanoUsd{std::llround(usd * static_cast<double>(kNanoUsdPerUsd))};
  return true;
}

bool set_metadata(Event& event, const Value& value) {
  if (value.kind == Value::kNull) return true;
  if (value.kind != Value::kObject) return false;
  Scanner scan(value.text);
  scan.eat('{');
  if (scan.eat('}')) return true;
  do {
    std::string_view key;
    Value member;
    if (!scan.text(key) || !scan.eat(':') || !scan.value(member)) return false;
    if (key == "module" && !set(event.module, member)) return false;
    if (key == "purpose" && !set(event.purpose, member)) return false;
  } while (scan.eat(','));
  return scan.eat('}');
}

// What detectors read, and no plain line has.
bool needs_the_parser(std::string_view key, const Value& value) {
  if (value.kind == Value::kNull) return false;
  if (key == "kind") return value.text != "request" && value.text != "intent";
  if (key == "injection") return !value.text.contains(R"("verdict":"pass")");
  return key == "output" || key == "finding" || key == "detail";
}

bool take(Event& event, std::string_view key, const Value& value) {
  if (key == "api_key_id") return set(event.api_key_id, value);
  if (key == "endpoint") return set(event.endpoint, value);
  if (key == "model") return set(event.model, value);
  if (key == "latency_ms") return set(event.latency_ms, value);
  if (key == "tokens_input") return set(event.tokens_input, value);
  if (key == "tokens_output") return set(event.tokens_output, value);
  if (key == "ip") return set(event.ip, value);
  if (key == "geo") return set(event.geo, value);
  if (key == "status") return set(event.status, value);
  if (key == "error") return set(event.error, value);
  if (key == "metadata") return set_metadata(event, value);
  if (key == "asn") return set(event.asn, value);
  if (key == "network") return set(event.network, value);
  if (key == "request_id") return set(event.request_id, value);
  if (key == "claimed_kid") return set(event.claimed_kid, value);
  if (key == "kid") return set(event.kid, value);
  if (key == "cost_usd") return set(event.cost_usd, value);
  if (key == "repeated") return set(event.repeated, value);
  if (key == "estimated_input_tokens") return set(event.estimated_input_tokens, value);
  if (key == "kind") {
    event.kind = value.text == "intent" ? Kind::kIntent : Kind::kRequest;
    return true;
  }
  return true;  // not for detectors
}

// Texts keep their room.
void clear(Event& event) {
  event.timestamp_utc = {};
  for (auto* field : {&event.api_key_id, &event.model, &event.geo, &event.error, &event.kid,
                      &event.claimed_kid, &event.network}) {
    field->reset();
  }
  for (auto* field : {&event.latency_ms, &event.tokens_input, &event.tokens_output, &event.asn,
                      &event.repeated, &event.estimated_input_tokens}) {
    field->reset();
  }
  event.status.reset();
  event.cost_usd.reset();
  event.endpoint.clear();
  event.ip.clear();
  event.request_id.clear();
  event.module = "unlisted";
  event.purpose = "unlisted";
  event.kind = Kind::kRequest;
}

}  // namespace

// "2026-11-24T22:30:00.123Z" or without the fraction; anything else takes the long way.
bool LineReader::time(std::string_view text, UtcTime& time) {
  const bool exact = (text.size() == 24 && text[19] == '.') || text.size() == 20;
  const auto two = [&](std::size_t at) {
    const int tens = text[at] - '0', ones = text[at + 1] - '0';
    return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? 99 : tens * 10 + ones;
  };
  const bool formed = exact && text[10] == 'T' && text[13] == ':' && text[16] == ':' &&
                      text.back() == 'Z' && two(11) < 24 && two(14) < 60 && two(17) < 60;
  if (!formed) {
    const auto parsed = parse_utc(text);
    if (parsed) time = *parsed;
    return parsed.has_value();
  }
  if (day_ != text.substr(0, 10)) {
    const auto parsed = parse_utc(text.substr(0, 10));
    if (!parsed) return false;
    day_ = std::string(text.substr(0, 10));
    midnight_ = *parsed;
  }
  std::int64_t ms = ((two(11) * 60 + two(14)) * 60 + two(17)) * std::int64_t{1'000};
  if (text.size() == 24) {
    const auto fraction = whole(text.substr(20, 3));
    if (!fraction || *fraction < 0) return false;
    ms += *fraction;
  }
  time = midnight_ + std::chrono::milliseconds(ms);
  return true;
}

LineReader::Outcome LineReader::plain(std::string_view line, Event& event) {
  Scanner scan(line);
  if (!scan.eat('{')) return Outcome::kNotPlain;
  bool timed = false;
  do {
    std::string_view key;
    Value value;
    if (!scan.text(key) || !scan.eat(':') || !scan.value(value)) return Outcome::kNotPlain;
    if (key == "timestamp_utc") {
      if (value.kind != Value::kText || !time(value.text, event.timestamp_utc)) {
        return Outcome::kNotPlain;
      }
      timed = true;
      continue;
    }
    if (needs_the_parser(key, value) || !take(event, key, value)) return Outcome::kNotPlain;
  } while (scan.eat(','));
  return timed && scan.eat('}') && scan.done() ? Outcome::kRead : Outcome::kNotPlain;
}

Result<void> LineReader::read(std::string_view line, Event& event) {
  if (line.size() > kEventLineBytesMax) return fail(Code::kInvalid, "the line is too long");
  if (std::exchange(slow_, false)) event = Event();
  clear(event);
  if (plain(line, event) == Outcome::kRead) return {};
  Result<Event> parsed = parse_event(line);
  if (!parsed) return std::unexpected(parsed.error());
  event = std::move(*parsed);
  slow_ = true;  // it may have set what clear() does not look at
  return {};
}

}  // namespace sallyport::detect
