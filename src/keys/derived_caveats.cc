// SPDX-License-Identifier: Apache-2.0
#include "keys/derived_caveats.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "event/money.h"
#include "event/scope_pattern.h"
#include "keys/endpoint_families.h"
#include "keys/key_info.h"

namespace sallyport::keys {
namespace {

// What was read so far. Lists are absent until a caveat names them: an absent list allows all, one
// with nothing left allows nothing.
struct Draft {
  DerivedClaims claims;
  std::optional<std::vector<const EndpointFamily*>> families;
  std::optional<std::vector<std::string>> models, countries;
  std::optional<std::vector<Cidr>> sources;
  std::optional<std::int64_t> tokens_max, nano_usd_max, calls_max;
};

constexpr std::array<std::int8_t, 256> decode_table() {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  constexpr std::string_view kUrlSafe =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (std::size_t i = 0; i < kUrlSafe.size(); ++i) {
    table[static_cast<unsigned char>(kUrlSafe[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}
constexpr std::array<std::int8_t, 256> kDecode = decode_table();

using Plain = std::array<char, 384>;  // what 512 characters of base64url hold

// base64url of printable ASCII, strict; nothing if it is anything else. By a table: this runs once
// a caveat on the path of a request.
std::optional<std::string_view> decode(std::string_view wire, Plain& out) {
  if (wire.size() % 4 == 1 || wire.size() > out.size() / 3 * 4) return std::nullopt;
  unsigned bits = 0;
  int count = 0;
  std::size_t size = 0;
  for (const char c : wire) {
    const int value = kDecode[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    const unsigned byte = bits >> count & 0xff;
    if (byte < 0x20 || byte > 0x7e) return std::nullopt;
    out[size++] = static_cast<char>(byte);
    bits &= (1U << count) - 1;
  }
  if (bits != 0) return std::nullopt;
  return std::string_view(out.data(), size);
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  const std::optional<std::uint64_t> value = parse_uint(text);
  if (!value || *value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<std::int64_t> read_usd(std::string_view text) {
  const std::optional<NanoUsd> amount = parse_usd(text);
  if (!amount) return std::nullopt;
  return amount->nano;
}

std::optional<UtcTime> parse_unix(std::string_view text) {
  const std::optional<std::int64_t> seconds = parse_number(text);
  if (!seconds || *seconds > 253'402'300'799) return std::nullopt;  // the end of the year 9999
  return UtcTime(std::chrono::seconds(*seconds));
}

// Entries separated by commas; `read` gives an entry, or nothing if it cannot be read.
template <class T>
std::optional<std::vector<T>> parse_list(std::string_view text,
                                         std::optional<T> (*read)(std::string_view)) {
  std::vector<T> list;
  for (;;) {
    const std::size_t comma = text.find(',');
    std::optional<T> entry = read(text.substr(0, comma));
    if (!entry) return std::nullopt;
    if (std::ranges::find(list, *entry) == list.end()) list.push_back(std::move(*entry));
    if (comma == std::string_view::npos) return list;
    text.remove_prefix(comma + 1);
  }
}

std::optional<const EndpointFamily*> read_family(std::string_view text) {
  const EndpointFamily* family = find_endpoint_family(text);
  if (family == nullptr) return std::nullopt;
  return family;
}

std::optional<std::string> read_model(std::string_view text) {
  if (!valid_model_pattern(text)) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> read_country(std::string_view text) {
  const bool good =
      text.size() == 2 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!good) return std::nullopt;
  return std::string(text);
}

std::optional<Cidr> read_cidr(std::string_view text) { return Cidr::parse(text); }

// The name of a hosted tool: it is compared with what a request's body says.
std::optional<std::string> read_tool(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax || text == "none") return std::nullopt;
  if (!valid_key_name(text)) return std::nullopt;
  return std::string(text);
}

// --- Narrowing: what two caveats of one name allow together. `common` gives what two entries have
// in common; it is one of them, or nothing.
template <class T>
void intersect(std::optional<std::vector<T>>& held, std::vector<T> next,
               std::optional<T> (*common)(const T&, const T&)) {
  if (!held) {
    held = std::move(next);
    return;
  }
  std::vector<T> both;
  for (const T& a : *held) {
    for (const T& b : next) {
      std::optional<T> shared = common(a, b);
      if (shared && std::ranges::find(both, *shared) == both.end()) {
        both.push_back(std::move(*shared));
      }
    }
  }
  held = std::move(both);
}

template <class T>
std::optional<T> same(const T& a, const T& b) {
  if (a != b) return std::nullopt;
  return a;
}

// Of two patterns one holds the other, or they have nothing in common.
std::optional<std::string> common_model(const std::string& a, const std::string& b) {
  const auto holds = [](const std::string& wide, const std::string& narrow) {
    return wide == narrow ||
           (wide.ends_with('*') && narrow.starts_with(wide.substr(0, wide.size() - 1)));
  };
  if (holds(a, b)) return b;
  if (holds(b, a)) return a;
  return std::nullopt;
}

std::optional<Cidr> common_range(const Cidr& a, const Cidr& b) {
  const auto holds = [](const Cidr& wide, const Cidr& narrow) {
    const std::string wide_text = wide.text(), narrow_text = narrow.text();
    const std::size_t wide_slash = wide_text.find('/'), narrow_slash = narrow_text.find('/');
    const auto base = IpAddress::parse(std::string_view(narrow_text).substr(0, narrow_slash));
    const auto wide_bits = parse_uint(std::string_view(wide_text).substr(wide_slash + 1));
    const auto narrow_bits = parse_uint(std::string_view(narrow_text).substr(narrow_slash + 1));
    return base && wide_bits && narrow_bits && *wide_bits <= *narrow_bits && wide.contains(*base);
  };
  if (holds(a, b)) return b;
  if (holds(b, a)) return a;
  return std::nullopt;
}

template <class T>
bool narrow_list(std::optional<std::vector<T>>& held, std::optional<std::vector<T>> next,
                 std::optional<T> (*common)(const T&, const T&)) {
  if (!next) return false;
  intersect(held, std::move(*next), common);
  return !held->empty();
}

template <class T>
bool least(std::optional<T>& held, const std::optional<T>& next) {
  if (!next) return false;
  if (!held || *next < *held) held = *next;
  return true;
}

// A value of which there can be only one: saying it again changes nothing, saying another leaves
// nothing that could satisfy both.
template <class T>
bool fix(std::optional<T>& held, std::optional<T> next) {
  if (!next || (held && *held != *next)) return false;
  held = std::move(next);
  return true;
}

// --- The table of caveats: reads `value` into the draft; false if it cannot be read.

bool take_exp(Draft& draft, std::string_view value) {
  const std::optional<UtcTime> end = parse_unix(value);
  if (!end) return false;
  draft.claims.expires_at = std::min(draft.claims.expires_at, *end);
  return true;
}

bool take_tools(Draft& draft, std::string_view value) {
  std::optional<std::vector<std::string>> next = std::vector<std::string>();
  if (value != "none") next = parse_list<std::string>(value, read_tool);
  if (!next) return false;
  intersect(draft.claims.restrictions.tools, std::move(*next), same<std::string>);
  return true;  // none at all is a rule that a request can satisfy
}

bool take_label(std::optional<std::string>& held, std::string_view value) {
  return valid_label(value) && fix(held, std::optional(std::string(value)));
}

bool take_certificate(Draft& draft, std::string_view value) {
  constexpr std::string_view kMethod = "x5t:";
  if (!value.starts_with(kMethod)) return false;
  value.remove_prefix(kMethod.size());
  const std::optional<std::string> digest = base64url_decode(value);
  return digest && digest->size() == 32 &&
         fix(draft.claims.restrictions.certificate, std::optional(std::string(value)));
}

bool take_stream(Draft& draft, std::string_view value) {
  if (value != "0" && value != "1") return false;
  return fix(draft.claims.restrictions.stream, std::optional(value == "1"));
}

struct Caveat {
  std::string_view name;
  bool (*take)(Draft& draft, std::string_view value);
};

using Value = std::string_view;
constexpr Caveat kCaveats[] = {
    {"exp", take_exp},
    {"ep",
     [](Draft& d, Value v) {
       return narrow_list(d.families, parse_list<const EndpointFamily*>(v, read_family),
                          same<const EndpointFamily*>);
     }},
    {"models",
     [](Draft& d, Value v) {
       return narrow_list(d.models, parse_list<std::string>(v, read_model), common_model);
     }},
    {"ro",
     [](Draft& d, Value v) {
       d.claims.restrictions.read_only = true;
       return v == "1";
     }},
    {"cidr",
     [](Draft& d, Value v) {
       return narrow_list(d.sources, parse_list<Cidr>(v, read_cidr), common_range);
     }},
    {"cc",
     [](Draft& d, Value v) {
       return narrow_list(d.countries, parse_list<std::string>(v, read_country), same<std::string>);
     }},
    {"max_tokens", [](Draft& d, Value v) { return least(d.tokens_max, parse_number(v)); }},
    {"max_usd", [](Draft& d, Value v) { return least(d.nano_usd_max, read_usd(v)); }},
    {"rpm",
     [](Draft& d, Value v) {
       return least(d.claims.restrictions.limits.requests_per_minute, parse_number(v));
     }},
    {"calls", [](Draft& d, Value v) { return least(d.calls_max, parse_number(v)); }},
    {"tools", take_tools},
    {"module", [](Draft& d, Value v) { return take_label(d.claims.module, v); }},
    {"purpose", [](Draft& d, Value v) { return take_label(d.claims.purpose, v); }},
    {"cnf", take_certificate},
    {"stream", take_stream},
};

Result<void> take(Draft& draft, std::string_view caveat, std::size_t place) {
  const std::size_t equals = caveat.find('=');
  const std::string_view name = caveat.substr(0, equals);
  const auto known = std::ranges::find(kCaveats, name, &Caveat::name);
  if (equals == std::string_view::npos || known == std::end(kCaveats)) {
    return fail(Code::kInvalid, "caveat " + std::to_string(place) + " is not known");
  }
  if (!known->take(draft, caveat.substr(equals + 1))) {
    return fail(Code::kInvalid,
                "caveat " + std::string(known->name) + " cannot be read, or leaves nothing");
  }
  return {};
}

DerivedClaims finish(Draft draft) {
  Restrictions& out = draft.claims.restrictions;
  for (const EndpointFamily* family :
       draft.families.value_or(std::vector<const EndpointFamily*>())) {
    for (const std::string_view pattern : family->patterns) out.endpoints.emplace_back(pattern);
  }
  if (draft.models) out.models = std::move(*draft.models);
  if (draft.countries) out.countries = std::move(*draft.countries);
  if (draft.sources) out.sources = std::move(*draft.sources);
  const auto budget = [&](BudgetUnit unit, const std::optional<std::int64_t>& amount) {
    if (!amount) return;
    out.limits.budgets.push_back(
        {.unit = unit, .window = BudgetWindow::kTotal, .amount = *amount, .hard = true});
  };
  budget(BudgetUnit::kNanoUsd, draft.nano_usd_max);
  budget(BudgetUnit::kTokens, draft.tokens_max);
  budget(BudgetUnit::kRequests, draft.calls_max);
  return std::move(draft.claims);
}

}  // namespace

Result<DerivedClaims> read_caveats(std::span<const std::string_view> wire) {
  Draft draft;
  draft.claims.expires_at = UtcTime::max();
  for (std::size_t i = 0; i < wire.size(); ++i) {
    Plain plain;
    const std::optional<std::string_view> caveat = decode(wire[i], plain);
    if (!caveat) {
      return fail(Code::kInvalid, "caveat " + std::to_string(i + 1) + " cannot be read");
    }
    if (i == 0) {  // when it was made; a second iat is a name that is not known
      const auto at = caveat->starts_with("iat=") ? parse_unix(caveat->substr(4)) : std::nullopt;
      if (!at) return fail(Code::kInvalid, "the first caveat is not iat");
      draft.claims.issued_at = *at;
      continue;
    }
    if (i == 1 && !caveat->starts_with("exp=")) {
      return fail(Code::kInvalid, "the second caveat is not exp");
    }
    const Result<void> taken = take(draft, *caveat, i + 1);
    if (!taken) return std::unexpected(taken.error());
    const auto life = draft.claims.expires_at - draft.claims.issued_at;
    if (i == 1 && (life <= std::chrono::seconds(0) || life > kDerivedLifeMax)) {
      return fail(Code::kInvalid, "the life of a derived token is above zero and at most 24 h");
    }
  }
  if (wire.size() < 2) return fail(Code::kInvalid, "iat and exp are missing");
  return finish(std::move(draft));
}

}  // namespace sallyport::keys
