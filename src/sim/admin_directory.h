// SPDX-License-Identifier: Apache-2.0
// Who may call the simulated provider: projects, service accounts, their keys, admin keys and
// federated tokens. Secrets are kept as digests; a made one is handed out once. What is deleted may
// go on answering for a while, as it does at the real provider (docs/sim.md, "afterlife").
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/caller.h"
#include "sim/options.h"

namespace sallyport::sim {

struct SpendLimit {
  std::int64_t threshold_cents = 0;
};

struct Project {
  std::string id, name;
  std::int64_t created = 0;
  bool archived = false;
  std::string retention = "organization_default";
  std::optional<SpendLimit> spend_limit = {};
};

struct ServiceAccount {
  std::string id, project, name, role;
  std::int64_t created = 0;
};

// A project key. `account` is empty when a person owns it.
struct ProjectKey {
  std::string id, project, account, name, redacted, digest;
  std::vector<std::string> scopes;
  std::int64_t created = 0;
  std::optional<std::int64_t> last_used = {};
};

struct AdminKey {
  std::string id, name, redacted, digest;
  std::int64_t created = 0;
  std::optional<std::int64_t> expires = {};
  std::optional<std::int64_t> last_used = {};
};

class Directory {
 public:
  static constexpr std::size_t kEachMax = 10'000;  // accounts, keys, admin keys, tokens

  Directory(const SimOptions& options, std::int64_t now);

  Project* project(std::string_view id);
  ServiceAccount* account(std::string_view project, std::string_view id);
  const ServiceAccount* account(std::string_view id) const;  // in any project
  ProjectKey* key(std::string_view project, std::string_view id);
  AdminKey* admin_key(std::string_view id);
  const ProjectKey* key(std::string_view id) const;  // in any project
  bool full() const;

  // `secret` gets the new secret: the caller shows it once.
  ServiceAccount& make_account(std::string_view project, std::string_view name, bool with_access,
                               std::int64_t now);
  ProjectKey& make_key(std::string_view project, std::string_view account, std::string_view name,
                       std::int64_t now, std::string& secret);
  AdminKey& make_admin_key(std::string_view name, std::optional<std::int64_t> expires,
                           std::int64_t now, std::string& secret);
  std::string make_token(const ServiceAccount& account, std::int64_t expires);
  Project& make_project(std::string_view name, std::int64_t now);

  // `afterlife`: for each later call, '1' if it is still answered; none after its end.
  void remove_account(const ServiceAccount& account, const std::string& afterlife);
  void remove_key(const ProjectKey& key, const std::string& afterlife);
  void remove_admin_key(const AdminKey& key);

  // Whose secret is this on the data API? Counts as a use, of the afterlife too.
  std::optional<Caller> use(std::string_view secret, std::int64_t now);
  // The same for the Admin API; nothing if it expired.
  const AdminKey* use_admin(std::string_view secret, std::int64_t now);

  std::list<Project>& projects() { return projects_; }
  const std::list<ServiceAccount>& accounts() const { return accounts_; }
  const std::list<ProjectKey>& keys() const { return keys_; }
  const std::list<AdminKey>& admin_keys() const { return admin_keys_; }

  std::string retention;  // of the organisation
  std::optional<SpendLimit> spend_limit;

 private:
  struct Dead {
    Caller caller;
    std::string afterlife;
    std::size_t used = 0;
  };
  struct Token {
    Caller caller;
    std::int64_t expires = 0;
  };
  void bury(const std::string& digest, Caller caller, const std::string& afterlife);
  ProjectKey& add_key(ProjectKey key, std::string_view secret);

  const bool accepts_any_;
  std::list<Project> projects_;  // lists: oldest first, and elements stay where they are
  std::list<ServiceAccount> accounts_;
  std::list<ProjectKey> keys_;
  std::list<AdminKey> admin_keys_;
  std::unordered_map<std::string, ProjectKey*> by_digest_;
  std::unordered_map<std::string, Dead> dead_;
  std::unordered_map<std::string, Token> tokens_;
};

inline constexpr std::string_view kPersonId = "user-simulated";
inline constexpr std::string_view kPersonEmail = "owner@example.com";
inline constexpr std::string_view kStaticKeyId = "key_static";
inline constexpr std::string_view kStaticAdminKeyId = "key_static_admin";

}  // namespace sallyport::sim
