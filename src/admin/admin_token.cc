// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/random.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kSetting = "admin_token";
constexpr std::string_view kPrefix = "spadmin1-";
constexpr std::size_t kRandomChars = 40;  // base62: 238 bits
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kTokenBytesMax = 256;  // longer ones are not even hashed

std::string compute(std::string_view salt, std::string_view token) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), salt.data(), static_cast<int>(salt.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), mac, &size);
  return {reinterpret_cast<const char*>(mac), size};
}

struct Minted {
  Secret token;
  std::string setting;
};

Minted mint() {
  std::string text = std::string(kPrefix) + random_base62(kRandomChars);
  std::string salt(kSaltBytes, '\0');
  fill_random({reinterpret_cast<unsigned char*>(salt.data()), salt.size()});
  Minted minted{Secret(text), "1:" + to_hex(salt) + ":" + to_hex(compute(salt, text))};
  explicit_bzero(text.data(), text.size());
  return minted;
}

}  // namespace

Result<AdminToken> AdminToken::load(SettingStore& settings) {
  const Result<std::optional<std::string>> stored = settings.get(kSetting);
  if (!stored) return std::unexpected(stored.error());
  if (!*stored) return fail(Code::kNotFound, "there is no admin token yet");
  const std::string_view text = **stored;
  const std::size_t colon = text.find(':', 2);
  if (!text.starts_with("1:") || colon == std::string_view::npos) {
    return fail(Code::kCorrupt, "the stored admin token cannot be read");
  }
  const auto salt = from_hex(text.substr(2, colon - 2));
  const auto mac = from_hex(text.substr(colon + 1));
  if (!salt || !mac || salt->size() != kSaltBytes || mac->size() != kMacBytes) {
    return fail(Code::kCorrupt, "the stored admin token cannot be read");
  }
  AdminToken token;
  token.salt_ = *salt;
  token.mac_ = *mac;
  return token;
}

bool AdminToken::matches(std::string_view presented) const {
  if (mac_.size() != kMacBytes || presented.size() > kTokenBytesMax) return false;
  const std::string mac = compute(salt_, presented);
  return mac.size() == mac_.size() && CRYPTO_memcmp(mac.data(), mac_.data(), mac.size()) == 0;
}

Result<std::optional<Secret>> ensure_admin_token(SettingStore& settings) {
  const Result<std::optional<std::string>> stored = settings.get(kSetting);
  if (!stored) return std::unexpected(stored.error());
  if (*stored) return std::nullopt;
  Minted minted = mint();
  const Result<bool> first = settings.put_new(kSetting, minted.setting);
  if (!first) return std::unexpected(first.error());
  if (!*first) return std::nullopt;
  return std::optional<Secret>(std::move(minted.token));
}

Result<Secret> replace_admin_token(SettingStore& settings) {
  Minted minted = mint();
  const Result<void> put = settings.put(kSetting, minted.setting);
  if (!put) return std::unexpected(put.error());
  return std::move(minted.token);
}

}  // namespace sallyport::admin
