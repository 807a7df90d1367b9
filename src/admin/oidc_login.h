// SPDX-License-Identifier: Apache-2.0
// Login of people: authorization code with PKCE. /admin/login sends the browser to the provider,
// /admin/callback takes it back, checks state, nonce and token, finds the role and opens a session.
// An attempt costs us no memory: its cookie is random, and state, nonce and verifier are derived
// from it under a key that dies with the process. Belongs to the admin loop's thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admin/access.h"
#include "admin/config.h"
#include "admin/oidc_provider.h"
#include "admin/refusal_records.h"
#include "event/ports/recorder.h"
#include "net/http_server.h"

namespace sallyport::admin {

class OidcLogin {
 public:
  static constexpr std::chrono::milliseconds kAttemptLife = std::chrono::minutes(10);
  static constexpr int kUnderWayMax = 8;  // conversations with the provider at one time; else 503
  // Attempts that opened a session, remembered until they end: each counts once. At the limit
  // nobody logs in until the oldest ends; only who may log in can fill it.
  static constexpr std::size_t kUsedMax = 4096;

  struct Parts {
    net::Loop& loop;
    net::Resolver& resolver;
    net::Offload& offload;
    const Clock& clock;
    Recorder& recorder;
    Access& access;
    RefusalRecords& refusals;
  };
  // `parts` outlive it. kInvalid: the configuration.
  static Result<std::unique_ptr<OidcLogin>> make(const Config& config, Parts parts);

  Task<net::ServerResponse> begin(net::ServerRequest request);
  Task<net::ServerResponse> callback(net::ServerRequest request);

  static constexpr std::string_view kBeginPath = "/admin/login";
  static constexpr std::string_view kCallbackPath = "/admin/callback";

 private:
  OidcLogin(const Config& config, Parts parts, std::unique_ptr<OidcProvider> provider);
  std::string derive(std::string_view use, std::string_view attempt) const;
  std::optional<std::string> attempt_of(const net::ServerRequest& request) const;
  std::string attempt_cookie(std::string_view value, std::chrono::seconds life) const;
  std::optional<Role> role_of(const Identity& who) const;
  net::ServerResponse refuse(const net::ServerRequest& request, std::string who, int status,
                             const char* code, std::string why);
  Task<net::ServerResponse> welcome(net::ServerRequest request, Identity who, Role role,
                                    std::string attempt);

  const std::vector<std::string> viewers_, operators_, admins_;
  const std::string issuer_;
  const bool secure_;
  const std::string cookie_;
  const Parts parts_;
  const std::unique_ptr<OidcProvider> provider_;
  const std::string key_;
  std::map<std::string, UtcTime> used_;
  int under_way_ = 0;
};

}  // namespace sallyport::admin
