// SPDX-License-Identifier: Apache-2.0
#include "keys/token_exchange.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "keys/form.h"
#include "keys/key_ring.h"

namespace sallyport::keys {
namespace {

constexpr std::string_view kGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view kJwtType = "urn:ietf:params:oauth:token-type:jwt";
constexpr std::string_view kIdTokenType = "urn:ietf:params:oauth:token-type:id_token";
constexpr std::string_view kAccessTokenType = "urn:ietf:params:oauth:token-type:access_token";

std::unexpected<ExchangeFault> refuse(const char* error, const char* reason) {
  return std::unexpected(ExchangeFault{400, error, reason});
}
std::unexpected<ExchangeFault> unavailable(const char* reason) {
  return std::unexpected(ExchangeFault{503, "temporarily_unavailable", reason});
}

enum class Content { kForm, kJson, kOther };

// By the media type, with no charset but UTF-8.
Content content_of(std::string_view content_type) {
  const std::size_t semicolon = content_type.find(';');
  const std::string type = lower_ascii(trim_ows(content_type.substr(0, semicolon)));
  if (semicolon != std::string_view::npos) {
    const std::string more = lower_ascii(trim_ows(content_type.substr(semicolon + 1)));
    if (more != "charset=utf-8") return Content::kOther;
  }
  if (type == "application/x-www-form-urlencoded") return Content::kForm;
  return type == "application/json" ? Content::kJson : Content::kOther;
}

Result<Form> read_form(std::string_view content_type, std::string_view body) {
  const Content content = content_of(content_type);
  if (content == Content::kForm) return parse_form(body);
  if (content == Content::kJson) return parse_json_form(body);
  return fail(Code::kInvalid, "another content type");
}

std::string_view value(const Form& form, std::string_view name) {
  const auto at = form.find(name);
  return at == form.end() ? std::string_view() : std::string_view(at->second);
}

constexpr std::size_t kShare = 4, kShareMin = 10;

// A name without a claim is all of the mapping: it has no share of its own.
MappingLimits limits_of(const IdentityMapping& mapping) {
  MappingLimits limits{.live_max = mapping.live_max,
                       .mints_per_minute_max = mapping.per_minute_max};
  if (!mapping.principal.contains('{')) return limits;
  const auto share = [](std::size_t own, std::size_t all) -> std::size_t {
    return own > 0 ? own : std::max(all / kShare, kShareMin);
  };
  limits.principal_live_max = share(mapping.principal_live_max, mapping.live_max);
  limits.principal_mints_per_minute_max =
      share(mapping.principal_per_minute_max, mapping.per_minute_max);
  return limits;
}

}  // namespace

bool exchange_content(std::string_view content_type) {
  return content_of(content_type) != Content::kOther;
}

std::expected<ExchangeRequest, ExchangeFault> parse_exchange(std::string_view content_type,
                                                             std::string_view body) {
  Result<Form> form = read_form(content_type, body);
  if (!form) return refuse("invalid_request", "exchange_malformed");
  const std::string_view grant = value(*form, "grant_type");
  if (grant.empty()) return refuse("invalid_request", "exchange_malformed");
  if (grant != kGrant) return refuse("unsupported_grant_type", "exchange_grant_type");
  const std::string_view type = value(*form, "subject_token_type");
  const std::string_view wanted = value(*form, "requested_token_type");
  const std::string_view token = value(*form, "subject_token");
  if (token.empty() || (type != kJwtType && type != kIdTokenType) ||
      (!wanted.empty() && wanted != kAccessTokenType)) {
    return refuse("invalid_request", "exchange_token_type");
  }
  for (const char* const name : {"actor_token", "actor_token_type"}) {
    if (form->contains(name)) return refuse("invalid_request", "exchange_delegation");
  }
  for (const char* const name : {"resource", "audience"}) {
    if (form->contains(name)) return refuse("invalid_target", "exchange_target");
  }
  ExchangeRequest request{Secret(token), std::string(value(*form, "scope"))};
  wipe(form->find("subject_token")->second);
  return request;
}

// What one request carries to the other thread and back. Owned by both: the request may be gone
// when the thread gets to it.
struct TokenExchange::Case {
  Case(SourcePlaces::Place place, Jwt of) : jwt(std::move(of)), place_(std::move(place)) {}
  Case(const Case&) = delete;
  ~Case() {
    if (minting_) --*minting_;
  }
  // False: as many keys as may be are being made.
  bool may_mint(const std::shared_ptr<std::atomic<int>>& minting) {
    if (++*minting > kUnderWayMax) {
      --*minting;
      return false;
    }
    minting_ = minting;
    return true;
  }

  Jwt jwt;
  Mappings mappings;  // keeps `mapping`
  const Mapping* mapping = nullptr;
  std::shared_ptr<const KeySet> keys;
  Exchanged granted;
  decltype(ExchangeBinding::prove) prove;
  UtcTime now{};
  bool genuine = false;
  std::expected<Granted, ExchangeFault> result = std::unexpected(ExchangeFault{});

 private:
  SourcePlaces::Place place_;
  std::shared_ptr<std::atomic<int>> minting_;  // null: no key is being made
};

TokenExchange::TokenExchange(KeySources& sources, Threads threads, const Clock& clock, Mint mint)
    : sources_(sources),
      threads_(threads),
      clock_(clock),
      mint_(std::move(mint)),
      started_(clock.now()),
      used_(ReplayMemory::Limits{}) {}

Result<std::unique_ptr<TokenExchange>> TokenExchange::make(
    const std::vector<IdentityMapping>& mappings, KeySources& sources, Threads threads,
    const Clock& clock, Mint mint) {
  std::unique_ptr<TokenExchange> made(new TokenExchange(sources, threads, clock, std::move(mint)));
  const Result<void> taken = made->take(mappings);
  if (!taken) return std::unexpected(taken.error());
  return made;
}

Result<void> TokenExchange::take(const std::vector<IdentityMapping>& mappings) {
  auto next = std::make_shared<std::vector<Mapping>>();
  for (const IdentityMapping& config : mappings) {
    const Result<void> good = check_mapping(config);
    if (!good) return fail(Code::kInvalid, config.name + ": " + good.error().what);
    KeySource::Place place;
    place.url = config.jwks_url;
    place.file = config.jwks_file;
    if (!place.url && !place.file) place.issuer = config.issuer;
    if (!place.file) place.ca_file = config.ca_file;
    const Result<KeySource*> source = sources_.add(std::move(place));
    if (!source) return fail(source.error().code, config.name + ": " + source.error().what);
    Mapping& mapping = next->emplace_back();
    mapping.config = config;
    mapping.source = *source;
    mapping.expected = {.issuer = config.issuer, .audience = config.audience, .algorithms = {}};
    for (const std::string& algorithm : config.algorithms) {
      mapping.expected.algorithms.push_back(*parse_signature_algorithm(algorithm));
    }
  }
  const std::lock_guard lock(mutex_);
  mappings_ = std::move(next);
  return {};
}

TokenExchange::Mappings TokenExchange::mappings() const {
  const std::lock_guard lock(mutex_);
  return mappings_;
}

bool TokenExchange::stands(const IdentityMapping& mapping) const {
  const Mappings now = mappings();
  return std::ranges::find(*now, mapping, &Mapping::config) != now->end();
}

// The first mapping that fits. The reason that is told is that of the mapping that came nearest.
std::expected<const TokenExchange::Mapping*, ExchangeFault> TokenExchange::match(
    const std::vector<Mapping>& mappings, const Jwt& jwt, UtcTime now) {
  const char* reason = name(JwtFault::kIssuer);
  for (const Mapping& mapping : mappings) {
    const JwtFault fault = check_jwt(jwt, mapping.expected, now);
    if (fault == JwtFault::kIssuer) continue;
    if (fault != JwtFault::kNone) {
      reason = name(fault);
      continue;
    }
    if (claims_fit(mapping.config, jwt)) return &mapping;
    reason = "exchange_claims";
  }
  return refuse("invalid_grant", reason);
}

std::expected<Exchanged, ExchangeFault> TokenExchange::grant(const Mapping& mapping, const Jwt& jwt,
                                                             const ExchangeRequest& request,
                                                             const ExchangeBinding& binding,
                                                             UtcTime now) const {
  const IdentityMapping& config = mapping.config;
  auto principal = principal_name(config, jwt);
  if (!principal) return refuse("invalid_grant", "exchange_principal");
  // The leeway lets a token in whose end our clock has just passed; a key it does not give.
  const auto left = *jwt.time("exp") - now;
  if (left < std::chrono::seconds(1)) return refuse("invalid_grant", name(JwtFault::kExpired));
  // What was used before the start is forgotten; what was issued before it may have been used.
  if (config.single_use && *jwt.time("iat") < started_) {
    return refuse("invalid_grant", "exchange_older_than_memory");
  }

  Exchanged granted;
  granted.spec.name = std::move(*principal);
  granted.spec.owner = config.owner;
  granted.spec.life = std::min({config.life, kExchangedLifeMax, left});
  granted.spec.restrictions.endpoints = config.endpoints;
  granted.spec.restrictions.models = config.models;
  granted.spec.scope.module = config.module;
  granted.spec.scope.purpose = config.purpose;
  granted.spec.scope.upstream = config.upstream;
  granted.mapping_id = config.name;
  granted.spec.mapping = config.name;
  granted.spec.mapping_limits = limits_of(config);
  granted.issuer = config.issuer;
  granted.subject = jwt.text("sub").value_or("");
  granted.ip = binding.ip;
  granted.spec.layer = config.layer;
  if (!binding.certificate.empty()) granted.spec.restrictions.certificate = binding.certificate;
  if (!narrow(request.scope, granted)) return refuse("invalid_scope", "exchange_scope");
  return granted;
}

// The costly part, once the signature is right: memory, key.
void TokenExchange::decide(Case& of) {
  if (of.prove) {
    auto thumbprint = of.prove();
    if (!thumbprint) {
      of.result = refuse("invalid_dpop_proof", thumbprint.error());
      return;
    }
    of.granted.spec.restrictions.dpop = std::move(*thumbprint);
  }
  const bool once = of.mapping->config.single_use;
  const std::string id = of.jwt.digest();
  if (once) {
    const UtcTime until = *of.jwt.time("exp") + kClockLeeway;
    const ReplayMemory::Seen seen = used_.remember(of.granted.mapping_id, id, until, of.now);
    if (seen == ReplayMemory::Seen::kAgain) of.result = refuse("invalid_grant", "exchange_replay");
    if (seen == ReplayMemory::Seen::kFull) of.result = unavailable("exchange_memory_full");
    if (seen != ReplayMemory::Seen::kFirstTime) return;
  }
  // As late as can be: it may have been taken out while the signature was verified.
  if (!stands(of.mapping->config)) {
    of.result = refuse("invalid_grant", "exchange_mapping_removed");
    return;
  }
  Result<Issued> issued = mint_(of.granted);
  if (!issued) {
    if (once) used_.forget(of.granted.mapping_id, id);
    if (issued.error().code == Code::kExhausted) {  // the record says so of each
      const bool own = issued.error().what == KeyRing::kPrincipalFull;
      of.result =
          std::unexpected(ExchangeFault{429, "temporarily_unavailable",
                                        own ? "exchange_principal_full" : "exchange_mapping_full"});
      return;
    }
    log::error("keys.exchange_failed",
               {{"mapping", of.granted.mapping_id}, {"reason", issued.error().what}});
    of.result = unavailable("exchange_mint_failed");
    return;
  }
  of.result = Granted{std::move(*issued), of.granted.mapping_id, static_cast<bool>(of.prove)};
}

Task<std::expected<Granted, ExchangeFault>> TokenExchange::exchange(net::Loop& loop,
                                                                    ExchangeRequest request,
                                                                    ExchangeBinding binding) {
  const UtcTime now = clock_.now();
  auto jwt = Jwt::parse(request.subject_token.reveal());
  if (!jwt) co_return refuse("invalid_grant", name(jwt.error()));
  const Mappings known = mappings();
  const auto mapping = match(*known, *jwt, now);
  if (!mapping) co_return std::unexpected(mapping.error());
  auto granted = grant(**mapping, *jwt, request, binding, now);
  if (!granted) co_return std::unexpected(granted.error());

  if (jwt->kid().empty()) co_return refuse("invalid_grant", name(JwtFault::kUnknownKey));
  auto keys = co_await (*mapping)->source->find(loop, jwt->kid());
  if (!keys) co_return unavailable("exchange_no_keys");
  if (find_key(*jwt, **keys) == nullptr) {
    co_return refuse("invalid_grant", name(JwtFault::kUnknownKey));
  }

  auto place = places_.take(binding.source);
  if (!place) co_return unavailable("exchange_busy");
  auto of = std::make_shared<Case>(std::move(*place), std::move(*jwt));
  of->mappings = known;
  of->mapping = *mapping;
  of->keys = std::move(*keys);
  of->granted = std::move(*granted);
  of->prove = std::move(binding.prove);
  of->now = now;
  std::function<void()> verify = [of] {
    const PublicKey* const key = find_key(of->jwt, *of->keys);
    of->genuine = key != nullptr && of->jwt.signed_by(*key);
  };
  co_await threads_.verify.run(loop, std::move(verify));
  if (!of->genuine) co_return refuse("invalid_grant", name(JwtFault::kSignature));
  if (!of->may_mint(minting_)) co_return unavailable("exchange_busy");
  std::function<void()> work = [this, of] { decide(*of); };
  co_await threads_.mint.run(loop, std::move(work));
  co_return std::move(of->result);
}

}  // namespace sallyport::keys
