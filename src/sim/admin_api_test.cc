// SPDX-License-Identifier: Apache-2.0
// The shapes are those of OpenAI's reference: each answer has the members of the example, no more
// and no fewer. Then what the calls do, and what goes wrong when a test asks for it.
#include "sim/admin_api.h"

#include <gtest/gtest.h>

#include <set>

#include "sim/sim_for_test.h"

namespace sallyport::sim {
namespace {

constexpr const char* kAccounts = "/projects/proj_simulated/service_accounts";
constexpr const char* kKeys = "/projects/proj_simulated/api_keys";

// "data.0.owner.type": every member, arrays by their first element.
void collect(const JsonValue& value, const std::string& path, std::set<std::string>& members) {
  for (const auto& [name, member] : value.members()) {
    members.insert(path + std::string(name));
    collect(member, path + std::string(name) + ".", members);
  }
  const std::vector<JsonValue> items = value.items();
  if (!items.empty()) collect(items.front(), path + "0.", members);
}

std::set<std::string> members_of(std::string_view text) {
  std::set<std::string> members;
  const auto parsed = JsonValue::parse(text);
  if (parsed) collect(*parsed, "", members);
  return members;
}

struct Account {
  std::string id, key_id, secret;
};

Account make_account(SimForTest& sim) {
  const Got got = sim.admin("POST", kAccounts, R"({"name":"lease"})");
  return {got.at("id"), got.at("api_key.id"), got.at("api_key.value")};
}

int status_with(SimForTest& sim, const std::string& secret) {
  return sim.with_key(secret, "GET", "/v1/models").status;
}

TEST(Shapes, AreThoseOfTheReference) {
  const struct {
    const char* why;
    const char* method;
    std::string path;
    const char* body;
    const char* example;
  } kCases[] = {
      {"an account with its key", "POST", kAccounts, R"({"name":"n"})",
       R"({"object":"","id":"","name":"","role":"","created_at":1,
           "api_key":{"object":"","value":"","name":"","created_at":1,"id":""}})"},
      {"an account alone", "POST", kAccounts, R"({"name":"n","create_service_account_only":true})",
       R"({"object":"","id":"","name":"","role":"","created_at":1,"api_key":null})"},
      {"accounts", "GET", kAccounts, "",
       R"({"object":"list","data":[{"object":"","id":"","name":"","role":"","created_at":1}],
           "first_id":"","last_id":"","has_more":false})"},
      {"keys", "GET", std::string(kKeys) + "?after=key_static", "",
       R"({"object":"list","data":[{"object":"","redacted_value":"","name":"","created_at":1,
           "last_used_at":1,"id":"","owner_project_access":"active","owner":{"type":"",
           "service_account":{"id":"","name":"","created_at":1,"role":""}}}],
           "first_id":"","last_id":"","has_more":false})"},
      {"an admin key", "POST", "/admin_api_keys", R"({"name":"n","expires_in_seconds":60})",
       R"({"object":"","id":"","name":"","redacted_value":"","created_at":1,"expires_at":1,
           "last_used_at":null,"value":"","owner":{"type":"","object":"","id":"","name":"",
           "created_at":1,"role":""}})"},
      {"retention of the organisation", "GET", "/data_retention", "", R"({"object":"","type":""})"},
      {"retention of a project", "POST", "/projects/proj_simulated/data_retention",
       R"({"retention_type":"none"})", R"({"object":"","type":""})"},
      {"a spend limit", "POST", "/projects/proj_simulated/spend_limit",
       R"({"threshold_amount":5000,"currency":"USD","interval":"month"})",
       R"({"object":"","threshold_amount":1,"currency":"","interval":"",
           "enforcement":{"status":""}})"},
      {"usage", "GET", "/usage/completions?start_time=1760000000&bucket_width=1m", "",
       R"({"object":"page","data":[{"object":"bucket","start_time":1,"end_time":1,"results":[
           {"object":"","input_tokens":1,"input_cached_tokens":0,"input_cache_write_tokens":0,
            "input_uncached_tokens":1,"output_tokens":1,"input_text_tokens":1,
            "output_text_tokens":1,"input_audio_tokens":0,"output_audio_tokens":0,
            "input_image_tokens":0,"output_image_tokens":0,"num_model_requests":1,
            "project_id":null,"user_id":null,"api_key_id":"","model":"","batch":false,
            "service_tier":null}]}],"has_more":false,"next_page":null})"},
      {"costs", "GET", "/costs?start_time=1760000000", "",
       R"({"object":"page","data":[{"object":"bucket","start_time":1,"end_time":1,"results":[
           {"object":"","amount":{"value":0.1,"currency":"usd"},"line_item":null,
            "project_id":null,"api_key_id":null,"quantity":null,"quantity_unit":null}]}],
           "has_more":false,"next_page":null})"},
      {"the audit log of an API key", "GET", "/audit_logs?event_types[]=api_key.created", "",
       R"({"object":"list","data":[{"id":"","type":"","effective_at":1,
           "project":{"id":"","name":""},"actor":{"type":"api_key","api_key":{"id":"",
           "type":"user","user":{"id":"","email":""}}},
           "api_key.created":{"id":"","data":{"scopes":[""]}}}],
           "first_id":"","last_id":"","has_more":true})"},
  };
  SimForTest sim;
  sim.chat("gpt-4o");
  for (const auto& c : kCases) {
    const Got got = sim.admin(c.method, c.path, c.body);
    EXPECT_EQ(got.status, 200) << c.why << got.body;
    EXPECT_EQ(members_of(got.body), members_of(c.example)) << c.why << "\n" << got.body;
  }
}

TEST(Shapes, OfASessionInTheAuditLog) {
  SimForTest sim;
  sim.provider().admin().make_key_by_hand({}, SimForTest::kStart);
  const Got got = sim.admin("GET", "/audit_logs");
  EXPECT_EQ(got.at("data.0.type"), "api_key.created");
  EXPECT_EQ(got.at("data.0.actor.type"), "session");
  EXPECT_EQ(got.at("data.0.actor.session.ip_address"), "203.0.113.9");
  EXPECT_EQ(got.at("data.0.actor.session.user.email"), "stranger@example.com");
}

TEST(Admin, RefusesWhatTheProviderRefuses) {
  const struct {
    const char* why;
    const char* key;
    const char* method;
    std::string path;
    const char* body;
    int status;
    const char* contains;
  } kCases[] = {
      {"a data key", "sk-sim", "GET", kAccounts, "", 401, "invalid_api_key"},
      {"an unknown admin key", "sk-admin-x", "GET", kAccounts, "", 401, "invalid_api_key"},
      {"no such project", "", "GET", "/projects/proj_x/api_keys", "", 404, "not_found"},
      {"no such account", "", "DELETE", std::string(kAccounts) + "/svc_acct_x", "", 404,
       "not_found"},
      {"no such key", "", "GET", std::string(kKeys) + "/key_x", "", 404, "not_found"},
      {"no such admin key", "", "DELETE", "/admin_api_keys/key_x", "", 404, "not_found"},
      {"no such path", "", "GET", "/nothing", "", 404, "Invalid URL"},
      {"no spend limit is set", "", "GET", "/spend_limit", "", 404, "not_found"},
      {"no name", "", "POST", kAccounts, "{}", 400, "missing_required_parameter"},
      {"no JSON", "", "POST", kAccounts, "{", 400, "JSON"},
      {"a limit of 0", "", "GET", std::string(kKeys) + "?limit=0", "", 400, "\"limit\""},
      {"a limit too high", "", "GET", std::string(kKeys) + "?limit=101", "", 400, "\"limit\""},
      {"a limit of words", "", "GET", "/audit_logs?limit=ten", "", 400, "\"limit\""},
      {"an unknown cursor", "", "GET", "/audit_logs?after=x", "", 400, "\"after\""},
      {"usage without a start", "", "GET", "/usage/completions", "", 400, "start_time"},
      {"minutes beyond a day", "", "GET",
       "/usage/completions?start_time=1&bucket_width=1m&limit=1441", "", 400, "1440"},
      {"hours beyond a week", "", "GET",
       "/usage/completions?start_time=1&bucket_width=1h&limit=169", "", 400, "168"},
      {"days beyond a month", "", "GET", "/usage/completions?start_time=1&limit=32", "", 400, "31"},
      {"costs beyond 180 days", "", "GET", "/costs?start_time=1&limit=181", "", 400, "180"},
      {"costs by minute", "", "GET", "/costs?start_time=1&bucket_width=1m", "", 400, "1d"},
      {"costs by model", "", "GET", "/costs?start_time=1&group_by[]=model", "", 400, "group_by"},
      {"an end before the start", "", "GET", "/costs?start_time=9&end_time=9", "", 400, "end_time"},
      {"no such usage", "", "GET", "/usage/nothing?start_time=1", "", 404, "not_found"},
      {"an admin key for ever and a day", "", "POST", "/admin_api_keys",
       R"({"name":"n","expires_in_seconds":31536001})", 400, "expires_in_seconds"},
      {"a retention of a project, for the organisation", "", "POST", "/data_retention",
       R"({"retention_type":"none"})", 400, "retention_type"},
  };
  SimForTest sim;
  for (const auto& c : kCases) {
    const std::string key = *c.key == '\0' ? "sk-admin-sim" : c.key;
    const Got got = sim.with_key(key, c.method, "/v1/organization" + c.path, c.body);
    EXPECT_EQ(got.status, c.status) << c.why << got.body;
    EXPECT_TRUE(got.body.contains(c.contains)) << c.why << got.body;
    EXPECT_EQ(members_of(got.body),
              members_of(R"({"error":{"message":"","type":"","param":"","code":""}})"))
        << c.why;
  }
}

TEST(Lease, LivesFromTheAccountToItsDeletion) {
  SimForTest sim({.strict_keys = true});
  const Account lease = make_account(sim);
  EXPECT_TRUE(lease.secret.starts_with("sk-svcacct-"));
  EXPECT_EQ(status_with(sim, lease.secret), 200);
  EXPECT_EQ(status_with(sim, "sk-sim"), 200) << "the configured key stays valid";
  EXPECT_EQ(status_with(sim, "sk-svcacct-unknown"), 401);

  const std::string key_path = std::string(kKeys) + "/" + lease.key_id;
  EXPECT_EQ(sim.admin("GET", key_path).at("last_used_at"), std::to_string(SimForTest::kStart));
  EXPECT_FALSE(sim.admin("GET", key_path).body.contains(lease.secret)) << "shown once";
  EXPECT_EQ(sim.admin("DELETE", key_path).status, 400) << "it belongs to a service account";

  const std::string account_path = std::string(kAccounts) + "/" + lease.id;
  const Got further = sim.admin("POST", account_path + "/api_keys", R"({"name":"second"})");
  EXPECT_EQ(further.at("object"), "organization.project.service_account.api_key");
  EXPECT_EQ(status_with(sim, further.at("value")), 200);

  const Got gone = sim.admin("DELETE", account_path);
  EXPECT_EQ(gone.at("object"), "organization.project.service_account.deleted");
  EXPECT_EQ(gone.at("deleted"), "true");
  EXPECT_EQ(status_with(sim, lease.secret), 401);
  EXPECT_EQ(status_with(sim, further.at("value")), 401);
  EXPECT_EQ(sim.admin("DELETE", account_path).status, 404);
  EXPECT_EQ(sim.admin("GET", key_path).status, 404);
}

TEST(Lease, DiesAsSlowlyAsAsked) {
  const struct {
    const char* why;
    std::size_t alive_calls;
    const char* behave;
    std::vector<int> expected;
  } kCases[] = {
      {"at once", 0, "", {401, 401}},
      {"after the configured calls", 2, "", {200, 200, 401, 401}},
      {"after the calls of this deletion", 2, "alive-1", {200, 401, 401}},
      {"it answers now and then", 0, "flap-0100", {401, 200, 401, 401, 401}},
  };
  for (const auto& c : kCases) {
    SimForTest sim({.alive_calls = c.alive_calls});
    const Account lease = make_account(sim);
    if (*c.behave != '\0') {
      sim.provider().path_faults().add(
          {.method = "DELETE", .path = "/v1/organization/**", .behave = c.behave});
    }
    EXPECT_EQ(sim.admin("DELETE", std::string(kAccounts) + "/" + lease.id).status, 200);
    std::vector<int> seen;
    for (std::size_t i = 0; i < c.expected.size(); ++i) {
      seen.push_back(status_with(sim, lease.secret));
    }
    EXPECT_EQ(seen, c.expected) << c.why;
  }
}

TEST(Faults, StrikeBeforeOrAfterTheEffect) {
  const struct {
    const char* why;
    const char* behave;
    int status;
    bool broke;
    const char* retry_after;
    std::size_t accounts;  // that exist afterwards
  } kCases[] = {
      {"no fault", "", 200, false, "", 1},
      {"a rate limit", "error-429-rate, retry-after-3", 429, false, "3", 0},
      {"an error before the effect", "error-500", 500, false, "", 0},
      {"an error after the effect", "error-500, after-effect", 500, false, "", 1},
      {"a connection lost before the effect", "drop-before", 200, true, "", 0},
      {"a connection lost after the effect", "drop-after", 200, true, "", 1},
      {"a page of HTML", "not-json", 200, false, "", 0},
  };
  for (const auto& c : kCases) {
    SimForTest sim;
    const SimFault fault{.method = "POST",
                         .path = "/v1/organization/projects/*/service_accounts",
                         .behave = c.behave};
    if (*c.behave != '\0') sim.provider().path_faults().add(fault);
    const Got got = sim.admin("POST", kAccounts, R"({"name":"lease"})");
    EXPECT_EQ(got.status, c.status) << c.why;
    EXPECT_EQ(got.broke, c.broke) << c.why;
    EXPECT_EQ(got.header("retry-after"), c.retry_after) << c.why;
    EXPECT_EQ(sim.admin("GET", kAccounts).at("data"), "#" + std::to_string(c.accounts)) << c.why;
    EXPECT_EQ(sim.admin("POST", kAccounts, R"({"name":"again"})").status, 200)
        << c.why << ": the fault struck once";
  }
}

TEST(Lists, GoPageByPage) {
  SimForTest sim;
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) made.push_back(make_account(sim).id);
  std::vector<std::string> seen;
  std::string after;
  for (int page = 0; page < 3; ++page) {
    const Got got = sim.admin("GET", std::string(kAccounts) + "?limit=2&after=" + after);
    for (int i = 0; i < 2 && !got.at("data." + std::to_string(i)).empty(); ++i) {
      seen.push_back(got.at("data." + std::to_string(i) + ".id"));
    }
    EXPECT_EQ(got.at("has_more"), page < 2 ? "true" : "false");
    after = got.at("last_id");
  }
  EXPECT_EQ(seen, made);
  EXPECT_EQ(sim.admin("GET", std::string(kAccounts) + "?after=" + made.back()).at("first_id"),
            "null");
}

// A creation that was done by half: the account is there, and nobody has a key of it.
TEST(Leases, AnAccountMayBeMadeWithoutItsKey) {
  SimForTest sim;
  sim.provider().path_faults().add({.method = "POST",
                                    .path = "/v1/organization/projects/*/service_accounts",
                                    .behave = "no-key"});
  const std::string keys = sim.admin("GET", kKeys).at("data");
  const Got half = sim.admin("POST", kAccounts, R"({"name":"n"})");
  EXPECT_EQ(half.status, 200);
  EXPECT_EQ(half.at("api_key"), "null");
  EXPECT_EQ(half.at("role"), "member");
  EXPECT_EQ(sim.admin("GET", kAccounts).at("data"), "#1");
  EXPECT_EQ(sim.admin("GET", kKeys).at("data"), keys);
}

TEST(Keys, AreListedByTheAccessOfTheirOwner) {
  SimForTest sim;
  const Got alone =
      sim.admin("POST", kAccounts, R"({"name":"n","create_service_account_only":true})");
  EXPECT_EQ(alone.at("role"), "none");
  sim.admin("POST", std::string(kAccounts) + "/" + alone.at("id") + "/api_keys", "{}");
  make_account(sim);
  const auto listed = [&](const std::string& query) {
    return sim.admin("GET", std::string(kKeys) + query).at("data");
  };
  EXPECT_EQ(listed(""), "#2") << "the configured key and the lease";
  EXPECT_EQ(listed("?owner_project_access=inactive"), "#1");
  EXPECT_EQ(listed("?owner_project_access=any"), "#3");
}

TEST(Keys, OfAPersonCanBeDeleted) {
  SimForTest sim;
  const auto made = sim.provider().admin().make_key_by_hand({}, SimForTest::kStart);
  ASSERT_TRUE(made);
  EXPECT_EQ(status_with(sim, made->secret), 200);
  EXPECT_EQ(sim.admin("DELETE", std::string(kKeys) + "/" + made->key_id).at("object"),
            "organization.project.api_key.deleted");
  EXPECT_EQ(status_with(sim, made->secret), 401);
}

TEST(AdminKeys, ExpireAndRotate) {
  SimForTest sim;
  const Got made = sim.admin("POST", "/admin_api_keys", R"({"name":"n","expires_in_seconds":60})");
  const auto works = [&](const std::string& key) {
    return sim.with_key(key, "GET", "/v1/organization/admin_api_keys").status == 200;
  };
  EXPECT_TRUE(works(made.at("value")));
  EXPECT_EQ(
      sim.with_key(made.at("value"), "DELETE", "/v1/organization/admin_api_keys/key_static_admin")
          .at("deleted"),
      "true");
  EXPECT_FALSE(works("sk-admin-sim"));
  sim.advance(std::chrono::seconds(60));
  EXPECT_FALSE(works(made.at("value")));
}

TEST(AuditLog, IsFilteredAndPaged) {
  SimForTest sim;
  const Account lease = make_account(sim);
  sim.advance(std::chrono::seconds(10));
  sim.admin("DELETE", std::string(kAccounts) + "/" + lease.id);
  sim.admin("POST", "/admin_api_keys", R"({"name":"n"})");
  sim.provider().admin().make_key_by_hand({}, SimForTest::kStart + 20);
  const struct {
    const char* why;
    std::string query;
    const char* count;
  } kCases[] = {
      {"all but the tenant's", "", "#5"},
      {"the tenant's alone", "tenant_only=true", "#1"},
      {"after a time", "effective_at[gt]=1760000000", "#3"},
      {"from a time", "effective_at%5Bgte%5D=1760000000", "#5"},
      {"before a time", "effective_at[lt]=1760000010", "#2"},
      {"up to a time", "effective_at[lte]=1760000010", "#4"},
      {"of two types", "event_types[]=api_key.created&event_types[]=api_key.deleted", "#3"},
      {"of a resource", "resource_ids[]=" + lease.id, "#2"},
      {"of a person", "actor_emails[]=stranger@example.com", "#1"},
      {"of an API key", "actor_ids[]=key_static_admin", "#4"},
      {"of another project", "project_ids[]=proj_x", "#0"},
      {"a page", "limit=2", "#2"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(sim.admin("GET", "/audit_logs?" + c.query).at("data"), c.count) << c.why;
  }
  const Got newest = sim.admin("GET", "/audit_logs?limit=2");
  EXPECT_EQ(newest.at("data.0.actor.type"), "session") << "newest first";
  const Got older = sim.admin("GET", "/audit_logs?limit=2&after=" + newest.at("last_id"));
  const Got back = sim.admin("GET", "/audit_logs?limit=1&before=" + older.at("first_id"));
  EXPECT_EQ(back.at("first_id"), newest.at("last_id")) << "what stands just before";
  EXPECT_EQ(back.at("has_more"), "true");
}

TEST(AuditLog, TellsTheAddressOfASession) {
  SimForTest sim({.session_acts = true});
  make_account(sim);
  const Got got = sim.admin("GET", "/audit_logs?event_types[]=service_account.created");
  EXPECT_EQ(got.at("data.0.actor.session.ip_address"), "192.0.2.7");
}

TEST(Credential, StrictOrOpen) {
  const struct {
    const char* why;
    SimOptions options;
    const char* key;
    int status;
  } kCases[] = {
      {"an empty key accepts any", {.key = ""}, "sk-anything", 200},
      {"unless it is strict", {.key = "", .strict_keys = true}, "sk-anything", 401},
      {"an admin key is none of the data API", {.key = ""}, "sk-admin-sim", 401},
  };
  for (const auto& c : kCases) {
    SimForTest sim(c.options);
    EXPECT_EQ(status_with(sim, c.key), c.status) << c.why;
  }
}

TEST(Control, DoesWhatAStrangerDoes) {
  SimForTest sim;
  const Got key = sim.ask("POST", "/sim/keys", R"({"service_account":true,"ip":"198.51.100.1"})");
  EXPECT_EQ(status_with(sim, key.at("value")), 200);
  EXPECT_TRUE(key.at("service_account_id").starts_with("svc_acct_"));
  EXPECT_EQ(sim.admin("GET", "/audit_logs").at("data.0.actor.session.ip_address"), "198.51.100.1");
  sim.ask("POST", "/sim/usage",
          R"({"api_key_id":")" + key.at("id") +
              R"(","model":"gpt-4o","input_tokens":1000,"output_tokens":10})");
  const Got usage =
      sim.admin("GET", "/usage/completions?start_time=1760000000&api_key_ids[]=" + key.at("id"));
  EXPECT_EQ(usage.at("data.0.results.0.input_tokens"), "1000");
  sim.ask("POST", "/sim/audit_logs", R"({"type":"login.failed","ip":"198.51.100.2"})");
  EXPECT_EQ(sim.admin("GET", "/audit_logs").at("data.0.type"), "login.failed");
  sim.ask("POST", "/sim/faults", R"({"path":"/v1/organization/**","behave":"error-503"})");
  EXPECT_EQ(sim.admin("GET", "/audit_logs").status, 503);
  EXPECT_EQ(sim.admin("GET", "/audit_logs").status, 200);
  EXPECT_EQ(sim.ask("GET", "/sim/faults", "").at("faults.0.struck"), "1");
  EXPECT_EQ(sim.ask("POST", "/sim/faults", "{}").status, 400);
  EXPECT_EQ(sim.ask("POST", "/sim/settings", R"({"alive_calls":-1})").status, 400);
  EXPECT_EQ(sim.ask("GET", "/sim/nothing", "").status, 404);

  SimForTest closed({.request_log = false});
  EXPECT_EQ(closed.ask("POST", "/sim/keys", "{}").status, 404);
}

TEST(PathFaults, PatternsFitWholePaths) {
  const struct {
    const char* pattern;
    const char* path;
    bool fits;
  } kCases[] = {
      {"/v1/models", "/v1/models", true},
      {"/v1/models", "/v1/models/x", false},
      {"/v1/*", "/v1/models", true},
      {"/v1/*", "/v1/models/x", false},
      {"/v1/*/x", "/v1/models/x", true},
      {"/v1/**", "/v1/models/x", true},
      {"/v1/**", "/v1", false},
      {"/v1/*", "/v1/", false},
      {"/oauth/token", "/oauth/token", true},
      {"/v1/models/x", "/v1/models", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(path_fits(c.pattern, c.path), c.fits) << c.pattern << " " << c.path;
  }
}

TEST(PathFaults, AreCounted) {
  SimForTest sim(
      {.path_faults = {
           {.method = "", .path = "/v1/models", .behave = "error-500", .skip = 1, .times = 2}}});
  std::vector<int> seen;
  for (int i = 0; i < 4; ++i) seen.push_back(status_with(sim, "sk-sim"));
  EXPECT_EQ(seen, (std::vector<int>{200, 500, 500, 200}));
}

}  // namespace
}  // namespace sallyport::sim
