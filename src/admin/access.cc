// SPDX-License-Identifier: Apache-2.0
#include "admin/access.h"

#include <functional>
#include <memory>
#include <utility>

#include "admin/cookies.h"
#include "admin/peer_user.h"
#include "base/log.h"
#include "base/text.h"
#include "keys/key_format.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kCsrfHeader = "x-sallyport-csrf";

// "https://host:port" of an URL.
std::string origin_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  return lower_ascii(url.substr(0, std::min(url.find('/', scheme + 3), url.size())));
}

bool reads(const net::ServerRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

}  // namespace

std::string_view bearer_of(const net::ServerRequest& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string* header = request.find("authorization");
  if (header == nullptr || header->size() < kScheme.size()) return {};
  const std::string_view value = *header;
  if (!equal_ascii_nocase(value.substr(0, kScheme.size()), kScheme)) return {};
  return value.substr(kScheme.size());
}

bool is_gateway_key(std::string_view token) {
  return token.starts_with("sk-sp1-") || token.starts_with("sk-spd1-");
}

Result<std::unique_ptr<Access>> Access::make(const Config& config, Parts parts) {
  Result<AdminToken> first = AdminToken::load(parts.settings);
  if (!first && first.error().code == Code::kNotFound) first = AdminToken();  // matches nothing
  if (!first) return std::unexpected(first.error());
  std::unique_ptr<Access> access(new Access(config, parts, std::move(*first)));
  const Result<void> known = access->tokens_->refresh();
  if (!known) return std::unexpected(known.error());
  return access;
}

Access::Access(const Config& config, Parts parts, AdminToken first)
    : parts_(parts),
      scheme_(config.tls_cert_file ? "https" : "http"),
      outside_(origin_of(config.oidc.redirect_url)),
      cookie_(scheme_ == "https" || outside_.starts_with("https:") ? "__Host-sallyport"
                                                                   : "sallyport"),
      first_(std::move(first)),
      tokens_(std::make_shared<AdminTokens>(parts.settings, parts.clock)),
      sessions_(parts.clock) {}

Task<std::optional<Caller>> Access::identify(const net::ServerRequest& request) {
  if (request.local_socket) {
    const bool inside = request.connection == nullptr;  // the command line asks itself
    co_return Caller{.name = inside ? own_user() : peer_user(request.connection->fd()),
                     .ip = {},
                     .role = Role::kAdmin,
                     .local = true};
  }
  if (request.find("authorization") == nullptr) co_return by_session(request);
  const std::string_view token = bearer_of(request);
  if (token.empty() || is_gateway_key(token)) co_return std::nullopt;
  if (!first_.loaded()) {
    Result<AdminToken> late = AdminToken::load(parts_.settings);
    if (late) first_ = std::move(*late);
  }
  const std::string ip = request.peer.address.text();
  if (first_.matches(token)) {
    co_return Caller{.name = "admin_token", .ip = ip, .role = Role::kAdmin};
  }
  const std::int64_t now_us = parts_.clock.steady_us();
  if (now_us - kTokensFreshUs >= read_us_) {
    read_us_ = now_us;
    std::function<void()> read = [tokens = tokens_] {
      // The tokens that are known stay: an operator must get in while the disk is sick.
      const Result<void> fresh = tokens->refresh();
      if (!fresh) log::warn("admin.tokens_not_read", {{"reason", fresh.error().what}});
    };
    co_await reading_.run(parts_.loop, std::move(read));
  }
  const auto known = tokens_->match(token);
  if (!known) co_return std::nullopt;
  co_return Caller{
      .name = "token:" + known->name, .ip = ip, .role = known->role, .until = known->expires_at};
}

std::optional<Caller> Access::by_session(const net::ServerRequest& request) const {
  const auto found = sessions_.find(find_cookie(request, cookie_).value_or(""));
  if (!found) return std::nullopt;
  return Caller{.name = found->session.who,
                .ip = request.peer.address.text(),
                .role = found->session.role,
                .session = found->handle,
                .until = found->session.until};
}

std::string Access::cookie_header(std::string_view cookie, std::chrono::seconds life) const {
  return cookie_ + "=" + std::string(cookie) +
         "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(life.count()) +
         (cookie_.starts_with("__Host-") ? "; Secure" : "");
}

bool Access::own_origin(const net::ServerRequest& request) const {
  const std::string* origin = request.find("origin");
  const std::string* host = request.find("host");
  if (origin == nullptr || host == nullptr) return false;
  const std::string given = lower_ascii(*origin);
  return given == scheme_ + "://" + lower_ascii(*host) || (!outside_.empty() && given == outside_);
}

const char* Access::page_fault(const net::ServerRequest& request) const {
  if (request.find("origin") != nullptr && !own_origin(request)) return "forbidden_origin";
  if (request.local_socket || request.find("authorization") != nullptr) return nullptr;
  if (!find_cookie(request, cookie_)) return nullptr;  // nobody, and refused as such
  const std::string* site = request.find("sec-fetch-site");
  if (site != nullptr && *site != "same-origin" && *site != "none") return "forbidden_origin";
  if (reads(request)) return nullptr;
  if (!own_origin(request)) return "forbidden_origin";
  const std::string* header = request.find(kCsrfHeader);
  return header != nullptr && *header == "1" ? nullptr : "csrf_header_missing";
}

}  // namespace sallyport::admin
