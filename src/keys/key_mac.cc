// SPDX-License-Identifier: Apache-2.0
#include "keys/key_mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <utility>

#include "base/text.h"

namespace sallyport::keys {
namespace {

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

void KeyMac::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

bool equal(const Mac& a, const Mac& b) { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

Result<KeyMac> KeyMac::make(const Secret& pepper) {
  const std::string_view key = pepper.reveal();
  if (key.size() < kPepperBytesMin)
    return fail(Code::kInvalid, "the pepper has fewer than 32 bytes");

  KeyMac made;
  EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (hmac != nullptr) made.context_.reset(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);  // the context keeps its own reference
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  if (!made.context_ || EVP_MAC_init(made.context_.get(), bytes(key), key.size(), params) != 1) {
    return fail(Code::kUnavailable, "OpenSSL has no HMAC-SHA-256");
  }
  const Result<Mac> id = made.compute("sallyport/pepper-id");
  if (!id) return std::unexpected(id.error());
  made.pepper_id_ = to_hex({reinterpret_cast<const char*>(id->data()), 4});
  return made;
}

Result<KeyMac> KeyMac::copy() const {
  KeyMac made;
  made.context_.reset(EVP_MAC_CTX_dup(context_.get()));
  if (!made.context_) return fail(Code::kUnavailable, "OpenSSL cannot copy a MAC context");
  made.pepper_id_ = pepper_id_;
  return made;
}

Result<Mac> KeyMac::compute(std::string_view text) {
  Mac mac;
  std::size_t size = 0;
  // No key and no parameters: starts again under the key it already has.
  const bool done = EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1 &&
                    EVP_MAC_update(context_.get(), bytes(text), text.size()) == 1 &&
                    EVP_MAC_final(context_.get(), mac.data(), &size, mac.size()) == 1;
  if (!done || size != mac.size())
    return fail(Code::kUnavailable, "OpenSSL failed to compute a MAC");
  return mac;
}

}  // namespace sallyport::keys
