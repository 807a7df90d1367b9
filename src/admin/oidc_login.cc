// SPDX-License-Identifier: Apache-2.0
#include "admin/oidc_login.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "admin/act_record.h"
#include "admin/cookies.h"
#include "admin/envelope.h"
#include "admin/token_mac.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "keys/form.h"
#include "keys/jwk.h"
#include "keys/key_info.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kRandomChars = 43;  // base62: 256 bits
constexpr std::string_view kCallback = "GET /admin/callback";

// One conversation; given back also when the coroutine is destroyed.
class UnderWay {
 public:
  explicit UnderWay(int& count) : count_(count) { ++count_; }
  UnderWay(const UnderWay&) = delete;
  ~UnderWay() { --count_; }

 private:
  int& count_;
};

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool names(const std::vector<std::string>& listed, const Identity& who) {
  return std::ranges::any_of(listed, [&](const std::string& entry) {
    if (entry.starts_with("sub:")) return entry.substr(4) == who.subject;
    if (entry.starts_with("email:")) {
      return who.email && equal_ascii_nocase(entry.substr(6), *who.email);
    }
    return std::ranges::find(who.roles, entry) != who.roles.end();
  });
}

// For the record: the address is what people know each other by.
std::string name_of(const Identity& who) {
  const std::string plain = who.email && !who.email->empty() ? *who.email : who.subject;
  if (keys::valid_label(plain)) return "oidc:" + plain.substr(0, 200);
  return "oidc:" + to_hex(keys::sha256(who.subject)).substr(0, 16);
}

}  // namespace

Result<std::unique_ptr<OidcLogin>> OidcLogin::make(const Config& config, Parts parts) {
  auto provider = OidcProvider::make(config.oidc, {.loop = parts.loop,
                                                   .resolver = parts.resolver,
                                                   .offload = parts.offload,
                                                   .clock = parts.clock});
  if (!provider) return std::unexpected(provider.error());
  return std::unique_ptr<OidcLogin>(new OidcLogin(config, parts, std::move(*provider)));
}

OidcLogin::OidcLogin(const Config& config, Parts parts, std::unique_ptr<OidcProvider> provider)
    : viewers_(config.viewers),
      operators_(config.operators),
      admins_(config.admins),
      issuer_(config.oidc.issuer),
      secure_(config.oidc.redirect_url.starts_with("https:")),
      cookie_(secure_ ? "__Host-sallyport-login" : "sallyport-login"),
      parts_(parts),
      provider_(std::move(provider)),
      key_(make_salt() + make_salt()) {}

std::string OidcLogin::derive(std::string_view use, std::string_view attempt) const {
  return base64url_encode(token_mac(key_, std::string(use) + "." + std::string(attempt)));
}

std::string OidcLogin::attempt_cookie(std::string_view value, std::chrono::seconds life) const {
  // Lax: the way back from the provider is a navigation that another site began.
  return cookie_ + "=" + std::string(value) +
         "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" + std::to_string(life.count()) +
         (secure_ ? "; Secure" : "");
}

// "RANDOM.END": END is believed only because state is derived from the whole.
std::optional<std::string> OidcLogin::attempt_of(const net::ServerRequest& request) const {
  const auto cookie = find_cookie(request, cookie_);
  if (!cookie || cookie->size() < kRandomChars + 2 || cookie->size() > kRandomChars + 20) {
    return std::nullopt;
  }
  const auto end_ms = parse_uint(cookie->substr(kRandomChars + 1));
  if ((*cookie)[kRandomChars] != '.' || !end_ms) return std::nullopt;
  const auto now_ms = static_cast<std::uint64_t>(parts_.clock.now().time_since_epoch().count());
  if (*end_ms <= now_ms) return std::nullopt;
  return std::string(*cookie);
}

Task<net::ServerResponse> OidcLogin::begin(net::ServerRequest request) {
  if (under_way_ >= kUnderWayMax) {
    co_return error_answer(503, "login_unavailable", "Too many logins at one time; try again.");
  }
  const UnderWay one(under_way_);
  const UtcTime end = parts_.clock.now() + kAttemptLife;
  const std::string attempt =
      random_base62(kRandomChars) + "." + std::to_string(end.time_since_epoch().count());
  OidcProvider::LoginRequest login;
  login.state = derive("state", attempt);
  login.nonce = derive("nonce", attempt);
  login.challenge = base64url_encode(keys::sha256(derive("verifier", attempt)));
  Task<Result<std::string>> asking = provider_->login_url(std::move(login));
  const Result<std::string> url = co_await asking;
  if (!url) {
    log::warn("admin.login_unavailable", {{"reason", url.error().what}});
    co_return error_answer(503, "login_unavailable", "The identity provider cannot be asked.");
  }
  net::ServerResponse answer = text_answer(302, "text/plain; charset=utf-8", "");
  answer.headers.emplace_back("location", *url);
  answer.headers.emplace_back("referrer-policy", "no-referrer");
  answer.headers.emplace_back(
      "set-cookie",
      attempt_cookie(attempt, std::chrono::duration_cast<std::chrono::seconds>(kAttemptLife)));
  co_return std::move(answer);
}

Task<net::ServerResponse> OidcLogin::callback(net::ServerRequest request) {
  const auto attempt = attempt_of(request);
  if (!attempt) co_return refuse(request, "", 400, "login_expired", "no_attempt");
  const auto form = keys::parse_form(request.query);
  const auto field = [&](std::string_view name) -> std::string {
    if (!form) return "";
    const auto at = form->find(name);
    return at == form->end() ? "" : at->second;
  };
  if (!same_text(field("state"), derive("state", *attempt))) {
    co_return refuse(request, "", 400, "login_refused", "wrong_state");
  }
  // RFC 9207: who answered, where the provider says it.
  if (const std::string issuer = field("iss"); !issuer.empty() && issuer != issuer_) {
    co_return refuse(request, "", 400, "login_refused", "wrong_issuer");
  }
  if (!field("error").empty() || field("code").empty()) {
    co_return refuse(request, "", 403, "login_refused", "refused_by_provider");
  }
  std::erase_if(used_, [&](const auto& use) { return use.second <= parts_.clock.now(); });
  if (used_.contains(*attempt)) {
    co_return refuse(request, "", 400, "login_refused", "attempt_used");
  }
  if (under_way_ >= kUnderWayMax || used_.size() >= kUsedMax) {
    co_return error_answer(503, "login_unavailable", "Too many logins at one time; try again.");
  }
  const UnderWay one(under_way_);
  OidcProvider::CodeAnswer code;
  code.code = field("code");
  code.verifier = derive("verifier", *attempt);
  code.nonce = derive("nonce", *attempt);
  Task<Result<Identity>> redeeming = provider_->redeem(std::move(code));
  Result<Identity> who = co_await redeeming;
  if (!who && who.error().code != Code::kDenied) {
    log::warn("admin.login_unavailable", {{"reason", who.error().what}});
    co_return error_answer(503, "login_unavailable", "The identity provider cannot be asked.");
  }
  if (!who) co_return refuse(request, "", 403, "login_refused", who.error().what);
  const auto role = role_of(*who);
  if (!role) co_return refuse(request, name_of(*who), 403, "no_role", "no_role");
  Task<net::ServerResponse> answer = welcome(std::move(request), std::move(*who), *role, *attempt);
  co_return co_await answer;
}

std::optional<Role> OidcLogin::role_of(const Identity& who) const {
  if (names(admins_, who)) return Role::kAdmin;
  if (names(operators_, who)) return Role::kOperator;
  if (names(viewers_, who)) return Role::kViewer;
  return std::nullopt;
}

// The person learns that it failed; why stands in the record.
net::ServerResponse OidcLogin::refuse(const net::ServerRequest& request, std::string who,
                                      int status, const char* code, std::string why) {
  const Actor actor{std::move(who), request.peer.address.text()};
  Event event = act_event(parts_.clock, std::string(kCallback), actor, "admin.refused");
  event.status = status;
  event.error = code;
  event.detail = act_detail("null", "null", why);
  if (actor.name.empty()) {
    parts_.refusals.tell(request.peer.address, std::move(event));
  } else {
    parts_.recorder.record(std::move(event), Durability::kWritten, {});
  }
  const bool stranger = std::string_view(code) == "no_role";
  net::ServerResponse answer =
      error_answer(status, code,
                   stranger ? "You are known, but no role is given to you here."
                            : "The login did not succeed; begin again at /admin/login.");
  answer.headers.emplace_back("set-cookie", attempt_cookie("", std::chrono::seconds(0)));
  return answer;
}

Task<net::ServerResponse> OidcLogin::welcome(net::ServerRequest request, Identity who, Role role,
                                             std::string attempt) {
  // Another answer with the same attempt may have come while we asked the provider.
  if (!used_.emplace(attempt, parts_.clock.now() + kAttemptLife).second) {
    co_return refuse(request, "", 400, "login_refused", "attempt_used");
  }
  const Actor actor{name_of(who), request.peer.address.text()};
  std::string after;
  JsonWriter json(after);
  json.begin_object().field("role", name(role)).field("sub", who.subject).end_object();
  struct Work {
    Event event;
    bool recorded = false;
  };
  auto work = std::make_shared<Work>();
  work->event = act_event(parts_.clock, std::string(kCallback), actor, "admin.login");
  work->event.status = 200;
  work->event.detail = act_detail("null", after);
  std::function<void()> record = [&recorder = parts_.recorder, work] {
    work->recorded = record_durably(recorder, std::move(work->event));
  };
  co_await parts_.offload.run(parts_.loop, std::move(record));
  if (!work->recorded) {
    co_return error_answer(503, "journal_unavailable", "The journal cannot write; nobody gets in.");
  }
  const Secret cookie = parts_.access.sessions().open(actor.name, role);
  // Our own page leads on: a session cookie that is SameSite=Strict does not travel with a redirect
  // that another site began.
  net::ServerResponse answer = text_answer(
      200, "text/html; charset=utf-8",
      "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=/\">"
      "<title>Sallyport</title><p><a href=\"/\">Continue</a></p>\n");
  answer.headers.emplace_back("content-security-policy",
                              "default-src 'none'; frame-ancestors 'none'");
  answer.headers.emplace_back("referrer-policy", "no-referrer");
  answer.headers.emplace_back("set-cookie", attempt_cookie("", std::chrono::seconds(0)));
  answer.headers.emplace_back(
      "set-cookie",
      parts_.access.cookie_header(
          cookie.reveal(), std::chrono::duration_cast<std::chrono::seconds>(Sessions::kLife)));
  co_return std::move(answer);
}

}  // namespace sallyport::admin
