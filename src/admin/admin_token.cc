// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_token.h"

#include "admin/token_mac.h"
#include "base/random.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kSetting = "admin_token";

struct Minted {
  Secret token;
  std::string setting;
};

Minted mint() {
  std::string text = std::string(kTokenPrefix) + random_base62(kTokenRandomChars);
  const std::string salt = make_salt();
  Minted minted{Secret(text), "1:" + to_hex(salt) + ":" + to_hex(token_mac(salt, text))};
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
  return token_matches(salt_, mac_, presented);
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
