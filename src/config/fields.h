// SPDX-License-Identifier: Apache-2.0
// THE table of configuration fields: name, type, limits, meaning, and where the value lives. The
// reader, the schema, `config explain`, the manual and the comparison on reload all come from it;
// defaults are read out of a default-constructed Config, so they stand in one place only.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace sallyport::config {

enum class Type {
  kText,  // printable, at most 1,024 bytes
  kName,  // a-z 0-9 - _, at most 63 bytes, begins with a letter or digit
  kBool,  // true | false
  kInteger,
  kDuration,  // 250ms 60s 10m 8h 14d
  kSize,      // bytes: 4096 64KiB 32MiB 1GiB
  kPercent,   // 0% to 100%
  kUsd,       // dollars as decimal text, at most 9 decimals; kept in billionths
  kAddress,   // host:port, host a number; [::1]:8080
  kUrl,       // http:// or https://, no user, query or fragment
  kPath,      // /path or file:/path; or one of `words`, of which "none" stands for no path
  kTarget,    // file:/path, or a URL: where something is delivered
  kSecret,    // a reference only
  kWord,      // one of `words`
  kTexts,     // list of kText; of `words`, where there are any
  kPatterns,  // list of names; '*' only at the end
  kNetworks,  // list of CIDR ranges
  kTextMap,   // any names, each with a kText
};

enum class Reload { kLive, kRestart };

// The element a field of a list section writes to; null outside of such a section.
struct Place {
  Config* config = nullptr;
  http::ListenerConfig* listener = nullptr;
  upstream::UpstreamConfig* upstream = nullptr;
  keys::IdentityMapping* identity = nullptr;
  keys::DeliveryConfig* delivery = nullptr;
  notify::SinkConfig* sink = nullptr;
  audit::WitnessConfig* witness = nullptr;
};

// Where a value lives. Of a kWord field: bool (index 0 or 1 of `words`), Auth, or the word itself.
using Slot = std::variant<std::monostate, bool*, int*, std::int64_t*, std::size_t*, double*,
                          std::chrono::milliseconds*, std::string*, std::optional<std::string>*,
                          std::vector<std::string>*, std::vector<Cidr>*, Secret*,
                          std::shared_ptr<const Secret>*, upstream::UpstreamConfig::Auth*,
                          std::map<std::string, std::string>*>;

struct Field {
  std::string_view path;  // "http.listeners[].tls.cert": [] marks a list section
  Type type;
  Slot (*slot)(Place&);
  std::string_view meaning;       // one sentence, ends with a full stop
  std::int64_t min = 0, max = 0;  // in the type's unit: number, milliseconds, bytes, percent
  Reload reload = Reload::kLive;
  std::vector<std::string_view> words = {};
  std::string_view example = {};
};

std::span<const Field> fields();
const Field* find_field(std::string_view path);

// Sections and fields of later milestones. Somebody who writes them believes that a control is on.
struct Unavailable {
  std::string_view path;  // itself and everything below
  std::string_view what;  // what this version therefore does not do
};
std::span<const Unavailable> unavailable();

// The value in the file's own spelling ("64KiB"), for defaults and comparison; of a secret only
// whether there is one. Empty: none.
std::string show(const Field& field, Place place);

// Same value in both places? Secrets are compared by content, in constant time.
bool same(const Field& field, Place a, Place b);
// Writes a's value into b. Not for secrets behind a unique owner, which are cloned.
void copy(const Field& field, Place from, Place to);

}  // namespace sallyport::config
