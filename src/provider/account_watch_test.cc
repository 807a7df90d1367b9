// SPDX-License-Identifier: Apache-2.0
#include "provider/account_watch.h"

#include <gtest/gtest.h>

#include "provider/memory_lease_store.h"
#include "provider/provider_for_test.h"
#include "provider/settings_for_test.h"

namespace sallyport::provider {
namespace {

using namespace std::chrono_literals;

const UtcTime kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 10h};
std::int64_t seconds(UtcTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::string entry(const std::string& id, UtcTime at) {
  return R"({"id":")" + id + R"(","type":"api_key.created","effective_at":)" +
         std::to_string(seconds(at)) +
         R"(,"actor":{"type":"session","session":{"user":{"id":"user-1","email":"a@example.com"},
          "ip_address":"203.0.113.9"}},"api_key.created":{"id":"key_new"}})";
}

std::string key(const std::string& id, const std::string& owner, UtcTime created, UtcTime used) {
  return R"({"id":")" + id + R"(","name":"n","redacted_value":"sk-...abc","created_at":)" +
         std::to_string(seconds(created)) + R"(,"last_used_at":)" + std::to_string(seconds(used)) +
         R"(,"owner":{"type":"service_account","service_account":{"id":"svc_1","name":")" + owner +
         "\"}}}";
}

struct World {
  std::shared_ptr<AccountWatch> make() {
    AdminAccess access{.base_url = provider.base_url(),
                       .key = std::make_shared<const Secret>("sk-admin-CANARY")};
    access.limits = {.attempts_max = 1};
    auto client = AdminClient::make(loop, resolver, std::move(access)).value();
    Config config;
    config.projects = {"proj_1"};
    config.known_keys = {"key_ci"};
    config.retention = "zero_data_retention";
    const WatchParts parts{loop, disk, clock, recorder, settings, leases};
    const auto known = [] { return std::vector<std::string>{"key_ours"}; };
    AccountWatch::AdminSecrets own{nullptr, std::make_shared<const Secret>("sk-admin-CANARY")};
    return std::make_shared<AccountWatch>(parts, std::move(client), config, known, std::move(own));
  }
  World() {
    provider.pages["/v1/organization/audit_logs"] = [this](const std::string& query) {
      asked = query;
      std::string data;
      for (const std::string& one : entries) data += (data.empty() ? "" : ",") + one;
      return R"({"data":[)" + data + R"(],"has_more":false,"last_id":"x"})";
    };
    provider.pages["/v1/organization/projects/proj_1/api_keys"] = [this](const std::string&) {
      std::string data;
      for (const std::string& one : keys) data += (data.empty() ? "" : ",") + one;
      return R"({"data":[)" + data + R"(],"has_more":false})";
    };
    provider.pages["/v1/organization/data_retention"] = [this](const std::string&) {
      return R"({"type":")" + retention + "\"}";
    };
    provider.pages["/v1/organization/projects/proj_1/data_retention"] = [](const std::string&) {
      return std::string(R"({"type":"organization_default"})");
    };
  }
  net::Loop loop;
  net::Resolver resolver;
  net::Offload disk{1};
  ManualClock clock{kNow};
  RecorderForTest recorder;
  SettingsForTest settings;
  MemoryLeaseStore leases;
  ProviderForTest provider{loop};
  std::vector<std::string> entries, keys;
  std::string retention = "zero_data_retention", asked;
  std::shared_ptr<AccountWatch> watch = make();
};

TEST(AccountWatch, EveryEntryOfTheProvidersLogIsRecordedOnce) {
  World world;
  world.entries = {entry("audit_log-2", kNow - 1h), entry("audit_log-1", kNow - 2h),
                   entry("audit_log-2", kNow - 1h)};
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        Task<void> reading = w.watch->read_audit_log();
        co_await reading;
        EXPECT_EQ(w.recorder.events.size(), 2u) << "one was there twice";
        if (w.recorder.events.size() != 2u) co_return;
        const Event& first = w.recorder.events.front();
        EXPECT_EQ(first.action, "api_key.created");
        EXPECT_EQ(first.actor, "a@example.com");
        EXPECT_EQ(first.ip, "203.0.113.9");
        EXPECT_EQ(first.provider_key_id, "key_new");
        EXPECT_TRUE(first.detail->contains("audit_log-1")) << "oldest first";

        w.watch =
            w.make();  // a restart; the provider gives the overlap again, and one that came late
        w.entries.push_back(entry("audit_log-late", kNow - 65min));
        reading = w.watch->read_audit_log();
        co_await reading;
        EXPECT_EQ(w.recorder.events.size(), 3u);
        const std::string since = std::to_string(seconds(kNow - 1h) - 600);
        EXPECT_TRUE(w.asked.contains(since))
            << w.asked << " goes on where it stopped, with an overlap";
      });
}

struct TenantCase {
  const char* why;
  std::vector<Fault> faults;  // of the first round: the log's answer, then that of the tenant's
  std::vector<std::string> first, second;  // what the rounds record
};
const std::string kUnreadable = "provider.watch!provider_unreadable";
const Fault kNone{.status = 0};
const TenantCase kTenants[] = {
    {"both are read", {}, {"api_key.created", "tenant.admin_api_key.created"}, {}},
    {"an outage of the tenant's holds both up, and nothing is lost",
     {kNone, {503}},
     {kUnreadable},
     {"api_key.created", "tenant.admin_api_key.created"}},
    {"a rate limit as well",
     {kNone, {429}},
     {kUnreadable},
     {"api_key.created", "tenant.admin_api_key.created"}},
    {"an organisation without it has the rest",
     {kNone, {403}},
     {kUnreadable, "api_key.created"},
     {"tenant.admin_api_key.created"}},
    {"one that does not know the question too",
     {kNone, {400}},
     {kUnreadable, "api_key.created"},
     {"tenant.admin_api_key.created"}},
};

TEST(AccountWatch, TheTenantsOwnEntriesAreReadBesideTheRest) {
  for (const TenantCase& c : kTenants) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const TenantCase* c = nullptr;
      std::size_t asked = 0;
    } world;
    world.c = &c;
    world.provider.pages["/v1/organization/audit_logs"] = [&world](const std::string& query) {
      // The fault of the next question is put up while this one is answered.
      const auto& faults = world.c->faults;
      if (++world.asked < faults.size()) {
        world.provider.faults["GET /v1/organization/audit_logs"].push_back(faults[world.asked]);
      }
      const bool tenant = query.contains("tenant_only=true");
      return R"({"data":[{"id":"audit_log-)" + std::string(tenant ? "2" : "1") + R"(","type":")" +
             (tenant ? "tenant.admin_api_key.created" : "api_key.created") +
             R"(","effective_at":)" + std::to_string(seconds(kNow - 1h)) +
             R"(}],"has_more":false})";
    };
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          for (const auto* expected : {&w.c->first, &w.c->second}) {
            w.recorder.events.clear();
            Task<void> reading = w.watch->read_audit_log();
            co_await reading;
            EXPECT_EQ(w.recorder.actions(), *expected);
          }
        });
  }
}

TEST(AccountWatch, AnEntryOfAnotherShapeDoesNotHideTheOthers) {
  World world;
  world.entries = {R"({"id":"audit_log-0","type":"new.kind"})", entry("audit_log-1", kNow - 2h),
                   R"({"id":"audit_log-9","type":"x","effective_at":9223372036854775807})"};
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        for (int i = 0; i < 2; ++i) {
          Task<void> reading = w.watch->read_audit_log();
          co_await reading;
        }
        EXPECT_EQ(
            w.recorder.actions(),
            (std::vector<std::string>{"provider.watch!provider_unreadable", "api_key.created"}));
      });
}

TEST(AccountWatch, KeysThatNobodyKnowsOrUsesAreToldOnce) {
  World world;
  const LeaseRow row = world.leases.begin("openai", "proj_1", "a", kNow).value();
  world.keys = {key("key_ours", "x", kNow, kNow), key("key_ci", "x", kNow, kNow),
                key("key_lease", row.name, kNow, kNow), key("key_stranger", "x", kNow, kNow),
                key("key_ours", "x", kNow - 24h * 90, kNow - 24h * 60)};
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        for (int i = 0; i < 2; ++i) {
          Task<void> looking = w.watch->look_at_keys();
          co_await looking;
          w.watch = w.make();  // a restart in between
        }
        EXPECT_EQ(w.recorder.actions(),
                  (std::vector<std::string>{"provider_key.seen!unknown_provider_key",
                                            "provider_key.seen!dormant_provider_key"}));
        EXPECT_EQ(w.recorder.events.front().provider_key_id, "key_stranger");
      });
}

std::string admin_key(const std::string& id, const std::string& redacted, UtcTime used,
                      const std::string& expires) {
  return R"({"id":")" + id + R"(","name":"n","redacted_value":")" + redacted +
         R"(","created_at":1,"last_used_at":)" + std::to_string(seconds(used)) +
         R"(,"expires_at":)" + expires + "}";
}

struct AdminKeyCase {
  const char* why;
  std::string key;
  std::vector<std::string> told;
};
const std::string kSoon = std::to_string(seconds(kNow + 24h * 3));
const std::string kOurs = "sk-admin...ARY", kTheirs = "sk-admin...xyz";
const AdminKeyCase kAdminKeys[] = {
    {"our own", admin_key("key_1", kOurs, kNow, "null"), {}},
    {"our own, about to expire", admin_key("key_1", kOurs, kNow, kSoon), {"admin_key_expires"}},
    {"our own, long expired", admin_key("key_1", kOurs, kNow, "1"), {"admin_key_expires"}},
    {"a known one", admin_key("key_ci", kTheirs, kNow, kSoon), {}},
    {"a known one that nobody uses",
     admin_key("key_ci", kTheirs, kNow - 24h * 60, "null"),
     {"dormant_admin_key"}},
    {"a stranger's", admin_key("key_2", kTheirs, kNow, "null"), {"unknown_admin_key"}},
    {"a stranger's that nobody uses",
     admin_key("key_2", kTheirs, kNow - 24h * 60, "null"),
     {"unknown_admin_key", "dormant_admin_key"}},
    {"one that hides its value is not ours",
     R"({"id":"key_3"})",
     {"unknown_admin_key", "dormant_admin_key"}},
    {"another shape", R"({"name":"n"})", {"provider_unreadable"}},
};

TEST(AccountWatch, AdminKeysThatNobodyKnowsOrUsesAreToldOnce) {
  for (const AdminKeyCase& c : kAdminKeys) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const AdminKeyCase* c = nullptr;
    } world;
    world.c = &c;
    world.provider.pages["/v1/organization/admin_api_keys"] = [&c](const std::string&) {
      return R"({"data":[)" + c.key + R"(],"has_more":false})";
    };
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          for (int i = 0; i < 2; ++i) {
            Task<void> looking = w.watch->look_at_keys();
            co_await looking;
            looking = w.watch->look_at_admin_keys();
            co_await looking;
            if (w.c->told != std::vector<std::string>{"provider_unreadable"}) w.watch = w.make();
          }
          std::vector<std::string> told;
          for (const Event& event : w.recorder.events) told.push_back(event.error.value_or(""));
          EXPECT_EQ(told, w.c->told);
        });
    for (const std::string& line : world.recorder.lines) {
      EXPECT_EQ(line.find("CANARY"), std::string::npos) << line;
    }
  }
}

struct RetentionCase {
  const char* why;
  std::string answer;  // of the organisation
  const char* error;   // "" when nothing is told
  const char* found = "";
};
const RetentionCase kRetentions[] = {
    {"the expected one", R"({"type":"zero_data_retention"})", ""},
    {"another", R"({"type":"modified_abuse_monitoring"})", "retention_differs",
     "organization: modified_abuse_monitoring"},
    {"one that nobody announced", R"({"type":"kept_for_ever"})", "retention_differs",
     "organization: kept_for_ever"},
    {"none", R"({"object":"organization.data_retention"})", "provider_unreadable"},
    {"no JSON", "<html>", "provider_unreadable"},
};

TEST(AccountWatch, WhateverTheProviderSaysOfRetentionIsToldOnce) {
  for (const RetentionCase& c : kRetentions) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const RetentionCase* c = nullptr;
    } world;
    world.c = &c;
    world.provider.pages["/v1/organization/data_retention"] = [&c](const std::string&) {
      return c.answer;
    };
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          for (int i = 0; i < 2; ++i) {
            Task<void> looking = w.watch->look_at_retention();
            co_await looking;
          }
          const std::string error = w.c->error;
          EXPECT_EQ(w.recorder.events.size(), error.empty() ? 0u : 1u);
          for (const Event& event : w.recorder.events) {
            EXPECT_EQ(event.error, error);
            EXPECT_TRUE(event.detail->contains(w.c->found)) << *event.detail;
          }
        });
  }
}

TEST(AccountWatch, ARetentionThatIsNotTheExpectedOneIsTold) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        Task<void> looking = w.watch->look_at_retention();
        co_await looking;
        EXPECT_TRUE(w.recorder.events.empty()) << "a project that follows the organisation is fine";
        w.retention = "modified_abuse_monitoring";
        for (int i = 0; i < 2; ++i) {
          looking = w.watch->look_at_retention();
          co_await looking;
        }
        EXPECT_EQ(w.recorder.actions(),
                  std::vector<std::string>{"provider.retention!retention_differs"});
      });
}

TEST(AccountWatch, AnOutageIsToldOnceAndNothingIsLost) {
  World world;
  world.entries = {entry("audit_log-1", kNow - 2h)};
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        for (int i = 0; i < 2; ++i) {
          w.provider.faults["GET /v1/organization/audit_logs"].push_back({500});
          Task<void> reading = w.watch->read_audit_log();
          co_await reading;
        }
        Task<void> reading = w.watch->read_audit_log();
        co_await reading;
        EXPECT_EQ(
            w.recorder.actions(),
            (std::vector<std::string>{"provider.watch!provider_unreadable", "api_key.created"}));
      });
}

// The stranger's account, svc_1, has the name of a lease of ours.
struct OwnerCase {
  const char* why;
  const char* account_id;  // of our lease of that name; null: there is none
  bool told;
};
const OwnerCase kOwners[] = {
    {"nobody of ours has that name", nullptr, true},
    {"ours is being made, and its id is not known yet", "", false},
    {"it is ours", "svc_1", false},
    {"ours has another id: a name is no proof", "svc_2", true},
};

TEST(AccountWatch, AKeyIsOursByItsAccountAndNotByItsName) {
  for (const OwnerCase& c : kOwners) {
    World world;
    world.keys = {key("key_x", "sallyport-a-1", kNow, kNow)};
    if (c.account_id != nullptr) {
      LeaseRow row;
      row.name = "sallyport-a-1";
      row.account_id = c.account_id;
      EXPECT_TRUE(world.leases.put({row}));
    }
    play<World>(
        world.loop, world, +[](World& w) -> Task<void> {
          Task<void> looking = w.watch->look_at_keys();
          co_await looking;
        });
    EXPECT_EQ(world.recorder.has("provider_key.seen!unknown_provider_key"), c.told) << c.why;
  }
}

TEST(AccountWatch, ThatThereAreMoreStrangersThanAreToldIsToldOnce) {
  World world;
  for (std::size_t i = 0; i < AccountWatch::kKeysMax + 5; ++i) {
    world.keys.push_back(key("key_" + std::to_string(i), "x", kNow, kNow));
  }
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        for (int round = 0; round < 2; ++round) {
          Task<void> looking = w.watch->look_at_keys();
          co_await looking;
        }
      });
  EXPECT_EQ(world.recorder.events.size(), AccountWatch::kKeysMax + 1);
  EXPECT_TRUE(world.recorder.has("provider.watch!provider_unreadable"));
}

}  // namespace
}  // namespace sallyport::provider
