// SPDX-License-Identifier: Apache-2.0
// `keys derive`: a holder makes a narrower token from his key, offline: no server, no store, no
// configuration is asked. The key comes on stdin or from the environment, never as an argument,
// where every user of the machine could read it.
#include <string.h>

#include <cctype>
#include <optional>
#include <ostream>
#include <utility>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/secret_input.h"
#include "keys/derived_caveats.h"
#include "keys/derived_token.h"
#include "keys/endpoint_families.h"

namespace sallyport::cli {
namespace {

constexpr std::chrono::milliseconds kLife = std::chrono::minutes(10);

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

std::string unix_seconds(UtcTime time) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

struct Word {
  std::string_view option, caveat;
  std::string_view must;       // what its value must be; empty: see expected()
  std::string_view lead = {};  // stands before the value
};
constexpr Word kWords[] = {
    {"endpoint", "ep", ""},
    {"model", "models", "a model, or the beginning of one and a *: gpt-5*"},
    {"cidr", "cidr", "a network such as 10.0.0.0/8"},
    {"max-usd", "max_usd", "an amount of US dollars such as 2.50"},
    {"rpm", "rpm", "a whole number"},
    {"calls", "calls", "a whole number"},
    {"max-tokens", "max_tokens", "a whole number"},
    {"tools", "tools", "the name of a hosted tool such as web_search, or none"},
    {"module", "module", "1 to 256 printable characters"},
    {"purpose", "purpose", "1 to 256 printable characters"},
    {"country", "cc", "the two letters of a country such as TW"},
    {"certificate", "cnf", "a SHA-256 in base64url, 43 characters (docs/keys.md)", "x5t:"},
};

// An option as it was given, and the caveat it stands for.
struct Narrowing {
  const Word* word = nullptr;
  std::string value;
  std::string caveat() const {
    return std::string(word->caveat) + "=" + std::string(word->lead) + value;
  }
};

constexpr Word kReadOnly{"read-only", "ro", "alone"};
constexpr Word kStream{"stream", "stream", "yes or no"};

// What the options stand for, but for iat and exp.
std::vector<Narrowing> narrowing(const Invocation& call) {
  std::vector<Narrowing> out;
  for (const Word& word : kWords) {
    if (!call.has(word.option)) continue;
    std::string value = joined(call.all(word.option));
    if (word.option == "country") {
      for (char& c : value) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    out.push_back({&word, std::move(value)});
  }
  if (call.has("read-only")) out.push_back({&kReadOnly, "1"});
  if (call.has("stream")) out.push_back({&kStream, call.value("stream") == "yes" ? "1" : "0"});
  return out;
}

// Would the gate understand it, whatever else the token says?
bool readable(const Narrowing& one) {
  const std::string wire[] = {base64url_encode("iat=1"), base64url_encode("exp=2"),
                              base64url_encode(one.caveat())};
  const std::string_view caveats[] = {wire[0], wire[1], wire[2]};
  return keys::read_caveats(caveats).has_value();
}

std::string expected(const Word& word) {
  if (!word.must.empty()) return std::string(word.must);
  std::string families = "one of";
  for (const keys::EndpointFamily& family : keys::endpoint_families()) {
    families += " " + std::string(family.name);
  }
  return families;
}

// The caveat that an error names, as the option that stands for it: each was readable by itself, so
// it is what the token says already that leaves nothing.
std::string in_options(const std::vector<Narrowing>& narrowings, const std::string& what) {
  for (const Narrowing& one : narrowings) {
    if (!what.starts_with("caveat " + std::string(one.word->caveat) + " ")) continue;
    return "--" + std::string(one.word->option) + " " + one.value +
           " leaves nothing of what the token allows";
  }
  return what;
}

int show(const Invocation& call, const Secret& token) {
  const keys::ParsedDerived parsed = keys::parse_derived(token.reveal());
  const auto claims = keys::read_caveats(parsed.caveats());
  const std::string end = claims ? format_utc(claims->expires_at) : "";
  if (call.json) {
    std::string out;
    JsonWriter(out)
        .begin_object()
        .field("token", token.reveal())
        .field("kid", parsed.kid)
        .field("tid", parsed.tid)
        .field("expires_at", std::string_view(end))
        .end_object();
    call.out << out << "\n";
    explicit_bzero(out.data(), out.size());
    return kOk;
  }
  call.out << token.reveal() << "\n";
  if (!call.quiet) {
    call.err << "derived from key " << parsed.kid << " as token " << parsed.tid << ", ends " << end
             << "\nthe key must have been created with --derive\n";
  }
  return kOk;
}

// Is the token genuine, and what does it say? Tells caveats, which are no secret.
int check(const Invocation& call, const Secret& token, const Secret& parent) {
  const keys::ParsedDerived parsed = keys::parse_derived(token.reveal());
  if (parsed.fault != keys::FormatFault::kNone) {
    return complain(call, kFailed, "not_a_token", "this is no derived token (sk-spd1-...)");
  }
  const Result<Secret> root = keys::derive_root(parent);
  if (!root) return complain(call, kUsage, "not_a_key", root.error().what);
  Result<keys::DerivedMac> chain = keys::DerivedMac::make();
  if (!chain) return complain(call, chain.error());
  const Result<bool> genuine = chain->verify(parsed, *root);
  if (!genuine) return complain(call, genuine.error());
  if (!*genuine || parsed.kid != keys::parse_key(parent.reveal()).kid) {
    return complain(call, kFailed, "not_genuine", "the token was not made from this key");
  }
  const auto claims = keys::read_caveats(parsed.caveats());
  if (!claims) return complain(call, kFailed, "refused", claims.error().what);
  const UtcTime now = SystemClock().now();
  const bool alive = now < claims->expires_at && claims->issued_at <= now + keys::kDerivedAheadMax;
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .field("kid", parsed.kid)
      .field("tid", parsed.tid)
      .field("expires_at", std::string_view(format_utc(claims->expires_at)))
      .field("in_time", alive)
      .key("caveats")
      .begin_array();
  for (const std::string_view wire : parsed.caveats()) {
    json.value(base64url_decode(wire).value_or(""));
  }
  json.end_array().end_object();
  call.out << out << "\n";
  return alive ? kOk : kFailed;
}

}  // namespace

int keys_derive(const Invocation& call, const Programs&) {
  std::optional<std::chrono::milliseconds> life;
  if (call.has("life")) {
    life = parse_duration(call.value("life"));
    if (!life || *life < std::chrono::seconds(1) || *life > keys::kDerivedLifeMax) {
      return complain(call, kUsage, "usage", "--life must be between 1s and 24h, such as 10m");
    }
  }
  const std::string variable = call.value("from-env");
  const bool both = call.has("check");
  if (both && variable.empty()) {
    return complain(call, kUsage, "usage", "--check reads the token on stdin",
                    "name the variable that holds the key: --from-env NAME");
  }
  std::optional<Secret> given =
      variable.empty() ? read_secret_line(call) : read_secret_variable(variable);
  if (!given) {
    return complain(call, kUsage, "usage", "no key was given",
                    "one line on stdin, or --from-env NAME; never as an argument");
  }
  if (both) {
    const std::optional<Secret> token = read_secret_line(call);
    if (!token) return complain(call, kUsage, "usage", "no token was given on stdin");
    return check(call, *token, *given);
  }

  const UtcTime now = SystemClock().now();
  const std::vector<Narrowing> narrowings = narrowing(call);
  std::vector<std::string> caveats;
  for (const Narrowing& one : narrowings) {
    if (!readable(one)) {
      return complain(call, kUsage, "usage",
                      "--" + std::string(one.word->option) + " " + one.value + " must be " +
                          expected(*one.word));
    }
    caveats.push_back(one.caveat());
  }
  const bool is_token = keys::parse_derived(given->reveal()).fault == keys::FormatFault::kNone;
  if (is_token != call.has("narrow")) {
    return complain(call, kUsage, "usage",
                    is_token ? "this is a derived token already" : "--narrow needs a derived token",
                    is_token ? "narrow it further with --narrow" : "");
  }
  if (is_token) {
    if (life) caveats.push_back("exp=" + unix_seconds(now + *life));
  } else {
    caveats.insert(caveats.begin(),
                   {"iat=" + unix_seconds(now), "exp=" + unix_seconds(now + life.value_or(kLife))});
  }
  const Result<Secret> token =
      is_token ? keys::narrow_derived(*given, caveats) : keys::mint_derived(*given, caveats);
  if (!token) return complain(call, kUsage, "usage", in_options(narrowings, token.error().what));
  return show(call, *token);
}

}  // namespace sallyport::cli
