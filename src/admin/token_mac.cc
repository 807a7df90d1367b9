// SPDX-License-Identifier: Apache-2.0
#include "admin/token_mac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/random.h"

namespace sallyport::admin {

std::string make_salt() {
  std::string salt(kSaltBytes, '\0');
  fill_random({reinterpret_cast<unsigned char*>(salt.data()), salt.size()});
  return salt;
}

std::string token_mac(std::string_view salt, std::string_view token) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), salt.data(), static_cast<int>(salt.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), mac, &size);
  return {reinterpret_cast<const char*>(mac), size};
}

bool token_matches(std::string_view salt, std::string_view mac, std::string_view token) {
  if (mac.size() != kMacBytes || token.size() > kTokenBytesMax) return false;
  const std::string made = token_mac(salt, token);
  return made.size() == mac.size() && CRYPTO_memcmp(made.data(), mac.data(), mac.size()) == 0;
}

}  // namespace sallyport::admin
