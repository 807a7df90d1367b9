// SPDX-License-Identifier: Apache-2.0
#include "keys/dpop.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "net/http_client.h"

namespace sallyport::keys {
namespace {

constexpr std::size_t kJtiBytesMax = 256;

std::optional<std::string> string_claim(const Jwt& jwt, std::string_view name) {
  const auto value = jwt.claim(name);
  const auto text = value ? value->string() : std::nullopt;
  if (!text) return std::nullopt;
  return std::string(*text);
}

}  // namespace

const char* name(DpopFault fault) {
  switch (fault) {
    case DpopFault::kNone:
      return "none";
    case DpopFault::kMissing:
      return "dpop_missing";
    case DpopFault::kTwice:
      return "dpop_twice";
    case DpopFault::kMalformed:
      return "dpop_malformed";
    case DpopFault::kSignature:
      return "dpop_signature";
    case DpopFault::kOtherRequest:
      return "dpop_other_request";
    case DpopFault::kTime:
      return "dpop_time";
    case DpopFault::kOtherToken:
      return "dpop_other_token";
    case DpopFault::kOtherKey:
      return "dpop_other_key";
    case DpopFault::kReplayed:
      return "dpop_replayed";
    case DpopFault::kFull:
      return "dpop_full";
    case DpopFault::kNotHere:
      return "dpop_not_here";
  }
  return "dpop_malformed";
}

DpopProofs::DpopProofs(std::string authority, bool tls, std::string path, const Clock& clock)
    : authority_(std::move(authority)),
      tls_(tls),
      base_path_(std::move(path)),
      clock_(clock),
      started_(clock.now()),
      used_(ReplayMemory::Limits{}) {}

Result<std::unique_ptr<DpopProofs>> DpopProofs::make(std::string_view public_base_url,
                                                     const Clock& clock) {
  const Result<net::Url> url = net::parse_url(public_base_url);
  if (!url) return std::unexpected(url.error());
  return std::unique_ptr<DpopProofs>(new DpopProofs(url->authority(), url->tls, url->path, clock));
}

// Scheme and host without case, a default port may be left out; the path byte for byte. Query and
// fragment of htu do not count (RFC 9449 4.3).
bool DpopProofs::names_this(std::string_view htu, std::string_view path) const {
  const Result<net::Url> url = net::parse_url(htu.substr(0, htu.find_first_of("?#")));
  return url && url->tls == tls_ && url->authority() == authority_ &&
         url->path == base_path_ + std::string(path);
}

std::expected<DpopProofs::Proof, DpopFault> DpopProofs::verify(
    std::string_view proof, std::string_view method, std::string_view path,
    std::optional<std::string_view> credential) const {
  const auto refuse = [](DpopFault fault) { return std::unexpected(fault); };
  if (proof.size() > kDpopProofBytesMax) return refuse(DpopFault::kMalformed);
  const auto jwt = Jwt::parse(proof, true, "dpop+jwt");
  if (!jwt) return refuse(DpopFault::kMalformed);

  // What is cheap first: a proof of another request costs no signature.
  const auto htu = string_claim(*jwt, "htu");
  auto jti = string_claim(*jwt, "jti");
  const auto iat = jwt->time("iat");
  if (!htu || !iat || !jti || jti->empty() || jti->size() > kJtiBytesMax) {
    return refuse(DpopFault::kMalformed);
  }
  if (string_claim(*jwt, "htm") != method || !names_this(*htu, path)) {
    return refuse(DpopFault::kOtherRequest);
  }
  const UtcTime now = clock_.now();
  if (*iat > now + kDpopWindow || *iat < now - kDpopWindow) return refuse(DpopFault::kTime);
  if (*iat < started_) return refuse(DpopFault::kTime);
  if (credential && string_claim(*jwt, "ath") != base64url_encode(sha256(*credential))) {
    return refuse(DpopFault::kOtherToken);
  }
  const auto key = PublicKey::from_jwk(*jwt->embedded_key());
  if (!key) return refuse(DpopFault::kMalformed);
  if (!jwt->signed_by(*key)) return refuse(DpopFault::kSignature);
  return Proof{key->thumbprint(), std::move(*jti), *iat};
}

DpopFault DpopProofs::use(const Proof& proof) {
  const UtcTime until = proof.iat + 2 * kDpopWindow;
  switch (used_.remember(proof.thumbprint, proof.jti, until, clock_.now())) {
    case ReplayMemory::Seen::kFirstTime:
      return DpopFault::kNone;
    case ReplayMemory::Seen::kAgain:
      return DpopFault::kReplayed;
    case ReplayMemory::Seen::kFull:
      break;
  }
  return DpopFault::kFull;
}

std::expected<std::string, DpopFault> DpopProofs::check(std::string_view proof,
                                                        std::string_view method,
                                                        std::string_view path) {
  auto verified = verify(proof, method, path, std::nullopt);
  if (!verified) return std::unexpected(verified.error());
  const DpopFault fault = use(*verified);
  if (fault != DpopFault::kNone) return std::unexpected(fault);
  return std::move(verified->thumbprint);
}

DpopFault DpopProofs::check(std::string_view proof, std::string_view method, std::string_view path,
                            std::string_view credential, std::string_view thumbprint) {
  const auto verified = verify(proof, method, path, credential);
  if (!verified) return verified.error();
  return verified->thumbprint == thumbprint ? use(*verified) : DpopFault::kOtherKey;
}

std::expected<std::string_view, DpopFault> DpopProofs::proof_of(const Exchange& x) {
  std::optional<std::string_view> proof;
  for (const net::Header& field : x.headers) {
    if (!equal_ascii_nocase(field.name, "dpop")) continue;
    if (proof) return std::unexpected(DpopFault::kTwice);
    proof = field.value;
  }
  if (!proof) return std::unexpected(DpopFault::kMissing);
  return *proof;
}

DpopCheck DpopProofs::of_request(const Exchange& x, std::string_view credential) {
  // Shared, since a DpopCheck may be copied and a proof works only once, however many layers ask.
  auto proved = std::make_shared<std::optional<std::string>>();
  return [this, &x, credential, proved](std::string_view thumbprint) {
    if (*proved) return **proved == thumbprint;
    const auto proof = proof_of(x);
    if (!proof || check(*proof, x.method, x.path, credential, thumbprint) != DpopFault::kNone) {
      return false;
    }
    proved->emplace(thumbprint);
    return true;
  };
}

}  // namespace sallyport::keys
