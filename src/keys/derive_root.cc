// SPDX-License-Identifier: Apache-2.0
#include "keys/derive_root.h"

#include <openssl/evp.h>
#include <string.h>

#include <array>
#include <memory>
#include <span>
#include <utility>

#include "base/random.h"
#include "keys/key_mac.h"

namespace sallyport::keys {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kNonceBytes = 12, kRootBytes = 32, kTagBytes = 16;
constexpr std::size_t kWrappedBytes = 1 + kNonceBytes + kRootBytes + kTagBytes;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string associated(std::string_view kid) { return std::string(kid) + "spd1"; }

std::unexpected<Error> broken() {
  return fail(Code::kUnavailable, "OpenSSL failed at AES-256-GCM");
}

}  // namespace

Result<RootWrap> RootWrap::make(const Secret& wrapping_key) {
  if (wrapping_key.reveal().size() < kWrappingKeyBytesMin) {
    return fail(Code::kInvalid, "keys.derive_key has fewer than 32 bytes");
  }
  // The reference may give text of any length: what AES takes is 32 bytes made from all of it.
  Result<KeyMac> hmac = KeyMac::make(wrapping_key);
  if (!hmac) return std::unexpected(hmac.error());
  Result<Mac> key = hmac->compute("sallyport/spd1/wrap");
  if (!key) return std::unexpected(key.error());
  RootWrap made(Secret({reinterpret_cast<const char*>(key->data()), key->size()}));
  explicit_bzero(key->data(), key->size());
  return made;
}

Result<std::string> RootWrap::wrap(const Secret& root, std::string_view kid) const {
  if (root.reveal().size() != kRootBytes) return fail(Code::kInvalid, "a root has 32 bytes");
  std::string out(kWrappedBytes, '\0');
  out[0] = kVersion;
  unsigned char* nonce = bytes(out) + 1;
  unsigned char* sealed = nonce + kNonceBytes;
  fill_random({nonce, kNonceBytes});
  const std::string about = associated(kid);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done =
      cipher &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(key_.reveal()), nonce) ==
          1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes(std::string_view(about)),
                        static_cast<int>(about.size())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), sealed, &size, bytes(root.reveal()), kRootBytes) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), sealed + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, sealed + kRootBytes) == 1;
  if (!done) return broken();
  return out;
}

Result<Secret> RootWrap::unwrap(std::string_view wrapped, std::string_view kid) const {
  if (wrapped.size() != kWrappedBytes || wrapped[0] != kVersion) {
    return fail(Code::kCorrupt, "the derive root has a form that is not known");
  }
  const unsigned char* nonce = bytes(wrapped) + 1;
  const unsigned char* sealed = nonce + kNonceBytes;
  std::string tag(wrapped.substr(1 + kNonceBytes + kRootBytes));
  const std::string about = associated(kid);
  std::array<unsigned char, kRootBytes> root{};
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool begun =
      cipher &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(key_.reveal()), nonce) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes(std::string_view(about)),
                        static_cast<int>(about.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), root.data(), &size, sealed, kRootBytes) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, bytes(tag)) == 1;
  if (!begun) return broken();
  const bool genuine = EVP_DecryptFinal_ex(cipher.get(), root.data() + size, &size) == 1;
  Result<Secret> out = fail(
      Code::kCorrupt, "the derive root was wrapped under another keys.derive_key, or is damaged");
  if (genuine) out = Secret({reinterpret_cast<const char*>(root.data()), root.size()});
  explicit_bzero(root.data(), root.size());
  return out;
}

}  // namespace sallyport::keys
