// SPDX-License-Identifier: Apache-2.0
#include "keys/identity_mapping.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "event/scope_pattern.h"
#include "net/http_client.h"

namespace sallyport::keys {
namespace {

constexpr std::size_t kFixedNameBytesMax = 32;  // of a principal around its claim
constexpr std::size_t kScopeWordsAskedMax = 32;
constexpr std::size_t kClaimBytesMax = 1024;
constexpr std::size_t kDigestTailBytes = 24;  // ".h" and 128 bits in base64url

std::unexpected<Error> wrong(std::string what) { return fail(Code::kInvalid, std::move(what)); }

bool stays(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// "ci-{repository}" as what stands around the claim, and its name.
struct Template {
  std::string_view before, claim, after;
};
std::optional<Template> parse_template(std::string_view text) {
  const std::size_t open = text.find('{');
  if (open == std::string_view::npos) {
    if (text.contains('}')) return std::nullopt;
    return Template{text, {}, {}};
  }
  const std::size_t close = text.find('}', open);
  if (close == std::string_view::npos || close == open + 1) return std::nullopt;
  Template parts{text.substr(0, open), text.substr(open + 1, close - open - 1),
                 text.substr(close + 1)};
  if (parts.after.find_first_of("{}") != std::string_view::npos || parts.claim.contains('{'))
    return std::nullopt;
  return parts;
}

Result<void> check_principal(std::string_view text) {
  const auto parts = parse_template(text);
  if (!parts) return wrong("principal: one {claim} at most");
  const std::string fixed = std::string(parts->before) + std::string(parts->after);
  if (parts->claim.empty() && !valid_key_name(fixed)) {
    return wrong("principal: letters, digits and _.- only, at most 64");
  }
  if (!parts->claim.empty() &&
      (fixed.size() > kFixedNameBytesMax || !(fixed.empty() || valid_key_name(fixed)))) {
    return wrong("principal: around {claim} letters, digits and _.- only, at most 32");
  }
  return {};
}

Result<void> check_claims(const IdentityMapping& mapping) {
  bool narrows = false;
  for (const auto& [claim, pattern] : mapping.claims) {
    const std::size_t star = pattern.find('*');
    if (claim.empty() || pattern.empty() || pattern.size() > kClaimBytesMax) {
      return wrong("claims: a name or pattern is empty or too long");
    }
    if (star != std::string::npos && star + 1 != pattern.size()) {
      return wrong("claims: * only at the end");
    }
    narrows = narrows || star != 0;
  }
  // An issuer such as a public forge signs for everybody in the world.
  if (!narrows) return wrong("claims: at least one that not every token of the issuer has");
  return {};
}

Result<void> check_source(const IdentityMapping& mapping) {
  if (mapping.jwks_url && mapping.jwks_file) return wrong("jwks_url or jwks_file, not both");
  if (!mapping.jwks_url && !mapping.jwks_file && !mapping.issuer.empty() &&
      !net::parse_url(mapping.issuer)) {
    return wrong("issuer: is no URL, so that jwks_url or jwks_file is needed");
  }
  if (mapping.algorithms.empty()) return wrong("algorithms: at least one");
  for (const std::string& algorithm : mapping.algorithms) {
    if (!parse_signature_algorithm(algorithm)) {
      return wrong("algorithms: RS256, PS256, ES256 or EdDSA");
    }
  }
  return {};
}

bool valid_layer(std::string_view path) {
  for (int depth = 1; depth <= 3; ++depth) {
    const std::size_t end = path.find('/');
    if (!valid_key_name(path.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    path.remove_prefix(end + 1);
  }
  return false;
}

Result<void> check_grant(const IdentityMapping& mapping) {
  if (mapping.life < std::chrono::seconds(1) || mapping.life > kExchangedLifeMax) {
    return wrong("life: 1 s to 15 minutes");
  }
  if (!std::ranges::all_of(mapping.endpoints, valid_endpoint_pattern)) {
    return wrong("endpoints: such as \"POST /v1/responses\"");
  }
  if (!std::ranges::all_of(mapping.models, valid_model_pattern))
    return wrong("models: * only last");
  if (!mapping.layer.empty() && !valid_layer(mapping.layer)) {
    return wrong("layer: one to three names, separated by /");
  }
  for (const std::string& text : {mapping.owner, mapping.module, mapping.purpose}) {
    if (!valid_label(text)) return wrong("owner, module and purpose: 1 to 256 bytes of text");
  }
  return {};
}

// Whatever `asked` allows, `held` allows too.
bool model_within(std::string_view asked, std::string_view held) {
  if (asked == held) return true;
  return held.ends_with('*') && asked.starts_with(held.substr(0, held.size() - 1));
}
bool endpoint_within(std::string_view asked, std::string_view held) {
  if (asked == held) return true;
  const std::size_t blank = asked.find(' ');
  return !asked.contains('*') &&
         endpoint_matches(held, asked.substr(0, blank), asked.substr(blank + 1));
}

// `asked` takes the place of `held` if each of its words lies within one of `held`.
bool narrow_list(std::vector<std::string> asked, auto within, std::vector<std::string>& held) {
  if (asked.empty()) return true;
  for (const std::string& word : asked) {
    const bool inside = held.empty() || std::ranges::any_of(held, [&](const std::string& of) {
                          return within(word, of);
                        });
    if (!inside) return false;
  }
  held = std::move(asked);
  return true;
}

}  // namespace

std::vector<std::string> mapping_problems(const IdentityMapping& mapping) {
  std::vector<std::string> all;
  if (!valid_key_name(mapping.name)) all.emplace_back("name: letters, digits and _.- only");
  if (mapping.issuer.empty()) all.emplace_back("issuer: missing");
  if (mapping.audience.empty()) all.emplace_back("audience: missing");
  for (const Result<void>& part : {check_source(mapping), check_claims(mapping),
                                   check_principal(mapping.principal), check_grant(mapping)}) {
    if (!part) all.push_back(part.error().what);
  }
  return all;
}

Result<void> check_mapping(const IdentityMapping& mapping) {
  const std::vector<std::string> all = mapping_problems(mapping);
  return all.empty() ? Result<void>() : wrong(all.front());
}

bool claim_fits(std::string_view pattern, std::string_view value) {
  if (!pattern.ends_with('*')) return pattern == value;
  return value.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool claims_fit(const IdentityMapping& mapping, const Jwt& jwt) {
  return std::ranges::all_of(mapping.claims, [&](const auto& wanted) {
    const std::vector<std::string> values = jwt.texts(wanted.first);
    return std::ranges::any_of(
        values, [&](const std::string& value) { return claim_fits(wanted.second, value); });
  });
}

std::string name_part(std::string_view claim, std::size_t bytes_max) {
  std::string out;
  for (const char c : claim) {
    if (stays(c)) {
      out += c;
    } else {
      out += '.' + to_hex({&c, 1});
    }
  }
  if (out.size() <= bytes_max) return out;
  out.resize(bytes_max - kDigestTailBytes);
  return out + ".h" + base64url_encode(sha256(claim).substr(0, 16));
}

std::optional<std::string> principal_name(const IdentityMapping& mapping, const Jwt& jwt) {
  const auto parts = parse_template(mapping.principal);
  if (!parts) return std::nullopt;
  std::string name(parts->before);
  if (!parts->claim.empty()) {
    const auto value = jwt.text(parts->claim);
    if (!value || value->empty()) return std::nullopt;
    name += name_part(*value, kNameBytesMax - parts->before.size() - parts->after.size());
    name += parts->after;
  }
  if (!valid_key_name(name)) return std::nullopt;
  return name;
}

bool narrow(std::string_view scope, Exchanged& granted) {
  std::vector<std::string> models, endpoints;
  for (std::size_t count = 0; !scope.empty(); ++count) {
    const std::size_t end = std::min(scope.find(' '), scope.size());
    std::string_view word = scope.substr(0, end);
    scope.remove_prefix(std::min(end + 1, scope.size()));
    if (count == kScopeWordsAskedMax) return false;
    if (word == "read_only") {
      granted.spec.restrictions.read_only = true;
    } else if (word.starts_with("model:")) {
      models.emplace_back(word.substr(6));
      if (!valid_model_pattern(models.back())) return false;
    } else if (word.starts_with("endpoint:")) {
      std::string& pattern = endpoints.emplace_back(word.substr(9));
      const std::size_t colon = pattern.find(':');
      if (colon == std::string::npos) return false;
      pattern[colon] = ' ';
      if (!valid_endpoint_pattern(pattern)) return false;
    } else {
      return false;
    }
  }
  Restrictions& held = granted.spec.restrictions;
  return narrow_list(std::move(models), model_within, held.models) &&
         narrow_list(std::move(endpoints), endpoint_within, held.endpoints);
}

}  // namespace sallyport::keys
