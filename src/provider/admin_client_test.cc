// SPDX-License-Identifier: Apache-2.0
#include "provider/admin_client.h"

#include <gtest/gtest.h>

#include "provider/provider_for_test.h"

namespace sallyport::provider {
namespace {

struct World {
  World() {
    AdminAccess access{.base_url = provider.base_url(),
                       .key = std::make_shared<const Secret>("sk-admin-CANARY")};
    access.limits = {.attempts_max = 3, .backoff_ms = 1, .backoff_max_ms = 2};
    access.limits.retry_after_max_ms = 2'000;
    access.limits.pages_max = 3;
    client = AdminClient::make(loop, resolver, std::move(access)).value();
  }
  net::Loop loop;
  net::Resolver resolver;
  ProviderForTest provider{loop};
  std::shared_ptr<const AdminClient> client;
};

TEST(AdminClient, AnAccountIsMadeListedAndDeleted) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto creating = w.client->create_service_account("proj_1", "sallyport-a-1");
        const Result<MintedKey> made = co_await creating;
        EXPECT_TRUE(made.has_value());
        EXPECT_EQ(made->account.name, "sallyport-a-1");
        EXPECT_EQ(made->key_id, "key_1");
        EXPECT_TRUE(*made->value == Secret("sk-svcacct-CANARY1"));
        auto listing = w.client->list_service_accounts("proj_1");
        const auto listed = co_await listing;
        EXPECT_EQ(listed->size(), 1u);
        auto deleting = w.client->delete_service_account("proj_1", made->account.id);
        const Result<void> deleted = co_await deleting;
        EXPECT_TRUE(deleted.has_value());
        deleting = w.client->delete_service_account("proj_1", made->account.id);
        const Result<void> again = co_await deleting;
        EXPECT_TRUE(again.has_value()) << "what is gone already is deleted";
      });
}

struct FailureCase {
  const char* why;
  const char* question;  // of ProviderForTest
  std::vector<Fault> faults;
  std::optional<Code> code;  // nothing: it works in the end
  int asked;
  bool without_effect = true;
};

const FailureCase kFailures[] = {
    {"GET: a 500 is asked again", "GET accounts", {{500}}, {}, 2},
    {"GET: 429 with Retry-After is asked again", "GET accounts", {{429, false, "1"}}, {}, 2},
    {"GET: five hundreds to the end are unavailable",
     "GET accounts",
     {{500}, {503}, {500}},
     Code::kUnavailable,
     3,
     false},
    {"GET: rate limits to the end are exhausted",
     "GET accounts",
     {{429}, {429}, {429}},
     Code::kExhausted,
     3},
    {"a Retry-After beyond reason ends it at once",
     "GET accounts",
     {{429, false, "3600"}},
     Code::kExhausted,
     1},
    {"a wrong admin key is not tried twice", "GET accounts", {{401}}, Code::kDenied, 1},
    {"403 likewise", "GET accounts", {{403}}, Code::kDenied, 1},
    {"an archived project is a wrong question", "GET accounts", {{400}}, Code::kInvalid, 1},
    {"a redirect is not followed", "GET accounts", {{302}}, Code::kCorrupt, 1, false},
    {"an answer that is no JSON is corrupt",
     "GET accounts",
     {{200, false, "", "<html>"}},
     Code::kCorrupt,
     1,
     false},
    {"a list without data is corrupt",
     "GET accounts",
     {{200, false, "", "{}"}},
     Code::kCorrupt,
     1,
     false},
    {"a page that says more and not where is corrupt",
     "GET accounts",
     {{200, false, "", R"({"data":[],"has_more":true})"}},
     Code::kCorrupt,
     1,
     false},
    {"POST: a 429 had no effect and is asked again", "POST accounts", {{429}}, {}, 2},
    {"POST: a 500 may have had its effect and is not repeated",
     "POST accounts",
     {{500}},
     Code::kUnavailable,
     1,
     false},
    {"POST: a 200 without the key is corrupt",
     "POST accounts",
     {{200, false, "", R"({"id":"svc_acct_1","api_key":null})"}},
     Code::kCorrupt,
     1,
     false},
    {"POST: a key that would not fit into a header is corrupt",
     "POST accounts",
     {{200, false, "", R"({"id":"svc_acct_1","api_key":{"id":"key_1","value":"a\r\nb"}})"}},
     Code::kCorrupt,
     1,
     false},
};

TEST(AdminClient, Failures) {
  for (const FailureCase& c : kFailures) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const FailureCase* c = nullptr;
    } world;
    world.c = &c;
    for (const Fault& fault : c.faults) world.provider.faults[c.question].push_back(fault);
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          std::optional<Error> error;
          if (std::string_view(w.c->question).starts_with("POST")) {
            auto creating = w.client->create_service_account("proj_1", "n");
            const auto made = co_await creating;
            if (!made) error = made.error();
          } else {
            auto listing = w.client->list_service_accounts("proj_1");
            const auto listed = co_await listing;
            if (!listed) error = listed.error();
          }
          EXPECT_EQ(error.has_value(), w.c->code.has_value()) << (error ? error->what : "");
          if (error && w.c->code) {
            EXPECT_EQ(name(error->code), name(*w.c->code)) << error->what;
            EXPECT_EQ(AdminClient::without_effect(*error), w.c->without_effect);
            EXPECT_EQ(error->what.find("SECRET"), std::string::npos)
                << "never the provider's words";
            EXPECT_EQ(error->what.find("CANARY"), std::string::npos) << "never a key";
          }
          EXPECT_EQ(w.provider.count(w.c->question), w.c->asked);
        });
  }
}

TEST(AdminClient, IdsThatAreNoneAreNotPutIntoAPath) {
  for (const char* id : {"", "..", "a/b", "a?b", "a b", "%2e"}) EXPECT_FALSE(is_provider_id(id));
  EXPECT_TRUE(is_provider_id("proj_Abc-1"));
}

// A page of the usage list; the second is asked for by its mark.
std::string usage_page(const std::string& query) {
  if (!query.contains("page=two")) {
    return R"({"object":"page","data":[{"object":"bucket","start_time":60,"end_time":120,"results":[
      {"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":500,
       "input_cached_tokens":7,"num_model_requests":5,"api_key_id":"key_a","model":"gpt-5.5"}]}],
      "has_more":true,"next_page":"two"})";
  }
  return R"({"object":"page","data":[{"object":"bucket","start_time":120,"end_time":180,"results":[
    {"input_tokens":1,"output_tokens":2,"num_model_requests":1,"api_key_id":null,"model":null}]}],
    "has_more":false,"next_page":null})";
}

TEST(AdminClient, UsageIsReadOverAllPages) {
  World world;
  world.provider.pages["/v1/organization/usage/completions"] = usage_page;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        UsageQuery query{.start_time_s = 0, .end_time_s = 180};
        auto asking = w.client->usage_completions(std::move(query));
        const auto usage = co_await asking;
        EXPECT_TRUE(usage.has_value());
        if (!usage) co_return;
        EXPECT_EQ(usage->size(), 2u);
        EXPECT_EQ(usage->at(0).api_key_id, "key_a");
        EXPECT_EQ(usage->at(0).input_tokens, 1000);
        EXPECT_EQ(usage->at(0).cached_tokens, 7);
        EXPECT_EQ(usage->at(1).api_key_id, "");
        EXPECT_EQ(usage->at(1).output_tokens, 2);
      });
}

TEST(AdminClient, AListThatDoesNotEndIsGivenUp) {
  World world;
  int page = 0;
  world.provider.pages["/v1/organization/usage/completions"] = [&page](const std::string&) {
    return R"({"data":[],"has_more":true,"next_page":"p)" + std::to_string(++page) + "\"}";
  };
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto asking = w.client->usage_completions(UsageQuery());
        const auto usage = co_await asking;
        EXPECT_FALSE(usage.has_value());
        if (!usage) EXPECT_EQ(name(usage.error().code), name(Code::kExhausted));
      });
  EXPECT_EQ(page, 3);
}

TEST(AdminClient, AnAuditEntryTellsWhoFromWhere) {
  World world;
  world.provider.pages["/v1/organization/audit_logs"] = [](const std::string&) {
    return std::string(R"({"object":"list","data":[
      {"id":"audit_log-1","type":"api_key.created","effective_at":1720804090,
       "project":{"id":"proj_1","name":"p"},
       "actor":{"type":"session","session":{"user":{"id":"user-1","email":"a@example.com"},
         "ip_address":"203.0.113.9","user_agent":"x","ip_address_details":{"country":"US","asn":"64500"}}},
       "api_key.created":{"id":"key_x","data":{"scopes":["api.model.request"]}}},
      {"id":"audit_log-2","type":"service_account.deleted","effective_at":1720804091,
       "actor":{"type":"api_key","api_key":{"id":"key_admin","type":"service_account",
         "service_account":{"id":"svc_acct_9"}}},"service_account.deleted":{"id":"svc_acct_8"}}],
      "first_id":"audit_log-1","last_id":"audit_log-2","has_more":false})");
  };
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto asking = w.client->audit_logs(0, "");
        const auto page = co_await asking;
        EXPECT_TRUE(page.has_value());
        if (!page) co_return;
        EXPECT_EQ(page->entries.size(), 2u);
        const AuditLogEntry& first = page->entries[0];
        EXPECT_EQ(first.ip, "203.0.113.9");
        EXPECT_EQ(first.actor_email, "a@example.com");
        EXPECT_EQ(first.country, "US");
        EXPECT_EQ(first.asn, 64500);
        EXPECT_EQ(first.object_id, "key_x");
        EXPECT_EQ(page->entries[1].actor_id, "svc_acct_9");
        EXPECT_EQ(page->entries[1].actor_key_id, "key_admin");
        EXPECT_EQ(page->entries[1].ip, "");
      });
}

struct ShapeCase {
  const char* why;
  std::string body;
  const char* got;  // what was read; "corrupt" when nothing was
};

// "id name created expires used", - for none.
std::string told(const AdminKey& key) {
  const auto time = [](const std::optional<std::int64_t>& at) {
    return at ? std::to_string(*at) : std::string("-");
  };
  return key.id + " " + key.name + " " + std::to_string(key.created_at_s) + " " +
         time(key.expires_at_s) + " " + time(key.last_used_at_s) + (key.value ? " SECRET" : "");
}

std::string list_of(const std::string& items) {
  return R"({"object":"list","data":[)" + items + R"(],"has_more":false})";
}

const ShapeCase kAdminKeyShapes[] = {
    {"as documented",
     list_of(R"({"object":"organization.admin_api_key","id":"key_a","name":"n","redacted_value":
       "sk-admin...xyz","created_at":1711471533,"expires_at":1714063533,"last_used_at":null,
       "owner":{"type":"user","object":"organization.user","id":"user_1","name":"Owner",
       "created_at":1711471533,"role":"owner"}})"),
     "key_a n 1711471533 1714063533 -"},
    {"none", list_of(""), ""},
    {"members that nobody announced are left alone",
     list_of(R"({"id":"key_a","name":"n","created_at":1,"scopes":["x"],"new":{"deep":[1]}})"),
     "key_a n 1 - -"},
    {"everything but the id may be missing", list_of(R"({"id":"key_a"})"), "key_a  0 - -"},
    {"or of another type",
     list_of(R"({"id":"key_a","name":7,"created_at":"soon","expires_at":true,"owner":[]})"),
     "key_a  0 - -"},
    {"a time that is none is none",
     list_of(R"({"id":"key_a","created_at":-1,"expires_at":9223372036854775807,
       "last_used_at":1e300})"),
     "key_a  0 - -"},
    {"no id", list_of(R"({"name":"n"})"), "corrupt"},
    {"an id that could not stand in a path", list_of(R"({"id":"../keys"})"), "corrupt"},
    {"an item that is no object", list_of(R"("key_a")"), "corrupt"},
    {"no list", R"({"object":"list","data":{"id":"key_a"}})", "corrupt"},
    {"nothing", "{}", "corrupt"},
    {"no object", "[]", "corrupt"},
    {"no JSON", "<html>", "corrupt"},
};

TEST(AdminClient, ShapesOfTheListOfAdminKeys) {
  for (const ShapeCase& c : kAdminKeyShapes) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const ShapeCase* c = nullptr;
    } world;
    world.c = &c;
    world.provider.pages["/v1/organization/admin_api_keys"] = [&c](const std::string&) {
      return c.body;
    };
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          auto asking = w.client->list_admin_keys();
          const auto keys = co_await asking;
          std::string got;
          if (!keys) got = name(keys.error().code);
          if (keys) {
            for (const AdminKey& key : *keys) got += told(key);
          }
          EXPECT_EQ(got, w.c->got);
        });
  }
}

const ShapeCase kRetentionShapes[] = {
    {"as documented", R"({"object":"organization.data_retention","type":"zero_data_retention"})",
     "zero_data_retention"},
    {"a type that nobody announced is told as it is", R"({"type":"none_of_these"})",
     "none_of_these"},
    {"no type", R"({"object":"organization.data_retention"})", "corrupt"},
    {"an empty one", R"({"type":""})", "corrupt"},
    {"of another type", R"({"type":["zero_data_retention"]})", "corrupt"},
    {"null", R"({"type":null})", "corrupt"},
    {"no object", R"("zero_data_retention")", "corrupt"},
    {"no JSON", "zero_data_retention", "corrupt"},
};

TEST(AdminClient, ShapesOfTheRetentionSetting) {
  for (const ShapeCase& c : kRetentionShapes) {
    for (const char* project : {"", "proj_1"}) {
      SCOPED_TRACE(std::string(c.why) + " " + project);
      struct Told : World {
        const ShapeCase* c = nullptr;
        std::string project;
      } world;
      world.c = &c;
      world.project = project;
      const std::string of = world.project.empty() ? "" : "/projects/" + world.project;
      world.provider.pages["/v1/organization" + of + "/data_retention"] = [&c](const std::string&) {
        return c.body;
      };
      play<Told>(
          world.loop, world, +[](Told& w) -> Task<void> {
            auto asking = w.client->data_retention(w.project);
            const auto type = co_await asking;
            EXPECT_EQ(type ? *type : std::string(name(type.error().code)), w.c->got);
          });
    }
  }
}

struct RedactedCase {
  const char* why;
  const char* redacted;
  bool fits;
};
const RedactedCase kRedacted[] = {
    {"as the documentation shows it", "sk-admin...xyz", true},
    {"with asterisks", "sk-admin-abc***wxyz", true},
    {"another end", "sk-admin...xya", false},
    {"another beginning", "sk-proj-...xyz", false},
    {"an end too short to tell anything", "sk-admin...yz", false},
    {"nothing but the gap", "...", false},
    {"no beginning", "...xyz", false},
    {"no gap: no redacted form", "sk-admin-abcdefwxyz", false},
    {"longer than the key", "sk-admin-abcdefw...bcdefwxyz", false},
    {"empty", "", false},
};
TEST(AdminClient, OurOwnKeyIsToldByWhatIsLeftOfIt) {
  const Secret key("sk-admin-abcdefwxyz");
  for (const RedactedCase& c : kRedacted)
    EXPECT_EQ(fits_redacted(key, c.redacted), c.fits) << c.why;
}

}  // namespace
}  // namespace sallyport::provider
