// SPDX-License-Identifier: Apache-2.0
#include "provider/leases.h"

#include <gtest/gtest.h>

#include "provider/memory_lease_store.h"
#include "provider/provider_for_test.h"

namespace sallyport::provider {
namespace {

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

LeaseTimes quick() {
  return {.tick_ms = 1,
          .probe_every_ms = 1,
          .probe_every_max_ms = 2,
          .test_for_ms = 600,
          .retry_ms = 1,
          .retry_max_ms = 2,
          .incident_after_ms = 10'000,
          .settle_ms = 60,
          .sweep_every_ms = 3'600'000,
          .refused_pause_ms = 1};
}

LeaseTimes impatient() {
  LeaseTimes times = quick();
  times.incident_after_ms = 40;
  return times;
}

LeaseConfig config_of_test() {
  LeaseConfig config;
  config.mode = "service_account";
  config.project = "proj_1";
  config.instance = "a";
  config.life_ms = 3'600'000;
  config.drain_ms = 60'000;
  return config;
}

// The gateway's side may be made anew: that is a restart. Store and provider outlive it.
struct World {
  explicit World(LeaseTimes patience = quick()) : times(patience) {}
  std::shared_ptr<LeasedCredential> make() {
    AdminAccess access{.base_url = provider.base_url(),
                       .key = std::make_shared<const Secret>("sk-admin-CANARY")};
    access.limits = {.attempts_max = 2, .backoff_ms = 1, .backoff_max_ms = 2};
    LeaseParts parts{loop, resolver, disk, clock, recorder, store};
    Probe probe = make_probe(provider.base_url(), {}).value();
    return LeasedCredential::make(parts, "openai", config_of_test(), std::move(access),
                                  std::move(probe), times)
        .value();
  }
  void restart() {
    lease->stop();
    lease = make();
    lease->start();
  }
  std::string in_use() const {
    const auto now = lease->current();
    return now ? now->provider_key_id : "";
  }
  bool settled() {  // one account, one row, and it is the one in use
    return provider.alive().size() == 1 &&
           store.list().value_or(std::vector<LeaseRow>(2)).size() == 1;
  }
  ~World() {
    for (const std::string& line : recorder.lines) {
      EXPECT_EQ(line.find("CANARY"), std::string::npos) << line;
      EXPECT_EQ(line.find("SECRET"), std::string::npos) << line;
    }
  }

  const LeaseTimes times;
  net::Loop loop;
  net::Resolver resolver;
  net::Offload disk{1};
  ManualClock clock{kStart};
  RecorderForTest recorder;
  MemoryLeaseStore store;
  ProviderForTest provider{loop};
  std::shared_ptr<LeasedCredential> lease = make();
};

// Waits for a lease, then for a second one that replaces it.
Task<void> begin(World& w) {
  w.lease->start();
  auto waiting = until(w.loop, [&w] { return !w.in_use().empty() && w.settled(); });
  const bool begun = co_await waiting;
  EXPECT_TRUE(begun) << "a first lease";
}

TEST(Leases, AStartMakesALeaseAndARotationReplacesIt) {
  World world;
  world.provider.deleted_keys_live_on = 3;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto beginning = begin(w);
        co_await beginning;
        EXPECT_EQ(w.in_use(), "key_1");
        EXPECT_EQ(w.provider.alive(), std::vector<std::string>{"sallyport-a-1"});
        EXPECT_TRUE(w.lease->request("admin", 0).has_value());
        EXPECT_FALSE(w.lease->request("admin", 0).has_value()) << "one at a time";
        auto waiting = until(w.loop, [&w] {
          return w.lease->status().last->state == Rotation::State::kDone && w.settled();
        });
        const bool done = co_await waiting;
        EXPECT_TRUE(done);
        EXPECT_EQ(w.in_use(), "key_2");
        EXPECT_EQ(w.provider.alive(), std::vector<std::string>{"sallyport-a-2"});
        const auto last = w.lease->status().last;
        EXPECT_EQ(last->old_key_id, "key_1");
        EXPECT_TRUE(last->time_to_death_ms.has_value());
        std::vector<std::string> steps;
        for (const RotationStep& step : last->steps) steps.push_back(step.name);
        EXPECT_EQ(steps, (std::vector<std::string>{"create", "test", "swap", "drain", "delete",
                                                   "verify"}));
      });
  for (const char* action :
       {"lease.create", "lease.test", "lease.swap", "lease.drain", "lease.delete", "lease.dead"}) {
    EXPECT_TRUE(world.recorder.has(action)) << action;
  }
  for (const Event& event : world.recorder.events) {
    // The first rotation was a start; of key_1 only its end was asked for.
    const bool began = event.provider_key_id != "key_2" &&
                       (event.action == "lease.create" || event.action == "lease.test" ||
                        event.action == "lease.swap");
    EXPECT_EQ(event.actor, began ? std::nullopt : std::optional<std::string>("admin"))
        << event.action.value_or("");
  }
}

struct StepCase {
  const char* why;
  std::map<std::string, std::vector<Fault>> faults;  // at the time of the rotation
  void (*also)(World&) = nullptr;
  bool replaced = true;  // false: the old one stays in use, and works
  const char* recorded = nullptr;
  LeaseTimes times = quick();
};

const StepCase kSteps[] = {
    {"create: too fast, asked again", {{"POST accounts", {{429}}}}},
    {"create: refused for good",
     {{"POST accounts", {{403}}}},
     nullptr,
     false,
     "lease.create!lease_create_failed"},
    {"create: too fast to the end",
     {{"POST accounts", {{429}, {429}}}},
     nullptr,
     false,
     "lease.create!lease_create_failed"},
    {"create: 500 without effect", {{"POST accounts", {{500}}}}, nullptr, false, "lease.absent"},
    {"create: the answer is lost after the effect",
     {{"POST accounts", {{500, true}}}},
     nullptr,
     false,
     "lease.dead"},
    {"create: the answer is half a JSON",
     {{"POST accounts", {{200, true, "", "{\"id\":"}}}},
     nullptr,
     false,
     "lease.dead"},
    {"create: lost answer, and the list fails at first",
     {{"POST accounts", {{500, true}}}, {"GET accounts", {{500}, {500}, {500}}}},
     nullptr,
     false,
     "lease.dead"},
    {"test: the key is not known for a moment",
     {},
     +[](World& w) { w.provider.new_keys_refused = 3; }},
    {"test: GET /models answers 429 and 500", {{"GET models", {{429}, {500}}}}},
    {"test: the new key never works",
     {},
     +[](World& w) { w.provider.new_keys_refused = 100'000; },
     false,
     "lease.test!lease_test_failed"},
    {"swap: the store dies after the row was begun",
     {},
     +[](World& w) { w.store.breaks_after_begin = true; },
     false},
    {"delete: 500, then it works", {{"DELETE account", {{500}, {500}, {500}}}}},
    {"delete: the answer is lost after the effect", {{"DELETE account", {{500, true}}}}},
    {"delete: the answer is not what is documented",
     {{"DELETE account", {{200, false, "", "{\"deleted\":false}"}}}}},
    {"delete: too fast for a while", {{"DELETE account", {{429}, {429}, {429}, {429}, {429}}}}},
    {"delete: fails for longer than an incident",
     {{"DELETE account", std::vector<Fault>(16, Fault{500})}},
     nullptr,
     true,
     "lease.delete!lease_delete_failed",
     impatient()},
    {"verify: the deleted key is answered now and then",
     {},
     +[](World& w) { w.provider.deleted_keys_live_on = 5; }},
    {"verify: the probe itself fails", {{"GET models", {{500}, {503}}}}},
    {"verify: the key lives for longer than an incident",
     {},
     +[](World& w) { w.provider.deleted_keys_live_on = 12; },
     true,
     "lease.verify!lease_still_alive",
     impatient()},
};

TEST(Leases, AFailureAtAnyStepLeavesAWorkingCredentialAndNothingLeaked) {
  for (const StepCase& c : kSteps) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      explicit Told(const StepCase& of) : World(of.times), c(&of) {}
      const StepCase* c;
    } world(c);
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          auto beginning = begin(w);
          co_await beginning;
          for (const auto& [question, faults] : w.c->faults) {
            for (const Fault& fault : faults) w.provider.faults[question].push_back(fault);
          }
          if (w.c->also) w.c->also(w);
          EXPECT_TRUE(w.lease->request("admin", 0).has_value());
          auto waiting = until(
              w.loop, [&w] { return w.lease->status().last->state != Rotation::State::kRunning; });
          const bool ended = co_await waiting;
          EXPECT_TRUE(ended);
          const bool replaced = w.lease->status().last->state == Rotation::State::kDone;
          EXPECT_EQ(replaced, w.c->replaced);
          EXPECT_EQ(w.in_use(), w.c->replaced ? "key_2" : "key_1");
          w.store.broken = w.store.breaks_after_begin = false;
          w.provider.new_keys_refused = 0;
          // What is in use works, and what is not in use goes away.
          auto settling = until(w.loop, [&w] { return w.settled(); });
          const bool settled = co_await settling;
          EXPECT_TRUE(settled) << w.provider.alive().size() << " accounts";
          Probe probe = make_probe(w.provider.base_url(), {}).value();
          auto probing =
              probe_key(w.loop, w.resolver, std::move(probe), w.lease->current()->secret);
          const Result<bool> works = co_await probing;
          EXPECT_TRUE(works && *works);
          if (w.c->recorded) EXPECT_TRUE(w.recorder.has(w.c->recorded)) << w.c->recorded;
        });
  }
}

// In which state the process dies; what is left must be gone after the next start.
struct RestartCase {
  const char* why;
  std::map<std::string, std::vector<Fault>> faults;
  const char* dies_after;  // this many of this question were asked
  int asked;
};

const RestartCase kRestarts[] = {
    {"in use", {}, "GET models", 1},
    {"asked for, answer lost", {{"POST accounts", {{500, true}}}}, "POST accounts", 2},
    {"made, under test", {}, "POST accounts", 2},
    {"swapped, the old one being deleted",
     {{"DELETE account", {{500}, {500}}}},
     "DELETE account",
     1},
    {"deleted, death not yet proved", {}, "DELETE account", 1},
};

TEST(Leases, ARestartInTheMiddleOfARotationLosesNothing) {
  for (const RestartCase& c : kRestarts) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const RestartCase* c = nullptr;
    } world;
    world.c = &c;
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          auto beginning = begin(w);
          co_await beginning;
          for (const auto& [question, faults] : w.c->faults) {
            for (const Fault& fault : faults) w.provider.faults[question].push_back(fault);
          }
          w.provider.deleted_keys_live_on = 2;
          (void)w.lease->request("admin", 0);
          auto dying =
              until(w.loop, [&w] { return w.provider.count(w.c->dies_after) >= w.c->asked; });
          const bool died = co_await dying;
          EXPECT_TRUE(died);
          const std::string before = w.in_use();
          w.restart();
          auto living = until(w.loop, [&w] { return !w.in_use().empty() && w.settled(); });
          const bool lives = co_await living;
          EXPECT_TRUE(lives) << w.provider.alive().size() << " accounts";
          EXPECT_NE(w.in_use(), before) << "secrets do not survive, so a new lease is made";
        });
  }
}

TEST(Leases, AccountsWithOurNameThatNobodyClaimsAreDeletedAndOthersStay) {
  World world;
  world.provider.add_account("sallyport-a-77");
  world.provider.add_account("sallyport-a-b-1");  // of an instance called a-b
  world.provider.add_account("billing");
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.lease->start();
        auto waiting = until(w.loop, [&w] { return w.recorder.has("lease.dead"); });
        const bool swept = co_await waiting;
        EXPECT_TRUE(swept);
        EXPECT_EQ(w.provider.alive(),
                  (std::vector<std::string>{"sallyport-a-b-1", "billing", "sallyport-a-1"}));
      });
  EXPECT_TRUE(world.recorder.has("lease.orphan!lease_orphan"));
}

TEST(Leases, AStreamKeepsItsCredentialUntilItEnds) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto beginning = begin(w);
        co_await beginning;
        {
          const CredentialUse stream(w.lease->current());
          EXPECT_TRUE(w.lease->request("admin", {}).has_value());
          auto swapping = until(w.loop, [&w] { return w.in_use() == "key_2"; });
          const bool swapped = co_await swapping;
          EXPECT_TRUE(swapped);
          for (int turn = 0; turn < 5; ++turn) co_await w.loop.sleep_for(1);
          EXPECT_EQ(w.provider.alive().size(), 2u) << "the old account lives as long as the stream";
          EXPECT_EQ(stream->provider_key_id, "key_1");
        }
        auto settling = until(w.loop, [&w] { return w.settled(); });
        const bool settled = co_await settling;
        EXPECT_TRUE(settled);
      });
}

TEST(Leases, AtHalfItsLifeALeaseIsRenewed) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto beginning = begin(w);
        co_await beginning;
        w.clock.advance(std::chrono::minutes(29));
        for (int turn = 0; turn < 5; ++turn) co_await w.loop.sleep_for(1);
        EXPECT_EQ(w.in_use(), "key_1");
        w.clock.advance(std::chrono::minutes(2));
        auto waiting = until(w.loop, [&w] { return w.in_use() == "key_2" && w.settled(); });
        const bool renewed = co_await waiting;
        EXPECT_TRUE(renewed);
        EXPECT_EQ(w.lease->status().last->trigger, "schedule");
      });
}

TEST(Leases, WhenTheProviderRefusesTheKeyANewOneIsMade) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto beginning = begin(w);
        co_await beginning;
        w.lease->refused("key_1");  // but the key works: it was about one request
        for (int turn = 0; turn < 10; ++turn) co_await w.loop.sleep_for(1);
        EXPECT_EQ(w.in_use(), "key_1");
        w.provider.accounts.front().deleted = true;  // somebody deleted it in the dashboard
        w.lease->refused("key_0");                   // not ours any more
        for (int turn = 0; turn < 5; ++turn) co_await w.loop.sleep_for(1);
        EXPECT_EQ(w.in_use(), "key_1");
        w.lease->refused("key_1");
        auto waiting = until(w.loop, [&w] { return w.in_use() == "key_2" && w.settled(); });
        const bool renewed = co_await waiting;
        EXPECT_TRUE(renewed);
        EXPECT_EQ(w.lease->status().last->trigger, "refused");
      });
}

TEST(Leases, WithoutARecordNothingIsMade) {
  World world;
  world.recorder.accepts = false;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.lease->start();
        for (int turn = 0; turn < 10; ++turn) co_await w.loop.sleep_for(1);
        EXPECT_TRUE(w.provider.accounts.empty());
        w.recorder.accepts = true;
        auto waiting = until(w.loop, [&w] { return !w.in_use().empty(); });
        const bool begun = co_await waiting;
        EXPECT_TRUE(begun);
      });
}

TEST(Leases, InAnIncidentNoKeyBeforeIsLeftToItsStreams) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto beginning = begin(w);
        co_await beginning;
        const CredentialUse stream(w.lease->current());  // as long as the test
        EXPECT_TRUE(w.lease->request("schedule", {}).has_value());
        auto swapping = until(w.loop, [&w] { return w.in_use() == "key_2"; });
        const bool swapped = co_await swapping;
        EXPECT_TRUE(swapped) << "and the first is being drained for a minute";
        EXPECT_TRUE(w.lease->request("admin", 0).has_value());
        auto ending =
            until(w.loop, [&w] { return w.lease->status().last->state == Rotation::State::kDone; });
        const bool done = co_await ending;
        EXPECT_TRUE(done);
        EXPECT_EQ(w.provider.alive(), std::vector<std::string>{"sallyport-a-3"})
            << "the answer waits for both";
        const auto last = w.lease->status().last;
        EXPECT_EQ(last->old_key_id, "key_2");
        EXPECT_EQ(last->earlier.size(), 1u);
        if (last->earlier.empty()) co_return;
        EXPECT_EQ(last->earlier[0].key_id, "key_1");
        EXPECT_TRUE(last->earlier[0].dead);
        EXPECT_TRUE(last->earlier[0].time_to_death_ms.has_value());
      });
}

LeaseRow row_of(const char* name, const char* upstream, const char* project, const char* account,
                const char* key) {
  LeaseRow row;
  row.name = name;
  row.upstream = upstream;
  row.project = project;
  row.state = LeaseState::kActive;
  row.account_id = account;
  row.key_id = key;
  return row;
}

TEST(Leases, WhatARenamedUpstreamLeftIsRetired) {
  World world;
  world.provider.add_account("sallyport-a-7");
  world.provider.add_account("sallyport-a-8");
  EXPECT_TRUE(world.store.put({row_of("sallyport-a-7", "before", "proj_1", "svc_acct_1", "key_1"),
                               row_of("sallyport-a-8", "other", "proj_1", "svc_acct_2", "key_2")}));
  world.lease->owns([](const LeaseRow& row) { return row.upstream != "other"; });
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.lease->start();
        auto waiting = until(w.loop, [&w] { return w.recorder.has("lease.dead"); });
        const bool dead = co_await waiting;
        EXPECT_TRUE(dead);
        EXPECT_EQ(w.provider.alive(), (std::vector<std::string>{"sallyport-a-8", "sallyport-a-1"}))
            << "what is another's stays";
      });
  EXPECT_EQ(world.lease->key_ids(), (std::vector<std::string>{"key_1", "key_3"}));
}

TEST(Leases, AnAccountIsLookedForInItsOwnProject) {
  World world;
  EXPECT_TRUE(world.store.put({row_of("sallyport-a-7", "openai", "proj_0", "", "")}));
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.lease->start();
        auto waiting = until(w.loop, [&w] {
          return w.provider.count("GET /v1/organization/projects/proj_0/service_accounts") > 0;
        });
        const bool asked = co_await waiting;
        EXPECT_TRUE(asked) << "and not in that of the configuration";
      });
}

TEST(Leases, WithoutTheSecretTheListsProveTheDeath) {
  World world;
  world.provider.add_account("sallyport-a-7");
  world.provider.unlisted = false;  // its account is gone, its key not yet
  EXPECT_TRUE(
      world.store.put({row_of("sallyport-a-7", "openai", "proj_1", "svc_acct_1", "key_1")}));
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.lease->start();
        auto waiting = until(w.loop, [&w] { return w.provider.count("GET keys") > 5; });
        const bool listed = co_await waiting;
        EXPECT_TRUE(listed);
        EXPECT_FALSE(w.recorder.has("lease.dead")) << "the key is on the list";
        w.provider.unlisted = true;
        waiting = until(w.loop, [&w] { return w.recorder.has("lease.dead"); });
        const bool dead = co_await waiting;
        EXPECT_TRUE(dead);
        EXPECT_TRUE(w.recorder.events.back().detail->contains("its secret went with the process"));
      });
}

TEST(Leases, AKeyThatFailedItsTestIsTriedUntilItIsRefused) {
  World world;
  world.provider.deleted_keys_live_on = 3;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        auto beginning = begin(w);
        co_await beginning;
        w.provider.faults["GET models"].assign(100'000, Fault{503});
        EXPECT_TRUE(w.lease->request("admin", 0).has_value());
        auto waiting = until(w.loop, [&w] { return w.recorder.has("lease.abandoned"); });
        const bool abandoned = co_await waiting;
        EXPECT_TRUE(abandoned);
        w.provider.faults.clear();
        waiting = until(w.loop, [&w] { return w.recorder.has("lease.dead"); });
        const bool dead = co_await waiting;
        EXPECT_TRUE(dead);
        EXPECT_TRUE(w.recorder.events.back().detail->contains("time_to_death_ms"))
            << "its secret is known: " << *w.recorder.events.back().detail;
      });
}

}  // namespace
}  // namespace sallyport::provider
