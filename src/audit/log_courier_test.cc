// SPDX-License-Identifier: Apache-2.0
// A witness that really checks: signature, its own last size, and the consistency proof.
#include "audit/log_courier.h"

#include <gtest/gtest.h>

#include "audit/provable_log_for_test.h"
#include "net/connect.h"
#include "net/http_server.h"

namespace sallyport::audit {
namespace {

class WitnessForTest final : public net::ServerHandler {
 public:
  explicit WitnessForTest(VerifierKey log)
      : log_(std::move(log)),
        signing_(*SigningKey::make("witness.example.com",
                                   std::make_shared<const Secret>(std::string(32, 'w')))),
        key(VerifierKey::of("witness.example.com", SignatureType::kCosignature,
                            signing_.verifier().public_key)) {}

  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    ++asked;
    net::ServerResponse answer;
    if (request.path == "/hook") {
      hooks.push_back(std::move(request));
    } else if (fault != 0) {
      answer.status = fault;
    } else {
      judge(request, answer);
      if (meanwhile) std::exchange(meanwhile, {})();
    }
    co_return answer;
  }

  int fault = 0;  // a status to answer with instead
  bool wrong_signature = false;
  std::function<void()> meanwhile;  // happens once while it thinks
  int asked = 0;
  std::uint64_t size = 0;  // what it holds
  TreeHash root = empty_root();
  std::vector<net::ServerRequest> hooks;

 private:
  VerifierKey log_;
  SigningKey signing_;

 public:
  VerifierKey key;

 private:
  void judge(const net::ServerRequest& request, net::ServerResponse& answer) {
    answer.status = 400;
    if (request.path != "/add-checkpoint" || request.method != "POST") return;
    std::string_view rest = request.body;
    const auto line = [&rest] {
      const std::size_t end = rest.find('\n');
      const std::string_view one = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      return one;
    };
    const std::string_view first = line();
    if (!first.starts_with("old ")) return;
    const auto old_size = parse_uint(first.substr(4));
    Proof proof;
    for (std::string_view one = line(); !one.empty(); one = line()) {
      const auto bytes = base64_decode(one);
      if (!bytes || bytes->size() != 32 || proof.size() == 63) return;
      std::copy(bytes->begin(), bytes->end(), proof.emplace_back().begin());
    }
    const auto verified = verify_note(rest, {log_});
    answer.status = 403;
    if (!verified || !old_size) return;
    const auto checkpoint = Checkpoint::parse(verified->text);
    answer.status = 400;
    if (!checkpoint || *old_size > checkpoint->size) return;
    answer.status = 409;
    answer.body = std::to_string(size) + "\n";
    if (*old_size != size) return;
    answer.status = 422;
    const bool follows =
        size == 0 ? proof.empty()
                  : verify_consistency(size, checkpoint->size, root, checkpoint->root, proof);
    if (!follows) return;
    size = checkpoint->size;
    root = checkpoint->root;
    const UtcTime at(std::chrono::seconds(1'764'000'000));
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(1'764'000'000ull >> shift & 0xff);
    }
    const std::string signed_line = signing_.sign(cosigned_message(verified->text, at));
    bytes += parse_signature_line(signed_line.substr(0, signed_line.size() - 1))->bytes;
    if (wrong_signature) bytes[30] ^= 1;
    answer.status = 200;
    answer.body = signature_line(key.name, key.id, bytes) + "\n";
  }
};

class CourierTest : public ::testing::Test {
 protected:
  CourierTest() {
    key = SigningKey::make(config.origin, *decode_seed(*config.signing_seed))->verifier();
    witness.emplace(key);
  }
  ~CourierTest() override { disk_threads.stop(); }

  // One loop, one life of the house: each runs once.
  void carry(int rounds = 1) {
    net::Loop loop;
    const Result<int> fd = net::listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
    const std::string url = "http://127.0.0.1:" + std::to_string(net::local_endpoint(*fd)->port);
    net::HttpServer server(loop, *witness, net::ServerLimits{});
    server.serve(*fd);
    config.witness = {{.url = url, .key = witness->key.text()}};
    if (hook) config.anchor_webhook = url + "/hook";
    keeper.reset();
    keeper = *TreeKeeper::open(config, disk, clock);
    EXPECT_TRUE(keeper->step(lines, true));
    const auto courier =
        LogCourier::make({.keeper = *keeper,
                          .recorder = lines,
                          .clock = clock,
                          .resolver = resolver,
                          .disk = disk_threads,
                          .sign = [](auto, auto, auto) { return std::string("v1,x"); },
                          .keep_from = {}});
    ASSERT_TRUE(courier) << courier.error().what;
    loop.spawn(run(loop, **courier, rounds));
    loop.run();
    loop.drop_tasks();
  }
  static Task<void> run(net::Loop& loop, LogCourier& courier, int rounds) {
    for (int i = 0; i < rounds; ++i) co_await courier.carry(loop);
    loop.stop();
  }
  bool cosigned() {
    const auto verified = verify_note(disk.bytes("/j/checkpoint"), {key, witness->key});
    EXPECT_TRUE(verified);
    return verified && verified->by.size() == 2;
  }

  MemoryDisk disk;
  ManualClock clock{*parse_utc("2026-11-24T12:00:00.000Z")};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
  VerifierKey key;
  std::optional<WitnessForTest> witness;
  net::Resolver resolver;
  net::Offload disk_threads{1};
  std::unique_ptr<TreeKeeper> keeper;
  bool hook = false;
};

TEST_F(CourierTest, AWitnessThatKnowsNothingSigns) {
  lines.add(300);
  carry();
  EXPECT_TRUE(cosigned());
  EXPECT_EQ(witness->size, 300u);
  EXPECT_EQ(keeper->counters().witness_cosigned, 1u);
}

TEST_F(CourierTest, AWitnessIsAskedOnceForACheckpoint) {
  lines.add(3);
  carry(3);
  EXPECT_EQ(witness->asked, 1);
}

TEST_F(CourierTest, AfterARestartItTellsItsSizeAndGetsAProof) {
  lines.add(300);
  carry();
  lines.add(477);
  carry();
  EXPECT_EQ(witness->asked, 3) << "409, then the proof from its size";
  EXPECT_EQ(witness->size, 777u);
  EXPECT_TRUE(cosigned());
}

TEST_F(CourierTest, WhatItRefusesIsCountedAndNotRepeated) {
  lines.add(10);
  witness->fault = 403;
  carry(2);
  EXPECT_EQ(witness->asked, 1);
  EXPECT_EQ(keeper->counters().witness_refused, 1u);
  EXPECT_FALSE(cosigned());
}

TEST_F(CourierTest, WhatFailsIsTriedAgain) {
  lines.add(10);
  witness->fault = 503;
  carry(2);
  EXPECT_EQ(witness->asked, 2);
  EXPECT_EQ(keeper->counters().witness_failed, 2u);
}

TEST_F(CourierTest, AWrongCosignatureIsNotPublished) {
  lines.add(10);
  witness->wrong_signature = true;
  carry();
  EXPECT_FALSE(cosigned());
  EXPECT_EQ(keeper->counters().witness_refused, 1u);
}

TEST_F(CourierTest, ASlowWitnessIsKeptInTheHistory) {
  lines.add(10);
  witness->meanwhile = [this] {
    lines.add(5);
    EXPECT_TRUE(keeper->step(lines, true));
  };
  carry();
  const auto kept = find_checkpoint(disk, "/j", 10);
  ASSERT_TRUE(kept && *kept);
  const auto verified = verify_note(**kept, {key, witness->key});
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->by.size(), 2u);
  EXPECT_FALSE(cosigned()) << "the newest one is another";
  EXPECT_EQ(keeper->counters().witness_cosigned, 1u);
}

TEST_F(CourierTest, ACosignatureThatCouldNotBeKeptIsNotCounted) {
  lines.add(10);
  witness->meanwhile = [this] {
    disk.set_plan([](MemoryDisk::Operation operation, const std::string& path) {
      const bool refused = operation == MemoryDisk::Operation::kWrite && path.ends_with(".notes");
      return refused ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
    });
  };
  carry();
  EXPECT_EQ(keeper->counters().witness_cosigned, 0u);
  EXPECT_EQ(keeper->counters().witness_failed, 1u);
  EXPECT_FALSE(cosigned());
}

TEST_F(CourierTest, AWitnessThatSawMoreIsHeard) {
  lines.add(10);
  witness->size = 99;
  carry();
  EXPECT_EQ(keeper->counters().witness_refused, 1u);
  EXPECT_FALSE(cosigned());
}

TEST_F(CourierTest, AWitnessThatSawAnotherHistoryRefuses) {
  lines.add(10);
  witness->size = 5;
  witness->root = leaf_hash("another");
  carry();
  EXPECT_EQ(keeper->counters().witness_refused, 1u);
  EXPECT_FALSE(cosigned());
}

TEST_F(CourierTest, TheWebhookGetsTheNoteSigned) {
  hook = true;
  lines.add(10);
  carry(2);
  ASSERT_EQ(witness->hooks.size(), 1u);
  EXPECT_TRUE(verify_note(witness->hooks[0].body, {key}));
  EXPECT_EQ(*witness->hooks[0].find("webhook-id"), "checkpoint_10");
  EXPECT_EQ(*witness->hooks[0].find("webhook-signature"), "v1,x");
}

}  // namespace
}  // namespace sallyport::audit
