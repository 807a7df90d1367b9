// SPDX-License-Identifier: Apache-2.0
// Named admin tokens with a role and an end: for programs, and for people without a login. Kept as
// salted HMACs in one versioned setting. The server changes them, or, when none runs, the command
// line: one that starts while the other writes loses nothing of it, since a setting that changed
// meanwhile is read again. Knows nothing of requests and records.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/role.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "event/ports/setting_store.h"

namespace sallyport::admin {

struct AdminTokenInfo {
  std::string id;    // 12 base62; stands in the token and is no secret
  std::string name;  // [A-Za-z0-9_.-], 1 to 64; of one living token at a time
  Role role = Role::kViewer;
  UtcTime created_at{};
  std::string created_by;
  UtcTime expires_at{};
  std::optional<UtcTime> revoked_at;
  std::string revoked_by;
};
std::string_view status(const AdminTokenInfo& token, UtcTime now);  // active, expired, revoked

struct NewAdminToken {
  Secret text;  // shown once
  AdminTokenInfo info;
};

struct RevokedAdminToken {
  AdminTokenInfo info;
  bool durable = true;  // false: dead here, and refresh() goes on trying to write it
};

class AdminTokens {
 public:
  static constexpr std::chrono::milliseconds kLife = std::chrono::hours(8);
  static constexpr std::chrono::milliseconds kLifeMax = std::chrono::hours(24 * 30);
  static constexpr std::chrono::milliseconds kLifeMin = std::chrono::seconds(1);
  static constexpr std::size_t kTokensMax = 128;  // that live; a further one is refused

  // Both outlive this. Nothing is known before the first refresh().
  AdminTokens(SettingStore& settings, const Clock& clock) : settings_(settings), clock_(clock) {}

  // --- Block on the disk; any thread.

  // Takes over what the store holds. What is dead here stays dead.
  Result<void> refresh();
  // kInvalid: name or life; kDenied: a living token has the name; kExhausted: too many.
  Result<NewAdminToken> create(std::string_view name, Role role, std::chrono::milliseconds life,
                               std::string_view by);
  // By id or name; dead from then on, whatever the store says. kNotFound: no such token.
  Result<RevokedAdminToken> revoke(std::string_view id_or_name, std::string_view by);

  // --- Any thread; do not block.

  std::vector<AdminTokenInfo> list() const;  // newest first; the dead for 30 days
  // The living token with this text. The secret part is compared in constant time, and an unknown
  // id costs the same.
  std::optional<AdminTokenInfo> match(std::string_view presented) const;

 private:
  struct Row {
    AdminTokenInfo info;
    std::string salt, mac;
    bool undurable = false;  // its revocation is not in the store yet
  };
  static Result<std::vector<Row>> parse(std::string_view setting);
  static std::string write(const std::vector<Row>& rows);
  // Hold store_mutex_.
  Result<void> read();
  Result<bool> store(std::vector<Row> rows);  // false: another process wrote since read()
  Result<bool> create_once(const AdminTokenInfo& wanted, NewAdminToken& made);
  const Row* find(std::string_view id_or_name) const;

  SettingStore& settings_;
  const Clock& clock_;
  std::mutex store_mutex_;              // one change at a time; locked before mutex_
  std::optional<std::string> setting_;  // as it was last read or written; under store_mutex_
  mutable std::mutex mutex_;            // rows_; never held while the store is asked
  std::vector<Row> rows_;               // in order of making
};

}  // namespace sallyport::admin
