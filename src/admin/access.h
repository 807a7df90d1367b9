// SPDX-License-Identifier: Apache-2.0
// Who is asking? The UNIX socket (its file permissions were the login), an admin token, or the
// session of a browser. Asked anew with every request, so that what is revoked or has ended is dead
// at once. Belongs to the admin loop's thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/admin_token.h"
#include "admin/admin_tokens.h"
#include "admin/config.h"
#include "admin/routes.h"
#include "admin/sessions.h"
#include "event/ports/setting_store.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

// The token in `Authorization: Bearer ...`; empty: none.
std::string_view bearer_of(const net::ServerRequest& request);
bool is_gateway_key(std::string_view token);  // sk-sp1-..., sk-spd1-...

class Access {
 public:
  // Another process may have changed the tokens (the command line, while no server ran): they are
  // read again before a token is believed, at most this often.
  static constexpr std::int64_t kTokensFreshUs = 1'000'000;

  struct Parts {
    net::Loop& loop;
    net::Offload& offload;
    SettingStore& settings;
    const Clock& clock;
  };
  // `parts` outlive it. kUnavailable, kCorrupt: the store.
  static Result<std::unique_ptr<Access>> make(const Config& config, Parts parts);

  // Nothing for everybody who is not let in. `request` stays alive until the answer.
  Task<std::optional<Caller>> identify(const net::ServerRequest& request);

  // "forbidden_origin" for a page of another origin, "csrf_header_missing" for a change that comes
  // with a session but without the header that no other origin's page can send; else null.
  const char* page_fault(const net::ServerRequest& request) const;
  bool own_origin(const net::ServerRequest& request) const;

  const std::shared_ptr<AdminTokens>& tokens() const { return tokens_; }
  Sessions& sessions() { return sessions_; }
  void take(AdminToken token) { first_ = std::move(token); }
  // The value of Set-Cookie for a session; an empty `cookie` takes it away from the browser.
  std::string cookie_header(std::string_view cookie, std::chrono::seconds life) const;

 private:
  Access(const Config& config, Parts parts, AdminToken first);
  std::optional<Caller> by_session(const net::ServerRequest& request) const;

  const Parts parts_;
  const std::string scheme_;   // of our listener
  const std::string outside_;  // origin of admin.login.oidc.redirect_url: behind a proxy; or empty
  const std::string cookie_;
  AdminToken first_;                     // made at the first start; no end, role admin
  std::shared_ptr<AdminTokens> tokens_;  // shared with work that may outlive a stopped server
  std::int64_t read_us_ = INT64_MIN;
  net::Offload reading_{1};  // of the tokens; whoever kills a key does not wait behind other work
  Sessions sessions_;
};

}  // namespace sallyport::admin
