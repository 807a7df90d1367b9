// SPDX-License-Identifier: Apache-2.0
// Who is logged in with a browser. Kept in memory only: a restart logs people out. The cookie holds
// 256 random bits; here stands its digest. Belongs to the admin loop's thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/role.h"
#include "base/clock.h"
#include "base/secret.h"

namespace sallyport::admin {

struct Session {
  std::string who;  // "oidc:alice@example.com"
  Role role = Role::kViewer;
  UtcTime until{};
};

class Sessions {
 public:
  static constexpr std::chrono::milliseconds kLife = std::chrono::hours(8);
  // At the limit the session that ends first makes room: only who logged in can fill this.
  static constexpr std::size_t kSessionsMax = 1024;

  explicit Sessions(const Clock& clock) : clock_(clock) {}  // outlives this

  Secret open(std::string who, Role role);  // what the cookie says
  struct Found {
    std::string handle;  // for close(); no secret
    Session session;
  };
  std::optional<Found> find(std::string_view cookie) const;
  struct Listed {
    std::string id;  // of its handle, the beginning
    Session session;
  };
  std::vector<Listed> list() const;  // those that have not ended, by person
  // Ends the one with this id, or all of a person; the other is empty. What ended.
  std::vector<Listed> end(std::string_view id, std::string_view who);
  void close(const std::string& handle) { sessions_.erase(handle); }
  std::size_t size() const { return sessions_.size(); }

 private:
  const Clock& clock_;
  std::map<std::string, Session> sessions_;  // by SHA-256 of the cookie, hex
};

}  // namespace sallyport::admin
