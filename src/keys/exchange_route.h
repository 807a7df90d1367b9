// SPDX-License-Identifier: Apache-2.0
// POST /oauth/token: the exchange of identity tokens as a route of the gate. Everybody may call it;
// errors say what RFC 6749 has a word for and never why.
#pragma once

#include "exchange/own_route.h"
#include "keys/dpop.h"
#include "keys/token_exchange.h"

namespace sallyport::keys {

// One per thread; what is passed outlives it.
class ExchangeRoute final : public OwnRoute {
 public:
  // `proofs` may be null: a request that brings a DPoP proof is then refused, since its sender
  // believes that the key will be bound.
  ExchangeRoute(TokenExchange& exchange, DpopProofs* proofs, const Clock& clock)
      : exchange_(exchange), proofs_(proofs), clock_(clock) {}

  const char* name() const override { return "token_exchange"; }
  bool takes(const Exchange& x) const override {
    return x.method == "POST" && x.path == "/oauth/token";
  }
  std::size_t body_bytes_max() const override;
  // Another content type, or a proof where none can be checked.
  std::optional<OwnAnswer> refuse(Exchange& x) override;
  // A key that came over mTLS is bound to the certificate (RFC 8705), one that was asked for with a
  // DPoP proof to its key (RFC 9449).
  Task<OwnAnswer> answer(Exchange& x, std::string body) override;

 private:
  TokenExchange& exchange_;
  DpopProofs* const proofs_;
  const Clock& clock_;
};

}  // namespace sallyport::keys
