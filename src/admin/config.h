// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace sallyport::admin {

// Login of people through an OpenID Connect provider; off while `issuer` is empty.
struct OidcConfig {
  std::string issuer;  // exactly as the provider names itself in its tokens
  std::string client_id;
  std::shared_ptr<const Secret> client_secret;  // null: a public client, PKCE alone
  std::string redirect_url;                     // https://host/admin/callback as browsers reach it
  std::optional<std::string> ca_file;           // PEM; the system's authorities when absent
  std::string roles_claim = "groups";           // whose values the lists below name
};

struct Config {
  std::string address = "127.0.0.1:9443";  // never the data port; loopback unless TLS is on
  std::optional<std::string> tls_cert_file, tls_key_file;
  std::vector<std::string> hosts;  // further names that Host may have, against DNS rebinding
  std::string socket =
      "/run/sallyport/admin.sock";  // mode 0600: file permissions are the login; empty = none
  OidcConfig oidc;
  // Who gets which role at login: values of the claim, or "email:alice@example.com" (only if the
  // provider says it is verified), or "sub:...". Who is in none gets in nowhere.
  std::vector<std::string> viewers, operators, admins;
  std::vector<std::string> compatible_with;  // "litellm"
};

}  // namespace sallyport::admin
