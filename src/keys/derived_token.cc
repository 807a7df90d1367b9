// SPDX-License-Identifier: Apache-2.0
#include "keys/derived_token.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "keys/derived_caveats.h"

namespace sallyport::keys {
namespace {

constexpr std::string_view kRootLabel = "sallyport/spd1/root";
constexpr std::string_view kProviderMarker = "T3BlbkFJ";  // a scanner must not take ours for theirs
constexpr std::size_t kTidAt = kDerivedPrefix.size() + kKidBytes + 1;
constexpr std::size_t kHeadBytes = kTidAt + kTidBytes;

constexpr std::array<bool, 256> base64url_table() {
  std::array<bool, 256> table{};
  for (const char* c = kBase62; *c != 0; ++c) table[static_cast<unsigned char>(*c)] = true;
  table['-'] = table['_'] = true;
  return table;
}
constexpr std::array<bool, 256> kIsBase64url = base64url_table();

bool is_base64url(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return kIsBase64url[static_cast<unsigned char>(c)]; });
}

std::string_view view(const Mac& mac) {
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Caveats between the head and the signature; false if their shape is wrong.
bool split_caveats(std::string_view between, ParsedDerived& token) {
  while (!between.empty()) {
    if (between[0] != '.' || token.count == kCaveatsMax) return false;
    between.remove_prefix(1);
    const std::string_view caveat = between.substr(0, between.find('.'));
    if (caveat.size() < kCaveatWireMin || caveat.size() > kCaveatWireMax) return false;
    if (!is_base64url(caveat)) return false;
    token.wire[token.count++] = caveat;
    between.remove_prefix(caveat.size());
  }
  return token.count >= kCaveatsMin;
}

Result<void> check_caveats(const ParsedDerived& token) {
  const Result<DerivedClaims> claims = read_caveats(token.caveats());
  if (!claims) return std::unexpected(claims.error());
  return {};
}

}  // namespace

bool is_tid(std::string_view text) { return text.size() == kTidBytes && is_base62(text); }

std::string redacted_derived(std::string_view kid, std::string_view tid) {
  return std::string(kDerivedPrefix) + std::string(kid) + "-" + std::string(tid) + ".***";
}

ParsedDerived parse_derived(std::string_view text) {
  constexpr std::size_t kEndBytes = 1 + kSignatureBytes + kCrcBytes;  // ".<sig><crc>"
  if (text.size() < kHeadBytes + kEndBytes || text.size() > kDerivedBytesMax) return {};
  if (!text.starts_with(kDerivedPrefix) || text[kTidAt - 1] != '-') return {};

  ParsedDerived token;
  token.head = text.substr(0, kHeadBytes);
  token.kid = text.substr(kDerivedPrefix.size(), kKidBytes);
  token.tid = text.substr(kTidAt, kTidBytes);
  if (!is_kid(token.kid) || !is_tid(token.tid)) return {};

  const std::size_t end_at = text.size() - kEndBytes;
  const std::string_view crc = text.substr(text.size() - kCrcBytes);
  token.signature = text.substr(end_at + 1, kSignatureBytes);
  if (text[end_at] != '.' || !is_base64url(token.signature) || !is_base62(crc)) return {};
  if (!split_caveats(text.substr(kHeadBytes, end_at - kHeadBytes), token)) return {};

  const std::array<char, kCrcBytes> right = crc_text(text.substr(0, text.size() - kCrcBytes));
  if (crc != std::string_view(right.data(), right.size())) {
    ParsedDerived broken;
    broken.fault = FormatFault::kBadChecksum;
    return broken;
  }
  token.fault = FormatFault::kNone;
  return token;
}

Result<Secret> derive_root(const Secret& parent_key) {
  if (parse_key(parent_key.reveal()).fault != FormatFault::kNone) {
    return fail(Code::kInvalid, "this is no key (sk-sp1-...)");
  }
  Result<KeyMac> hmac = KeyMac::make(parent_key);
  if (!hmac) return std::unexpected(hmac.error());
  Result<Mac> root = hmac->compute(kRootLabel);
  if (!root) return std::unexpected(root.error());
  Secret out(view(*root));
  explicit_bzero(root->data(), root->size());
  return out;
}

// --- The chain

void DerivedMac::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

Result<DerivedMac> DerivedMac::make() {
  DerivedMac made;
  EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (hmac != nullptr) made.context_.reset(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);  // the context keeps its own reference
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  if (!made.context_ || EVP_MAC_CTX_set_params(made.context_.get(), params) != 1) {
    return fail(Code::kUnavailable, "OpenSSL has no HMAC-SHA-256");
  }
  return made;
}

bool DerivedMac::step(Mac& state, std::string_view text) {
  std::size_t size = 0;
  return EVP_MAC_init(context_.get(), state.data(), state.size(), nullptr) == 1 &&
         EVP_MAC_update(context_.get(), bytes(text), text.size()) == 1 &&
         EVP_MAC_final(context_.get(), state.data(), &size, state.size()) == 1 &&
         size == state.size();
}

Result<Mac> DerivedMac::begin(const Secret& root, std::string_view head) {
  Mac state;
  if (root.reveal().size() != state.size()) return fail(Code::kInvalid, "a root has 32 bytes");
  std::ranges::copy(root.reveal(), reinterpret_cast<char*>(state.data()));
  if (!step(state, head)) return fail(Code::kUnavailable, "OpenSSL failed to compute a MAC");
  return state;
}

Result<bool> DerivedMac::verify(const ParsedDerived& token, const Secret& root) {
  Result<Mac> state = begin(root, token.head);
  if (!state) return std::unexpected(state.error());
  for (const std::string_view caveat : token.caveats()) {
    if (!step(*state, caveat)) return fail(Code::kUnavailable, "OpenSSL failed to compute a MAC");
  }
  // Texts are compared, not bytes: base64url has several texts for the same 32 bytes.
  const std::string right = base64url_encode(view(*state));
  return right.size() == token.signature.size() &&
         CRYPTO_memcmp(right.data(), token.signature.data(), right.size()) == 0;
}

Result<Secret> DerivedMac::extend(std::string text, Mac state,
                                  std::span<const std::string> caveats) {
  text.reserve(kDerivedBytesMax + kCaveatWireMax);
  for (const std::string& caveat : caveats) {
    const std::string wire = base64url_encode(caveat);
    if (wire.size() < kCaveatWireMin || wire.size() > kCaveatWireMax ||
        text.size() > kDerivedBytesMax) {
      return fail(Code::kInvalid, "a caveat is too long");
    }
    text.append(".").append(wire);
    if (!step(state, wire)) return fail(Code::kUnavailable, "OpenSSL failed to compute a MAC");
  }
  text.append(".").append(base64url_encode(view(state)));
  const std::array<char, kCrcBytes> crc = crc_text(text);
  text.append(crc.data(), crc.size());

  const ParsedDerived token = parse_derived(text);
  Result<Secret> out = fail(Code::kInvalid, "more than 16 caveats or 2048 characters");
  if (token.fault == FormatFault::kNone) {
    const Result<void> readable = check_caveats(token);
    out = readable ? Result<Secret>(Secret(text)) : std::unexpected(readable.error());
  }
  explicit_bzero(text.data(), text.size());
  return out;
}

// --- Making

Result<Secret> mint_derived(const Secret& parent_key, std::span<const std::string> caveats,
                            const Draw& draw) {
  const Result<Secret> root = derive_root(parent_key);
  if (!root) return std::unexpected(root.error());
  Result<DerivedMac> chain = DerivedMac::make();
  if (!chain) return std::unexpected(chain.error());
  const std::string_view kid = parse_key(parent_key.reveal()).kid;
  for (int tries = 1;; ++tries) {  // a caveat may hold the marker itself: then no draw helps
    const std::string head = std::string(kDerivedPrefix) + std::string(kid) + "-" + draw(kTidBytes);
    const Result<Mac> state = chain->begin(*root, head);
    if (!state) return std::unexpected(state.error());
    Result<Secret> token = chain->extend(head, *state, caveats);
    if (!token || tries == 8 || !token->reveal().contains(kProviderMarker)) return token;
  }
}

Result<Secret> narrow_derived(const Secret& token, std::span<const std::string> caveats) {
  const std::string_view text = token.reveal();
  const ParsedDerived parsed = parse_derived(text);
  const std::optional<std::string> signature = base64url_decode(parsed.signature);
  if (parsed.fault != FormatFault::kNone || !signature || signature->size() != Mac().size()) {
    return fail(Code::kInvalid, "this is no derived token (sk-spd1-...)");
  }
  Result<DerivedMac> chain = DerivedMac::make();
  if (!chain) return std::unexpected(chain.error());
  Mac state;
  std::ranges::copy(*signature, reinterpret_cast<char*>(state.data()));
  const auto kept = static_cast<std::size_t>(parsed.signature.data() - text.data()) - 1;
  return chain->extend(std::string(text.substr(0, kept)), state, caveats);
}

}  // namespace sallyport::keys
