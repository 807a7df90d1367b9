// SPDX-License-Identifier: Apache-2.0
// OpenAI's Admin API over memory: what stands below /v1/organization/, and the exchange of workload
// identity at /oauth/token. Who may call at all is decided by the provider before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/admin_directory.h"
#include "sim/admin_log.h"
#include "sim/admin_usage.h"
#include "sim/answer.h"
#include "sim/options.h"

namespace sallyport::sim {

// {"error","error_description"}, as /oauth/token answers.
Answer oauth_error(int status, std::string_view error, std::string_view description);

class AdminApi {
 public:
  AdminApi(const SimOptions& options, std::int64_t now);

  static bool owns(std::string_view path) { return path.starts_with("/v1/organization/"); }
  static constexpr std::string_view kTokenPath = "/oauth/token";

  Answer answer(const Call& call, const AdminKey& caller);
  Answer exchange(const Call& call);

  // What a person does in the dashboard, seen in the audit log as a session at `ip`. `account`
  // empty: the key is the person's own. Nothing if there is no such project or no room.
  struct Stranger {
    std::string project = {};  // empty: the first one
    std::string name = "made by hand";
    std::string email = "stranger@example.com";
    std::string ip = "203.0.113.9";
    bool service_account = false;
  };
  struct Made {
    std::string key_id, secret, service_account_id;
  };
  std::optional<Made> make_key_by_hand(const Stranger& stranger, std::int64_t now);

  Directory& directory() { return directory_; }
  AdminLog& log() { return log_; }
  UsageLedger& usage() { return usage_; }
  std::vector<SimIdentityProvider>& identity_providers() { return identity_providers_; }
  bool session_acts;        // see SimOptions
  std::size_t alive_calls;  // see SimOptions

 private:
  struct Act;  // one call: its parts, and who does it
  Answer route(const Act& act);
  Answer route_project(const Act& act);
  Answer accounts(const Act& act, Project& project);
  Answer create_account(const Act& act, Project& project);
  Answer create_account_key(const Act& act, const ServiceAccount& account);
  Answer delete_account(const Act& act, const Project& project, const ServiceAccount& account);
  Answer keys(const Act& act, Project& project);
  Answer list_keys(const Act& act, const Project& project);
  Answer delete_key(const Act& act, const ProjectKey& key);
  Answer admin_keys(const Act& act);
  Answer create_admin_key(const Act& act);
  Answer list_admin_keys(const Act& act);
  Answer projects(const Act& act);
  Answer retention(const Act& act, Project* project);
  Answer spend_limit(const Act& act, Project* project);
  void record(const Act& act, std::string type, std::string_view resource, std::string detail,
              const Project* project);
  void write_key(JsonWriter& json, const ProjectKey& key);
  std::string afterlife(const Act& act) const;

  Directory directory_;
  AdminLog log_;
  UsageLedger usage_;
  std::vector<SimIdentityProvider> identity_providers_;
};

}  // namespace sallyport::sim
