// SPDX-License-Identifier: Apache-2.0
// What one layer of the key tree (organisation, project, principal, key, derived token) takes away.
// Restrictions only ever narrow: a request must satisfy those of every layer from the key's own to
// the outermost, so that a child can never have more than its parent, whatever it says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "event/limits.h"

namespace sallyport {

class JsonValue;   // base/json_reader.h
class JsonWriter;  // base/json_writer.h

// A part of the day in a fixed offset from UTC; `from` > `to` runs over midnight.
struct DayHours {
  std::int16_t from_minute = 0, to_minute = 0;  // of the day, [from, to)
  std::int16_t offset_minutes = 0;              // local time = UTC + offset
  friend bool operator==(const DayHours&, const DayHours&) = default;
};

// Empty lists and absent values restrict nothing.
struct Restrictions {
  std::vector<std::string> endpoints;             // event/scope_pattern.h
  bool read_only = false;                         // no call that creates, changes or costs
  std::vector<std::string> models;                // exact, or a prefix that ends in '*'
  std::optional<std::vector<std::string>> tools;  // hosted tools that may be named; empty: none
  std::optional<bool> stream;                     // true: only streams, false: none
  std::optional<std::int64_t> output_tokens_max;  // of one call
  // Of a layer: what the keys below may call their work; anything else is recorded as "unlisted".
  // A key has its own lists beside its restrictions.
  std::vector<std::string> modules, purposes;

  // Bindings: what the caller must show beside the secret. A violation looks like a wrong key.
  std::vector<Cidr> sources;
  std::vector<std::string> countries;      // ISO 3166-1 alpha-2; an unknown country is refused
  std::vector<std::int64_t> networks;      // autonomous system numbers; unknown is refused
  std::vector<DayHours> hours;             // any of them
  std::optional<std::string> certificate;  // RFC 8705 x5t#S256: base64url SHA-256, no padding
  std::optional<std::string> dpop;         // RFC 9449 jkt: base64url SHA-256 of the public key

  Limits limits;

  bool empty() const;
  friend bool operator==(const Restrictions&, const Restrictions&) = default;
};

// The one written form: store, admin API, command line and records use it.
//   {"endpoints":[..],"read_only":true,"models":[..],"tools":[..],"stream":false,
//    "output_tokens_max":1000,"modules":[..],"purposes":[..],
//    "cidr":["10.0.0.0/8"],"countries":["TW"],"networks":[3462],
//    "hours":["07:00-22:00+08:00"],"certificate":"..","dpop":"..",
//    "budgets":[{"usd":"12.50"|"tokens":N|"requests":N,"per":"minute|hour|day|month|total",
//                "hard":true}],"rpm":60,"tpm":100000,"parallel":8}
// Members that restrict nothing are left out. USD stand as decimal text (at most 9 places), so that
// no reader rounds them; numbers are accepted too.
std::string restrictions_json(const Restrictions& restrictions);
// kInvalid names the member that is wrong. Unknown members, negative and overflowing numbers, and
// lists of more than 256 entries are wrong: what cannot be read must not be taken for "allowed".
Result<Restrictions> parse_restrictions(std::string_view json);

// The same one member at a time, for documents in which they stand among others. kNotFound: no such
// member; kInvalid names the member that is wrong.
Result<void> read_restriction(std::string_view member, const JsonValue& value, Restrictions& into);
void write_restrictions(JsonWriter& json, const Restrictions& restrictions);  // the members only

// "07:00-22:00+08:00", "22:00-06:00Z"; the end may be 24:00. Nothing for anything else, and for a
// part of the day that is empty.
std::optional<DayHours> parse_day_hours(std::string_view text);
std::string day_hours_text(const DayHours& hours);
bool contains(const DayHours& hours, UtcTime now);

std::string_view name(BudgetWindow window);  // "minute", "hour", "day", "month", "total"
std::optional<BudgetWindow> parse_budget_window(std::string_view text);

// Base64url of 32 bytes without padding: the form of certificate and key thumbprints.
bool valid_thumbprint(std::string_view text);

}  // namespace sallyport
