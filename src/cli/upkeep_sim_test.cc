// SPDX-License-Identifier: Apache-2.0
// The upkeep of credentials against the simulated provider: leases, the account's log, usage that
// did not pass here, and tokens for an identity of our own. Everything on one loop.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "admin/upstream_routes.h"
#include "provider/identity_key.h"
#include "provider/provider_for_test.h"
#include "provider/upkeep.h"
#include "sim/provider.h"
#include "sim/sim_server.h"
#include "store/sqlite_leases.h"
#include "store/sqlite_settings.h"

namespace sallyport::cli {
namespace {

using namespace std::chrono_literals;
using provider::play;
using provider::until;

class NoUsage final : public OwnUsage {
 public:
  explicit NoUsage(UtcTime since) : since_(since) {}
  std::vector<UsageMinute> minutes(UtcTime, UtcTime) const override { return {}; }
  UtcTime complete_since() const override { return since_; }

 private:
  const UtcTime since_;
};

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport_XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct World {
  explicit World(sim::SimOptions options) {
    options.listen = {IpAddress::v4(0x7f000001), 0};
    options.key = "";
    options.strict_keys = true;
    server = sim::SimServer::open(loop, std::move(options)).value();
    base = "http://127.0.0.1:" + std::to_string(server->address().port);
    store.path = (folder.path / "s.db").string();
    leases = store::SqliteLeases::open(store).value();
    settings = store::SqliteSettings::open(store).value();
  }
  ~World() {
    upkeep.reset();
    loop.drop_tasks();
    for (const std::string& line : recorder.lines) {
      EXPECT_EQ(line.find("sk-svcacct-"), std::string::npos) << line;
      EXPECT_EQ(line.find("sk-admin-sim"), std::string::npos) << line;
    }
  }

  provider::LeaseConfig lease() const {
    provider::LeaseConfig lease;
    lease.mode = "service_account";
    lease.admin_key = admin_key;
    lease.project = "proj_simulated";
    lease.instance = "test";
    lease.drain_ms = 0;
    return lease;
  }
  void start(provider::LeaseConfig lease, bool watched) {
    provider::Config watch;
    watch.admin_url = base + "/v1";
    watch.projects = {"proj_simulated"};
    watch.audit_every_ms = watch.keys_every_ms = 5;
    if (watched) watch.admin_key = admin_key;
    provider::ReconcileConfig reconcile;
    reconcile.every_ms = 3'600'000;
    reconcile.lag_ms = 0;
    provider::AskLimits limits;
    limits.backoff_ms = 1;
    const provider::LeaseTimes times{.tick_ms = 1,
                                     .probe_every_ms = 1,
                                     .probe_every_max_ms = 2,
                                     .retry_ms = 1,
                                     .retry_max_ms = 5};
    const provider::UpkeepParts parts{loop,     resolver, disk,      clock,
                                      recorder, *leases,  *settings, usage};
    upkeep = provider::Upkeep::make(parts, {{"openai", base + "/v1", {}, "", std::move(lease)}},
                                    watch, reconcile, limits, times)
                 .value();
    admin::add_upstream_routes(routes, {*upkeep, clock});
    upkeep->start();
  }
  std::string key() const {
    const auto now = upkeep->find("openai")->current();
    return now ? now->provider_key_id : "";
  }
  bool rotated() const {
    const auto last = upkeep->find("openai")->status().last;
    return last && last->state == provider::Rotation::State::kDone;
  }
  const Event* about(std::string_view action, const std::string& key) const {
    for (const Event& event : recorder.events) {
      if (event.action == action && event.provider_key_id == key) return &event;
    }
    return nullptr;
  }
  std::size_t accounts() { return server->provider().admin().directory().accounts().size(); }

  Folder folder;
  store::Config store;
  net::Loop loop;
  net::Resolver resolver;
  // Three minutes ahead of the simulation: the minute in which something was used is over.
  ManualClock clock{SystemClock().now() + 3min};
  NoUsage usage{SystemClock().now() - 1h};
  provider::RecorderForTest recorder;
  std::shared_ptr<const Secret> admin_key = std::make_shared<const Secret>("sk-admin-sim");
  std::unique_ptr<store::SqliteLeases> leases;
  std::unique_ptr<store::SqliteSettings> settings;
  net::Offload disk{1};  // ends before what its thread may still be writing to
  std::unique_ptr<sim::SimServer> server;
  std::string base;
  admin::Routes routes;
  std::unique_ptr<provider::Upkeep> upkeep;
};

Task<net::ServerResponse> call(World& w, std::string method, std::string path, std::string query,
                               std::string body) {
  const auto match = w.routes.find(method, path);
  EXPECT_TRUE(match.has_value()) << path;
  admin::AdminRequest request;
  request.http.method = std::move(method);
  request.http.path = std::move(path);
  request.http.query = std::move(query);
  request.http.headers = {{"content-type", "application/json"}};
  request.http.body = std::move(body);
  request.caller.name = "local:test";
  request.names = match->names;
  Task<net::ServerResponse> answering = match->route->handle(std::move(request));
  co_return co_await answering;
}

TEST(UpkeepSim, ARotationByCommandReplacesTheKeyAndMeasuresItsDeath) {
  sim::SimOptions options;
  options.alive_calls = 3;  // a deleted key is answered three times more
  World world(std::move(options));
  world.start(world.lease(), false);
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        // In use before the first rotation is over; until then another is refused.
        auto waiting = until(w.loop, [&w] { return w.rotated(); });
        const bool begun = co_await waiting;
        EXPECT_TRUE(begun);
        const std::string old = w.key();
        auto rotating =
            call(w, "POST", "/admin/v1/upstreams/openai/rotate", "", R"({"drain":"0s"})");
        const net::ServerResponse answer = co_await rotating;
        EXPECT_EQ(answer.status, 202) << answer.body;
        rotating = call(w, "POST", "/admin/v1/upstreams/openai/rotate", "", "");
        const net::ServerResponse twice = co_await rotating;
        EXPECT_EQ(twice.status, 409) << twice.body;
        waiting = until(w.loop, [&w] { return w.recorder.has("lease.dead"); });
        const bool dead = co_await waiting;
        EXPECT_TRUE(dead);
        EXPECT_NE(w.key(), old);
        EXPECT_EQ(w.accounts(), 1u) << "one account, one lease";
        auto listing = call(w, "GET", "/admin/v1/upstreams", "", "");
        const net::ServerResponse list = co_await listing;
        EXPECT_TRUE(list.body.contains(R"("state":"done")")) << list.body;
        EXPECT_TRUE(list.body.contains(R"("time_to_death_ms":)")) << list.body;
        EXPECT_FALSE(list.body.contains(R"("time_to_death_ms":null)")) << list.body;
        EXPECT_TRUE(list.body.contains(R"("actor":"local:test")")) << list.body;
      });
}

struct BodyCase {
  const char* why;
  const char* path;
  const char* body;
  int status;
};
const BodyCase kBodies[] = {
    {"no such upstream", "/admin/v1/upstreams/none/rotate", "", 404},
    {"a drain that is none", "/admin/v1/upstreams/openai/rotate", R"({"drain":"soon"})", 400},
    {"a drain beyond a day", "/admin/v1/upstreams/openai/rotate", R"({"drain":"25h"})", 400},
    {"a member that is none", "/admin/v1/upstreams/openai/rotate", R"({"dry":"1s"})", 400},
    {"no JSON", "/admin/v1/upstreams/openai/rotate", "drain", 400},
};

TEST(UpkeepSim, WhatCannotBeRotatedIsRefused) {
  World world{sim::SimOptions()};
  world.start(world.lease(), false);
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        for (const BodyCase& c : kBodies) {
          auto asking = call(w, "POST", c.path, "", c.body);
          const net::ServerResponse answer = co_await asking;
          EXPECT_EQ(answer.status, c.status) << c.why << ": " << answer.body;
        }
      });
}

// Leases of an upstream that has another name now, and of one that is gone.
TEST(UpkeepSim, LeasesOfUpstreamsThatAreGoneAreEndedOrTold) {
  World world{sim::SimOptions()};
  provider::LeaseRow row;
  row.name = "sallyport-test-90";
  row.upstream = "before";
  row.project = "proj_simulated";
  row.generation = 90;
  row.state = provider::LeaseState::kActive;
  auto& directory = world.server->provider().admin().directory();
  row.account_id = directory.make_account("proj_simulated", row.name, true, 1).id;
  provider::LeaseRow gone = row;
  gone.name = "sallyport-other-91";
  gone.account_id = directory.make_account("proj_simulated", gone.name, true, 1).id;
  ASSERT_TRUE(world.leases->put({row, gone}));
  world.start(world.lease(), false);
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto waiting = until(w.loop, [&w] { return w.recorder.has("lease.dead"); });
        const bool dead = co_await waiting;
        EXPECT_TRUE(dead);
        EXPECT_EQ(w.accounts(), 2u) << "ours, and the one that is nobody's";
        EXPECT_TRUE(w.recorder.has("lease.orphan!lease_orphan"));
        const auto left = w.leases->list().value();
        EXPECT_TRUE(std::ranges::any_of(
            left, [](const auto& one) { return one.name == "sallyport-other-91"; }));
      });
}

// A stranger makes a key by hand and uses it past the gate.
TEST(UpkeepSim, AStrangersKeyIsRecordedSeenAndItsUsageIsABypass) {
  World world{sim::SimOptions()};
  world.start(world.lease(), true);
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto waiting = until(w.loop, [&w] { return !w.key().empty(); });
        co_await waiting;
        const auto now_s = std::chrono::floor<std::chrono::seconds>(SystemClock().now())
                               .time_since_epoch()
                               .count();
        const auto made = w.server->provider().admin().make_key_by_hand({}, now_s);
        EXPECT_TRUE(made.has_value());
        const std::string id = made->key_id;
        waiting = until(w.loop, [&w, &id] {
          return w.about("api_key.created", id) != nullptr &&
                 w.recorder.has("provider_key.seen!unknown_provider_key");
        });
        const bool told = co_await waiting;
        EXPECT_TRUE(told);
        if (!told) co_return;
        EXPECT_EQ(w.about("api_key.created", id)->ip, "203.0.113.9");
        EXPECT_EQ(w.about("api_key.created", id)->actor, "stranger@example.com");
        EXPECT_TRUE(w.recorder.has("service_account.created")) << "our own acts stand in it too";

        net::Question question;
        question.method = "POST";
        question.url = w.base + "/v1/chat/completions";
        question.headers = {{"authorization", "Bearer " + made->secret},
                            {"content-type", "application/json"}};
        question.body = R"({"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}]})";
        auto asking = net::ask(w.loop, w.resolver, nullptr, std::move(question));
        const auto reply = co_await asking;
        EXPECT_TRUE(reply && reply->status == 200);

        auto comparing = call(w, "GET", "/admin/v1/usage/reconciliation", "", "");
        const net::ServerResponse table = co_await comparing;
        EXPECT_EQ(table.status, 200) << table.body;
        EXPECT_TRUE(table.body.contains(R"("bypass":true)")) << table.body;
        EXPECT_TRUE(table.body.contains(made->key_id)) << table.body;
        Task<void> round = w.upkeep->reconciler()->round();
        co_await round;
        EXPECT_TRUE(w.recorder.has("usage.reconcile!gateway_bypass"));
        comparing = call(w, "GET", "/admin/v1/usage/reconciliation", "from=yesterday", "");
        const net::ServerResponse wrong = co_await comparing;
        EXPECT_EQ(wrong.status, 400) << wrong.body;
      });
}

TEST(UpkeepSim, ATokenIsExchangedForOurOwnIdentity) {
  const Folder keys;
  const std::string file = (keys.path / "identity.pem").string();
  const auto key = provider::IdentityKey::open(file);
  ASSERT_TRUE(key);
  sim::SimOptions options;
  options.identity_providers = {{.id = "idp-1",
                                 .issuer = "https://gate.example.com",
                                 .audience = "https://api.openai.com/v1",
                                 .jwks = (*key)->jwks(),
                                 .mappings = {}}};
  World world(std::move(options));
  sim::AdminApi& api = world.server->provider().admin();
  const auto now_s =
      std::chrono::floor<std::chrono::seconds>(SystemClock().now()).time_since_epoch().count();
  const std::string account =
      api.directory().make_account("proj_simulated", "gate", true, now_s).id;
  api.identity_providers().front().mappings = {{"sallyport:test", account}};
  provider::LeaseConfig lease;
  lease.mode = "workload_identity";
  lease.token_url = world.base + "/oauth/token";
  lease.identity_provider_id = "idp-1";
  lease.service_account_id = account;
  lease.issuer = "https://gate.example.com";
  lease.instance = "test";
  lease.key_file = file;
  world.clock.set(SystemClock().now());  // the two must agree about iat and exp
  world.start(lease, false);
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto waiting = until(w.loop, [&w] { return !w.key().empty(); });
        const bool exchanged = co_await waiting;
        EXPECT_TRUE(exchanged);
        if (!exchanged) co_return;
        provider::Probe probe = provider::make_probe(w.base + "/v1", {}).value();
        const auto token = w.upkeep->find("openai")->current()->secret;
        auto probing = provider::probe_key(w.loop, w.resolver, std::move(probe), token);
        const Result<bool> works = co_await probing;
        EXPECT_TRUE(works && *works) << "the provider takes the token";
      });
}

}  // namespace
}  // namespace sallyport::cli
