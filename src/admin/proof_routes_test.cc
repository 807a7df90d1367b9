// SPDX-License-Identifier: Apache-2.0
// Proofs and a new key over the admin listener: how many at once, and whose threads they hold.
#include "admin/proof_routes.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <latch>

#include "audit/journal.h"
#include "base/json_reader.h"

namespace sallyport::admin {
namespace {

class ProofRoutesTest : public ::testing::Test {
 protected:
  ProofRoutesTest() {
    char name[] = "/tmp/sallyport-proofs-XXXXXX";
    folder_ = mkdtemp(name);
    config_.path = folder_ + "/journal";
    audit::fill_paths(config_, folder_);
    keeper_ = *audit::TreeKeeper::open(config_, files_, clock_);
    journal_ = *audit::Journal::open(config_, clock_, files_);
    keeper_->start(*journal_);
    Event event;
    event.timestamp_utc = clock_.now();
    journal_->record(std::move(event), Durability::kSynced, {});
    while (journal_->durable_seq() < 1) std::this_thread::yield();
    EXPECT_TRUE(keeper_->sign_through(1));
  }
  ~ProofRoutesTest() override {
    journal_->stop();
    keeper_->stop();
    questions_.stop();
    disk_.stop();
    std::filesystem::remove_all(folder_);
  }

  // Asks all at once; `then` runs on the loop when all were asked.
  std::vector<net::ServerResponse> ask(const char* method, const char* path, std::string query,
                                       std::size_t times, std::function<void()> then) {
    net::Loop loop;
    Routes routes;
    add_proof_routes(routes, {*keeper_, *journal_, clock_, loop, disk_, questions_, {}});
    const auto match = routes.find(method, path);
    EXPECT_TRUE(match) << path;
    std::vector<net::ServerResponse> answers(times);
    std::size_t open = times;
    for (net::ServerResponse& answer : answers) {
      AdminRequest request;
      request.http.method = method;
      request.http.query = query;
      request.caller.name = "local:alice";
      loop.spawn(answered(loop, match->route->handle(std::move(request)), answer, open));
    }
    loop.post(std::move(then));
    loop.run();
    loop.drop_tasks();
    return answers;
  }
  static Task<void> answered(net::Loop& loop, Task<net::ServerResponse> asked,
                             net::ServerResponse& out, std::size_t& open) {
    out = co_await std::move(asked);
    if (--open == 0) loop.stop();
  }

  std::string folder_;
  audit::Config config_;
  SystemClock clock_;
  audit::PosixFileSystem files_;
  net::Loop other_;  // on which somebody waits for the pools
  net::Offload disk_{1}, questions_{1};
  std::unique_ptr<audit::TreeKeeper> keeper_;
  std::unique_ptr<audit::Journal> journal_;
};

TEST_F(ProofRoutesTest, TooManyProofsAtOnceAreRefused) {
  const auto may_go = std::make_shared<std::latch>(1);  // the pools' threads outlive this body
  other_.spawn(questions_.run(other_, [may_go] { may_go->wait(); }));
  other_.post([this] { other_.stop(); });
  other_.run();
  const auto answers =
      ask("GET", "/admin/v1/audit/proof", "seq=1", 12, [may_go] { may_go->count_down(); });
  int made = 0, busy = 0;
  for (const net::ServerResponse& answer : answers) {
    made += answer.status == 200 ? 1 : 0;
    busy += answer.status == 429 ? 1 : 0;
  }
  EXPECT_EQ(made, 8);
  EXPECT_EQ(busy, 4);
  const auto later = ask("GET", "/admin/v1/audit/proof", "seq=1", 1, [] {});
  EXPECT_EQ(later[0].status, 200) << "their places are free again";
}

TEST_F(ProofRoutesTest, ARotationHoldsNoThreadOfThePools) {
  const auto may_go = std::make_shared<std::latch>(1);  // the pools' threads outlive this body
  for (net::Offload* pool : {&disk_, &questions_}) {
    other_.spawn(pool->run(other_, [may_go] { may_go->wait(); }));
  }
  other_.post([this] { other_.stop(); });
  other_.run();
  const auto answers = ask("POST", "/admin/v1/audit/rotate-key", "", 2, [] {});
  may_go->count_down();
  std::vector<int> statuses{answers[0].status, answers[1].status};
  EXPECT_EQ(statuses, (std::vector<int>{200, 503})) << "one at a time; " << answers[0].body;
  const auto key = JsonValue::parse(answers[0].body)->at("key");
  EXPECT_EQ(audit::KeyHistory::read(files_, config_.path)->current()->text(), *key->string());
}

}  // namespace
}  // namespace sallyport::admin
