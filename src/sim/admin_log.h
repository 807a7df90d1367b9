// SPDX-License-Identifier: Apache-2.0
// The organisation's audit log: who made, changed or deleted what. Newest first, bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "sim/admin_query.h"

namespace sallyport::sim {

// A person in the dashboard (with the address they came from), or an API key (without one).
struct Actor {
  bool session = false;
  std::string user_id, user_email;
  std::string service_account;  // of an API key that belongs to one
  std::string key_id;
  std::string ip, user_agent;
};

struct AuditEntry {
  std::string type;                     // "api_key.created"
  std::string resource;                 // id of what was changed
  std::string detail = R"({"id":""})";  // the member of the type's name, as JSON
  std::string project, project_name;    // empty: of the organisation
  Actor actor;
  std::int64_t effective_at = 0;
  std::string id = {};  // given by the log
};

class AdminLog {
 public:
  static constexpr std::size_t kEntriesMax = 10'000;  // the oldest are forgotten

  void add(AuditEntry entry);
  Answer list(const Query& query) const;
  std::size_t size() const { return entries_.size(); }

 private:
  std::deque<AuditEntry> entries_;  // newest first
};

}  // namespace sallyport::sim
