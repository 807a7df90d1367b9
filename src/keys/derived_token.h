// SPDX-License-Identifier: Apache-2.0
// The text of a derived token: sk-spd1-<kid 12>-<tid 16>.<caveat 1>. ... .<caveat n>.<sig 43><crc
// 6>. A holder of a key makes one offline to hand on less than he has: each caveat narrows, and the
// signature is a chain of HMACs from a root that only the key's text (or the gate's wrapped copy)
// gives, so that anybody can append a caveat and nobody can remove one. What caveats mean stands in
// derived_caveats.h; whether the parent lives is the ring's business.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "keys/key_format.h"
#include "keys/key_mac.h"

namespace sallyport::keys {

inline constexpr std::string_view kDerivedPrefix = "sk-spd1-";
inline constexpr std::size_t kTidBytes = 16;
inline constexpr std::size_t kCaveatsMin = 2, kCaveatsMax = 16;
inline constexpr std::size_t kCaveatWireMin = 2, kCaveatWireMax = 512;  // one, as on the wire
inline constexpr std::size_t kSignatureBytes = 43;
inline constexpr std::size_t kDerivedBytesMax = 2048;

// Views into the text that was parsed.
struct ParsedDerived {
  FormatFault fault = FormatFault::kBadFormat;  // on a fault nothing else is set
  std::string_view head;                        // "sk-spd1-<kid>-<tid>": where the chain begins
  std::string_view kid, tid;
  std::string_view signature;
  std::size_t count = 0;
  std::array<std::string_view, kCaveatsMax> wire;  // caveats as on the wire

  std::span<const std::string_view> caveats() const { return {wire.data(), count}; }
};

// Format, limits and checksum; linear, no allocation. Says nothing about who made the token.
ParsedDerived parse_derived(std::string_view text);

// True for 16 characters of base62.
bool is_tid(std::string_view text);

// "sk-spd1-<kid>-<tid>.***": the only form that may be shown or logged.
std::string redacted_derived(std::string_view kid, std::string_view tid);

// The root R of all tokens derived from a key; it gives none of the key's text away. kInvalid: the
// text is no key.
Result<Secret> derive_root(const Secret& parent_key);

// The chain of HMACs, each keyed with the one before. Not thread safe: one per thread.
class DerivedMac {
 public:
  static Result<DerivedMac> make();  // kUnavailable: OpenSSL has no HMAC-SHA-256

  // Does the signature follow from `root`? The comparison is constant in time. kUnavailable: the
  // library failed, which never looks like a wrong token. About 3 us for four caveats.
  Result<bool> verify(const ParsedDerived& token, const Secret& root);

  // The text of a token whose chain continues from `state` (raw bytes of the last signature) with
  // `caveats` ("name=value") appended to `text` (everything up to the last caveat).
  Result<Secret> extend(std::string text, Mac state, std::span<const std::string> caveats);

  Result<Mac> begin(const Secret& root, std::string_view head);

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const;
  };
  bool step(Mac& state, std::string_view text);

  std::unique_ptr<evp_mac_ctx_st, Free> context_;
};

// A token made from a key's text. `caveats` are "name=value"; the first two are iat and exp. What
// the gate would refuse whatever the time is not made: kInvalid says why.
Result<Secret> mint_derived(const Secret& parent_key, std::span<const std::string> caveats,
                            const Draw& draw = random_base62);

// The same token with more caveats; needs no key. A wrong signature cannot be noticed here.
Result<Secret> narrow_derived(const Secret& token, std::span<const std::string> caveats);

}  // namespace sallyport::keys
