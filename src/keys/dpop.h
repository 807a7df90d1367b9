// SPDX-License-Identifier: Apache-2.0
// DPoP (RFC 9449): each request carries a proof, signed with a key that only the client has. A key
// of ours that is bound to it (Restrictions::dpop, the RFC's cnf.jkt) is worth nothing without.
//
// At the door, behind the look-up of the key and only where a layer has a binding:
//
//   const DpopCheck proved = proofs.of_request(x, credential);   // `proofs` may be shared
//   shown.dpop = &proved;                                        // key_fault.h, Presented
//
// The proof is verified at most once a request, when the first binding asks.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "exchange/exchange.h"
#include "keys/jwt.h"
#include "keys/key_fault.h"
#include "keys/replay_memory.h"

namespace sallyport::keys {

inline constexpr std::size_t kDpopProofBytesMax = 8 * 1024;
inline constexpr std::chrono::seconds kDpopWindow{60};  // iat may be this far off, either way

enum class DpopFault {
  kNone,
  kMissing,    // no proof
  kTwice,      // two of them
  kMalformed,  // not a dpop+jwt with its public key
  kSignature,
  kOtherRequest,  // htm or htu name another one
  kTime,          // iat is not now, or from before the gate's start
  kOtherToken,    // ath is not the digest of the credential
  kOtherKey,      // genuine, but of another key than the credential is bound to
  kReplayed,
  kFull,     // too many proofs to remember: what cannot be remembered is refused
  kNotHere,  // proofs cannot be checked: http.public_url is not configured
};
const char* name(DpopFault fault);  // "dpop_missing", ...

// One for all threads.
class DpopProofs {
 public:
  // `public_base_url`: how clients call this gate ("https://gate.example.com"); htu is held against
  // it and never against what a request says of itself. kInvalid: not a URL. `clock` outlives it.
  static Result<std::unique_ptr<DpopProofs>> make(std::string_view public_base_url,
                                                  const Clock& clock);

  // Proofs of the time before this was made are refused: what was used then is forgotten.
  // The request's one DPoP header.
  static std::expected<std::string_view, DpopFault> proof_of(const Exchange& x);

  // The thumbprint (RFC 7638) of the key that the proof proves, for the token endpoint: there is no
  // credential of ours yet. A proof works once.
  std::expected<std::string, DpopFault> check(std::string_view proof, std::string_view method,
                                              std::string_view path);
  // kNone: the proof is of this request and credential, and under the key of that thumbprint.
  // Proofs under other keys are not remembered: a stranger cannot fill the memory with them.
  DpopFault check(std::string_view proof, std::string_view method, std::string_view path,
                  std::string_view credential, std::string_view thumbprint);

  // For Presented::dpop. `x`, what `credential` points to, and this outlive the answer.
  DpopCheck of_request(const Exchange& x, std::string_view credential);

 private:
  DpopProofs(std::string authority, bool tls, std::string path, const Clock& clock);
  struct Proof {
    std::string thumbprint, jti;
    UtcTime iat{};
  };
  std::expected<Proof, DpopFault> verify(std::string_view proof, std::string_view method,
                                         std::string_view path,
                                         std::optional<std::string_view> credential) const;
  DpopFault use(const Proof& proof);  // once
  bool names_this(std::string_view htu, std::string_view path) const;

  const std::string authority_;
  const bool tls_;
  const std::string base_path_;  // without '/' at the end
  const Clock& clock_;
  const UtcTime started_;
  ReplayMemory used_;
};

}  // namespace sallyport::keys
