// SPDX-License-Identifier: Apache-2.0
#include "admin/oidc_provider.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"
#include "base/text.h"
#include "keys/jwt.h"
#include "net/http_client.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kDiscoveryPath = "/.well-known/openid-configuration";

bool is_loopback(const std::string& host) {
  const auto address = IpAddress::parse(host);
  return host == "localhost" || (address && address->is_loopback());
}

// Who can change what is said here decides who logs in.
Result<void> check_url(const std::string& text) {
  const Result<net::Url> url = net::parse_url(text.substr(0, text.find('?')));
  if (!url) return fail(Code::kInvalid, "not a usable address: " + text.substr(0, 200));
  if (!url->tls && !is_loopback(url->host)) {
    return fail(Code::kInvalid, "must be https: " + url->host);
  }
  const bool clean =
      std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '#' && c != '"'; });
  if (!clean) return fail(Code::kInvalid, "not a usable address of " + url->host);
  return {};
}

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return std::string(value ? value->string().value_or("") : "");
}

}  // namespace

std::string form_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

Result<std::unique_ptr<OidcProvider>> OidcProvider::make(const OidcConfig& config, Parts parts) {
  if (const auto safe = check_url(config.issuer); !safe) return std::unexpected(safe.error());
  if (const auto safe = check_url(config.redirect_url); !safe) return std::unexpected(safe.error());
  auto tls = net::TlsContext::client(config.ca_file.value_or(""));
  if (!tls) return std::unexpected(tls.error());
  return std::unique_ptr<OidcProvider>(new OidcProvider(config, parts, std::move(*tls)));
}

OidcProvider::OidcProvider(const OidcConfig& config, Parts parts,
                           std::shared_ptr<const net::TlsContext> tls)
    : config_(config), parts_(parts), tls_(std::move(tls)) {}

Result<OidcProvider::Discovery> OidcProvider::read_discovery(const std::string& body) const {
  const auto document = JsonValue::parse(body);
  if (!document || !document->is_object()) {
    return fail(Code::kCorrupt, "the discovery document is not JSON");
  }
  // Exactly: another issuer's document here is the mix-up attack.
  if (text_of(*document, "issuer") != config_.issuer) {
    return fail(Code::kCorrupt, "the discovery document names another issuer");
  }
  Discovery found{.authorization_url = text_of(*document, "authorization_endpoint"),
                  .token_url = text_of(*document, "token_endpoint"),
                  .jwks_url = text_of(*document, "jwks_uri")};
  for (const std::string* url : {&found.authorization_url, &found.token_url, &found.jwks_url}) {
    if (const auto safe = check_url(*url); !safe) return fail(Code::kCorrupt, safe.error().what);
  }
  return found;
}

Task<Result<void>> OidcProvider::discover() {
  const std::int64_t now_us = parts_.clock.steady_us();
  if (known_ && now_us - *known_us_ < kFreshUs) co_return Result<void>();
  if (failed_us_ && now_us - *failed_us_ < kAskAgainUs) {
    if (known_) co_return Result<void>();  // old, and better than none
    co_return fail(Code::kUnavailable, "the provider did not answer a moment ago");
  }
  failed_us_ = now_us;  // until it has answered: others do not ask meanwhile
  std::string base = config_.issuer;
  if (base.ends_with('/')) base.pop_back();
  net::Question question;
  question.url = base + std::string(kDiscoveryPath);
  question.answer_bytes_max = kAnswerBytesMax;
  question.timeout_ms = kTimeoutMs;
  Task<Result<net::Reply>> asking =
      net::ask(parts_.loop, parts_.resolver, tls_, std::move(question));
  const Result<net::Reply> reply = co_await asking;
  if (!reply) co_return fail(Code::kUnavailable, "discovery: " + reply.error().what);
  if (reply->status != 200) {
    co_return fail(Code::kUnavailable, "discovery: status " + std::to_string(reply->status));
  }
  Result<Discovery> found = read_discovery(reply->body);
  if (!found) co_return std::unexpected(found.error());
  if (!known_ || known_->jwks_url != found->jwks_url) {
    keys::KeySource::Place place;
    place.url = found->jwks_url;
    place.ca_file = config_.ca_file;
    const keys::FetchParts fetch{
        .resolver = parts_.resolver, .offload = parts_.offload, .clock = parts_.clock};
    auto source = keys::KeySource::make(std::move(place), fetch);
    if (!source) co_return std::unexpected(source.error());
    keys_ = std::move(*source);
  }
  known_ = std::move(*found);
  known_us_ = now_us;
  failed_us_.reset();
  co_return Result<void>();
}

Task<Result<std::string>> OidcProvider::login_url(LoginRequest request) {
  Task<Result<void>> discovering = discover();
  const Result<void> ready = co_await discovering;
  if (!ready) co_return std::unexpected(ready.error());
  const std::string& at = known_->authorization_url;
  co_return at + (at.contains('?') ? "&" : "?") +
      "response_type=code&client_id=" + form_encode(config_.client_id) +
      "&redirect_uri=" + form_encode(config_.redirect_url) +
      "&scope=" + form_encode("openid email profile") + "&state=" + request.state +
      "&nonce=" + request.nonce + "&code_challenge=" + request.challenge +
      "&code_challenge_method=S256";
}

Task<Result<Identity>> OidcProvider::redeem(CodeAnswer answer) {
  Task<Result<void>> discovering = discover();
  const Result<void> ready = co_await discovering;
  if (!ready) co_return std::unexpected(ready.error());
  net::Question question;
  question.method = "POST";
  question.url = known_->token_url;
  question.answer_bytes_max = kAnswerBytesMax;
  question.timeout_ms = kTimeoutMs;
  question.headers = {{"content-type", "application/x-www-form-urlencoded"},
                      {"accept", "application/json"}};
  question.body = "grant_type=authorization_code&code=" + form_encode(answer.code) +
                  "&redirect_uri=" + form_encode(config_.redirect_url) +
                  "&code_verifier=" + form_encode(answer.verifier);
  if (config_.client_secret) {
    const std::string pair =
        form_encode(config_.client_id) + ":" + form_encode(config_.client_secret->reveal());
    question.headers.emplace_back("authorization", "Basic " + base64_encode(pair));
  } else {
    question.body += "&client_id=" + form_encode(config_.client_id);
  }
  Task<Result<net::Reply>> asking =
      net::ask(parts_.loop, parts_.resolver, tls_, std::move(question));
  const Result<net::Reply> reply = co_await asking;
  if (!reply) co_return fail(Code::kUnavailable, "token endpoint: " + reply.error().what);
  if (reply->status >= 500) co_return fail(Code::kUnavailable, "token endpoint: server error");
  if (reply->status != 200) co_return fail(Code::kDenied, "code_refused");
  const auto body = JsonValue::parse(reply->body);
  std::string token = body ? text_of(*body, "id_token") : "";
  if (token.empty()) co_return fail(Code::kDenied, "no_id_token");
  Task<Result<Identity>> verifying = verify(std::move(token), std::move(answer.nonce));
  co_return co_await verifying;
}

Task<Result<Identity>> OidcProvider::verify(std::string token, std::string nonce) {
  const auto jwt = keys::Jwt::parse(token);
  if (!jwt) co_return fail(Code::kDenied, keys::name(jwt.error()));
  keys::JwtExpectations expected;
  expected.issuer = config_.issuer;
  expected.audience = config_.client_id;
  using enum keys::SignatureAlgorithm;
  expected.algorithms = {kRs256, kPs256, kEs256, kEdDsa};
  const keys::JwtFault early = keys::check_jwt(*jwt, expected, parts_.clock.now());
  if (early != keys::JwtFault::kNone) co_return fail(Code::kDenied, keys::name(early));
  // Kept: a new discovery may replace it while we wait.
  const std::shared_ptr<keys::KeySource> source = keys_;
  Task<Result<std::shared_ptr<const keys::KeySet>>> finding = source->find(parts_.loop, jwt->kid());
  const Result<std::shared_ptr<const keys::KeySet>> set = co_await finding;
  if (!set) co_return fail(Code::kUnavailable, set.error().what);
  const keys::JwtFault fault = keys::verify_jwt(*jwt, expected, **set, parts_.clock.now());
  if (fault != keys::JwtFault::kNone) co_return fail(Code::kDenied, keys::name(fault));
  if (jwt->text("nonce") != nonce) co_return fail(Code::kDenied, "wrong_nonce");
  // A token for several audiences says to whom it was issued.
  const auto issued_to = jwt->text("azp");
  const bool several = jwt->texts("aud").size() > 1;
  if ((several || issued_to) && issued_to != config_.client_id) {
    co_return fail(Code::kDenied, "wrong_azp");
  }
  Identity who;
  who.subject = jwt->text("sub").value_or("");
  if (who.subject.empty() || who.subject.size() > kSubjectBytesMax) {
    co_return fail(Code::kDenied, "bad_sub");
  }
  if (jwt->text("email_verified") == "true") who.email = jwt->text("email");
  who.roles = jwt->texts(config_.roles_claim);
  co_return who;
}

}  // namespace sallyport::admin
