// SPDX-License-Identifier: Apache-2.0
#include "base/aead.h"

#include <openssl/evp.h>
#include <string.h>

#include <memory>

#include "base/random.h"

namespace sallyport {
namespace {

constexpr int kTagBytes = static_cast<int>(kAeadTagBytes);

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
int length(std::string_view text) { return static_cast<int>(text.size()); }

std::unexpected<Error> broken() {
  return fail(Code::kUnavailable, "OpenSSL failed at AES-256-GCM");
}

}  // namespace

Result<std::string> aead_seal(const Secret& key, std::string_view plain, std::string_view about) {
  if (key.reveal().size() != kAeadKeyBytes) return fail(Code::kInvalid, "the key has not 32 bytes");
  std::string out(plain.size() + kAeadExtraBytes, '\0');
  unsigned char* nonce = bytes(out);
  unsigned char* sealed = nonce + kAeadNonceBytes;
  fill_random({nonce, kAeadNonceBytes});
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done =
      cipher &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(key.reveal()), nonce) ==
          1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes(about), length(about)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), sealed, &size, bytes(plain), length(plain)) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), sealed + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, sealed + plain.size()) ==
          1;
  if (!done) return broken();
  return out;
}

Result<Secret> aead_open(const Secret& key, std::string_view sealed, std::string_view about) {
  if (key.reveal().size() != kAeadKeyBytes) return fail(Code::kInvalid, "the key has not 32 bytes");
  if (sealed.size() < kAeadExtraBytes) return fail(Code::kCorrupt, "too short to be sealed");
  const unsigned char* nonce = bytes(sealed);
  const std::string_view text = sealed.substr(kAeadNonceBytes, sealed.size() - kAeadExtraBytes);
  std::string tag(sealed.substr(sealed.size() - kAeadTagBytes));
  std::string plain(text.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool begun =
      cipher &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(key.reveal()), nonce) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes(about), length(about)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes(plain), &size, bytes(text), length(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, bytes(tag)) == 1;
  if (!begun) return broken();
  const bool genuine = EVP_DecryptFinal_ex(cipher.get(), bytes(plain) + size, &size) == 1;
  Result<Secret> out = fail(Code::kCorrupt, "sealed under another key, or damaged");
  if (genuine) out = Secret(plain);
  wipe(plain);
  return out;
}

}  // namespace sallyport
