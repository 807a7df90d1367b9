// SPDX-License-Identifier: Apache-2.0
#include "config/provider_fields.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "config/reload.h"

namespace sallyport::config {
namespace {

Surroundings around() {
  Surroundings around;
  around.environment = [](const char* name) -> const char* {
    if (std::string_view(name) == "ADMIN") return "sk-admin-x";
    if (std::string_view(name) == "PEPPER") return "0123456789abcdef0123456789abcdef";
    return nullptr;
  };
  return around;
}

std::string file(const std::string& lease) {
  return "version: 1\nkeys: {pepper: \"${env:PEPPER}\"}\nupstream:\n"
         "  - name: openai\n    base_url: https://api.openai.com/v1\n    lease: {" +
         lease + "}\n";
}

const std::string kAccount = "mode: service_account, admin_key: \"${env:ADMIN}\", ";
const std::string kIdentity =
    "mode: workload_identity, identity_provider_id: idp-1, service_account_id: svc_1, ";

struct Case {
  const char* why;
  std::string lease;
  const char* field;  // of a problem; "" when it is good
};

const Case kCases[] = {
    {"nothing said is static", "", ""},
    {"an account with all it needs", kAccount + "project: proj_1, instance: gate-1", ""},
    {"without a project", kAccount + "instance: gate-1", "upstream[0].lease.project"},
    {"without an instance", kAccount + "project: proj_1", "upstream[0].lease.instance"},
    {"without an admin key", "mode: service_account, project: p, instance: a",
     "upstream[0].lease.admin_key"},
    {"a project that is a path", kAccount + "project: a/b, instance: a",
     "upstream[0].lease.project"},
    {"an instance with blanks", kAccount + "project: p, instance: a b",
     "upstream[0].lease.instance"},
    {"a life of nothing", kAccount + "project: p, instance: a, life: 1s", "upstream[0].lease.life"},
    {"an admin API without TLS",
     kAccount + "project: p, instance: a, admin_url: \"http://10.0.0.1/v1\"",
     "upstream[0].lease.admin_url"},
    {"an admin key in the clear", "mode: service_account, admin_key: hello",
     "upstream[0].lease.admin_key"},
    {"a mode that is none", "mode: magic", "upstream[0].lease.mode"},
    {"an identity with all it needs",
     kIdentity + "issuer: https://gate.example.com, key_file: /k.pem, instance: a", ""},
    {"an identity without a key file", kIdentity + "issuer: https://gate.example.com, subject: s",
     "upstream[0].lease.key_file"},
    {"an identity without an issuer", kIdentity + "key_file: /k.pem, subject: s",
     "upstream[0].lease.issuer"},
    {"a field that is none", "mode: static, proiect: p", "upstream[0].lease.proiect"},
};

TEST(LeaseFields, SayWhatIsMissingByName) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.why);
    const LoadResult loaded = load_text(file(c.lease), around());
    std::string told;  // beside others that are missing
    if (!loaded) {
      for (const Problem& problem : loaded.error()) told += problem.field + "\n";
    }
    EXPECT_EQ(std::string(c.field).empty(), told.empty()) << told;
    EXPECT_TRUE(told.contains(c.field)) << told;
  }
}

TEST(LeaseFields, ARunningLeaseStaysUntilARestart) {
  auto running = load_text(file(kAccount + "project: proj_1, instance: a"), around());
  ASSERT_TRUE(running);
  const auto next =
      reload_text(running->config, file(kAccount + "project: proj_2, instance: a"), around());
  ASSERT_TRUE(next);
  EXPECT_EQ(next->config->upstream.upstreams[0].lease.project, "proj_1");
  EXPECT_EQ(next->kept, std::vector<std::string>{"upstream.lease"});
}

}  // namespace
}  // namespace sallyport::config
