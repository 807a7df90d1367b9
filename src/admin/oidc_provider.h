// SPDX-License-Identifier: Apache-2.0
// The OpenID Connect provider as login sees it: its discovery document, the exchange of a code for
// an ID token, the token verified. Bounded answers, https only (plain http on loopback), no
// redirects. Belongs to the admin loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/config.h"
#include "base/clock.h"
#include "base/result.h"
#include "keys/key_source.h"
#include "net/connect.h"
#include "net/loop.h"
#include "net/offload.h"
#include "net/tls.h"

namespace sallyport::admin {

// Whom the provider vouches for.
struct Identity {
  std::string subject;
  std::optional<std::string> email;  // only when the provider says that it is verified
  std::vector<std::string> roles;    // values of the configured claim
};

class OidcProvider {
 public:
  static constexpr std::int64_t kFreshUs = 3'600'000'000;  // of the discovery document: 1 h
  static constexpr std::int64_t kAskAgainUs = 5'000'000;   // after it could not be had
  static constexpr std::int64_t kTimeoutMs = 10'000;       // of one question
  static constexpr std::size_t kAnswerBytesMax = 64 * 1024;
  static constexpr std::size_t kSubjectBytesMax = 200;

  struct Parts {
    net::Loop& loop;
    net::Resolver& resolver;
    net::Offload& offload;
    const Clock& clock;
  };
  // `parts` outlive it. kInvalid: an address that is not https, or a CA file that cannot be used.
  static Result<std::unique_ptr<OidcProvider>> make(const OidcConfig& config, Parts parts);

  // Where to send the browser. kUnavailable: the provider cannot be asked; kCorrupt: its discovery
  // document is none, or of another issuer.
  struct LoginRequest {
    std::string state, nonce, challenge;
  };
  Task<Result<std::string>> login_url(LoginRequest request);

  // kDenied: the provider refuses the code, or its token is not for us: `what` says which, for the
  // record. kUnavailable as above.
  struct CodeAnswer {
    std::string code, verifier, nonce;
  };
  Task<Result<Identity>> redeem(CodeAnswer answer);

 private:
  struct Discovery {
    std::string authorization_url, token_url, jwks_url;
  };
  OidcProvider(const OidcConfig& config, Parts parts, std::shared_ptr<const net::TlsContext> tls);
  Task<Result<void>> discover();
  Result<Discovery> read_discovery(const std::string& body) const;
  Task<Result<Identity>> verify(std::string token, std::string nonce);

  const OidcConfig config_;
  const Parts parts_;
  const std::shared_ptr<const net::TlsContext> tls_;
  std::optional<Discovery> known_;
  std::optional<std::int64_t> known_us_, failed_us_;
  std::shared_ptr<keys::KeySource> keys_;  // of known_->jwks_url
};

// application/x-www-form-urlencoded, for a query or a body.
std::string form_encode(std::string_view text);

}  // namespace sallyport::admin
