// SPDX-License-Identifier: Apache-2.0
// The administrator's token: made at the first start, shown once, stored only as a salted HMAC. At
// 238 random bits a fast hash is enough.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "event/ports/setting_store.h"

namespace sallyport::admin {

class AdminToken {
 public:
  static Result<AdminToken> load(SettingStore& settings);  // kNotFound before the first start
  bool matches(std::string_view presented) const;          // constant time
  bool loaded() const { return !mac_.empty(); }

 private:
  std::string salt_;
  std::string mac_;
};

// The new token if there was none yet (show it once, on stderr), nothing if there is one. Two
// processes that start at the same time agree on one.
Result<std::optional<Secret>> ensure_admin_token(SettingStore& settings);

// A new token; the old one is dead at once. For a token that was lost or seen.
Result<Secret> replace_admin_token(SettingStore& settings);

}  // namespace sallyport::admin
