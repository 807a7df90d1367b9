// SPDX-License-Identifier: Apache-2.0
#include "keys/identify.h"

#include <string>
#include <utility>

namespace sallyport::keys {
namespace {

// Unknown, expired, revoked, mistyped: all look the same from outside; a thief learns nothing.
Refusal refused() {
  return {.status = 401, .code = "invalid_api_key", .message = "Incorrect API key provided."};
}

Refusal missing() {
  return {.status = 401,
          .code = "invalid_api_key",
          .message =
              "You didn't provide an API key. Send it in an Authorization header: "
              "\"Authorization: Bearer <key>\"."};
}

// A ring that cannot know is our fault, not the caller's: say so, and stay closed.
Refusal unavailable() {
  return {.status = 503,
          .code = "key_store_unavailable",
          .message = "The gateway cannot check keys at the moment.",
          .type = "server_error",
          .retry_after_s = 5};
}

std::shared_ptr<const Principal> everybody() {
  Principal open;
  open.api_key_id = kOpenKid;
  open.kid = kOpenKid;
  open.expires_at = UtcTime::max();
  return std::make_shared<const Principal>(std::move(open));
}

}  // namespace

Identify::Identify(bool required, KeyRing::Reader reader, const Clock& clock,
                   const Geography* geography, DpopProofs* proofs)
    : reader_(std::move(reader)),
      clock_(clock),
      geography_(geography),
      proofs_(proofs),
      everybody_(required ? nullptr : everybody()) {}

Result<std::unique_ptr<Identify>> Identify::make(const Config& config, const KeyRing& ring,
                                                 const Clock& clock, const Geography* geography,
                                                 DpopProofs* proofs) {
  Result<KeyRing::Reader> reader = KeyRing::Reader::make(ring);
  if (!reader) return std::unexpected(reader.error());
  return std::unique_ptr<Identify>(
      new Identify(config.required, std::move(*reader), clock, geography, proofs));
}

Task<std::optional<Refusal>> Identify::admit(Exchange& x) { co_return decide(x); }

std::optional<Refusal> Identify::decide(Exchange& x) {
  if (everybody_) {
    x.principal = everybody_;
    return std::nullopt;
  }
  if (!x.credential) {
    x.denied_because = "no_credential";
    return missing();
  }

  const std::string_view credential = x.credential->reveal();
  DpopCheck proved;
  if (proofs_ != nullptr) proved = proofs_->of_request(x, credential);
  KeyCheck check = reader_.check(credential, {.now = clock_.now(),
                                              .source = &x.source,
                                              .certificate_thumbprint = x.certificate_thumbprint,
                                              .geography = geography_,
                                              .dpop = proofs_ != nullptr ? &proved : nullptr});
  if (check.fault == KeyFault::kNone) {
    x.principal = std::move(check.principal);
    return std::nullopt;
  }
  x.denied_because = keys::name(check.fault);
  if (!check.claimed_kid.empty()) x.claimed_kid = std::string(check.claimed_kid);
  return check.fault == KeyFault::kUnavailable ? unavailable() : refused();
}

}  // namespace sallyport::keys
