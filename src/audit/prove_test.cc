// SPDX-License-Identifier: Apache-2.0
// Proofs, exports and retention on one log.
#include "audit/prove.h"

#include <gtest/gtest.h>

#include "audit/accept_state.h"
#include "audit/export_log.h"
#include "audit/min_index.h"
#include "audit/provable_log_for_test.h"
#include "audit/prune.h"
#include "audit/verify.h"

namespace sallyport::audit {
namespace {

// Three segments of 300 records, a checkpoint after each.
class ProveTest : public ::testing::Test {
 protected:
  ProveTest() {
    key = SigningKey::make(config.origin, *decode_seed(*config.signing_seed))->verifier();
    const auto keeper = TreeKeeper::open(config, disk, clock);
    for (int i = 0; i < 3; ++i) {
      if (i > 0) lines.seal();
      lines.add(300);
      EXPECT_TRUE((*keeper)->step(lines, true));
    }
  }
  Result<PruneReport> prune_before(std::uint64_t seq, std::uint64_t keep_from = UINT64_MAX) {
    return prune(disk, lines, clock,
                 {.journal = "/j",
                  .before = UtcTime(std::chrono::milliseconds(1'764'000'000'000 + seq)),
                  .keep_from = [keep_from] { return keep_from; },
                  .sign = [this](std::uint64_t) { return sign(); },
                  .policy = "test",
                  .actor = "test",
                  .dry = false});
  }

  // A life of its own that signs what is there.
  Result<void> sign() {
    const auto keeper = TreeKeeper::open(config, disk, clock);
    if (!keeper) return std::unexpected(keeper.error());
    return (*keeper)->step(lines, true) ? Result<void>() : fail(Code::kUnavailable, "not signed");
  }

  MemoryDisk disk;
  ManualClock clock{*parse_utc("2026-11-24T12:00:00.000Z")};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
  RecordAccepted record = [this](const Accepted& what) {
    lines.record(accepted_event(what, clock.now(), "test"), Durability::kSynced, {});
    return Result<void>();
  };
  VerifierKey key;
};

TEST_F(ProveTest, EveryRecordIsProved) {
  for (const std::uint64_t seq : {1ull, 256ull, 257ull, 300ull, 301ull, 899ull, 900ull}) {
    const auto proof = prove_record(disk, "/j", seq);
    ASSERT_TRUE(proof) << proof.error().what;
    EXPECT_EQ(*check_proof(proof->proof, proof->record, {key}), seq);
    EXPECT_EQ(check_proof(proof->proof, proof->record + " ", {key}).error().code, Code::kDenied);
    const auto other = VerifierKey::of(key.name, key.type, std::string(32, 'k'));
    EXPECT_EQ(check_proof(proof->proof, proof->record, {other}).error().code, Code::kDenied);
  }
  EXPECT_EQ(prove_record(disk, "/j", 0).error().code, Code::kNotFound);
  EXPECT_EQ(prove_record(disk, "/j", 901).error().code, Code::kNotFound);
  lines.add(1);
  EXPECT_EQ(prove_record(disk, "/j", 901).error().code, Code::kUnavailable);
}

TEST_F(ProveTest, ARequestIsFoundByItsId) {
  EXPECT_EQ(*find_request(disk, "/j", "req_457"), std::vector<std::uint64_t>{457});
  EXPECT_EQ(find_request(disk, "/j", "req_none").error().code, Code::kNotFound);
}

TEST_F(ProveTest, CheckpointsAreProvedToExtendEachOther) {
  const auto proof = prove_extension(disk, "/j", 300, 600);
  ASSERT_TRUE(proof) << proof.error().what;
  EXPECT_TRUE(prove_extension(disk, "/j", 300, 900));
  EXPECT_EQ(prove_extension(disk, "/j", 300, 601).error().code, Code::kNotFound);
  EXPECT_EQ(prove_extension(disk, "/j", 600, 300).error().code, Code::kInvalid);
}

TEST_F(ProveTest, AnExportHasTilesAndBundles) {
  const auto done = export_log(disk, "/j", "/out", {});
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(done->bundles, 4u);
  EXPECT_EQ(disk.bytes("/out/checkpoint"), disk.bytes("/j/checkpoint"));
  TileReader tiles(disk, "/out", 900);
  EXPECT_EQ(*tree_root(tiles, 900), checkpoint_on(disk, "/out", key).root);
  const std::string bundle = disk.bytes("/out/tile/entries/003.p/132");
  const std::size_t size =
      static_cast<unsigned char>(bundle[0]) * 256u + static_cast<unsigned char>(bundle[1]);
  EXPECT_EQ(leaf_hash(bundle.substr(2, size)), *tiles.leaf(768));
  EXPECT_EQ(export_log(disk, "/j", "/out", {})->bundles, 1u) << "only the last one again";
}

TEST_F(ProveTest, RetentionKeepsWhatIsNeededAndProvable) {
  EXPECT_EQ(prune_before(200)->segments, 0u) << "the segment ends later";
  EXPECT_EQ(prune_before(700, 200)->segments, 0u) << "a receiver still needs it";
  const auto done = prune_before(700, 601);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_EQ(done->segments, 2u);
  EXPECT_EQ(done->min_index, 600u);
  EXPECT_EQ(*read_min_index(disk, "/j"), 600u);
  EXPECT_EQ(prove_record(disk, "/j", 600).error().code, Code::kNotFound);
  for (const std::uint64_t seq : {601ull, 900ull}) EXPECT_TRUE(prove_record(disk, "/j", seq));
  EXPECT_TRUE(prove_extension(disk, "/j", 300, 900)) << "also of what is gone";
  EXPECT_TRUE(lines.bytes().contains("audit_pruned"));
  EXPECT_EQ(prune_before(5'000)->segments, 0u) << "never the newest segment";

  const auto keeper = TreeKeeper::open(config, disk, clock);
  ASSERT_TRUE(keeper) << keeper.error().what;
  EXPECT_TRUE((*keeper)->step(lines, true));
  const auto report = verify(disk, "/j", {.last_signed = config.last_signed});
  for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
  EXPECT_EQ(report->first_seq, 601u);
  EXPECT_EQ(report->records, 301u);
}

TEST_F(ProveTest, OnePruneAtATime) {
  const UtcTime before(std::chrono::milliseconds(1'764'000'000'700));
  PruneRequest request{.journal = "/j",
                       .before = before,
                       .keep_from = {},
                       .sign = [this](std::uint64_t) { return sign(); },
                       .policy = "test",
                       .actor = "test",
                       .dry = false};
  const PruneRequest other = request;
  bool asked = false;
  request.keep_from = [&] {
    asked = true;
    EXPECT_EQ(prune(disk, lines, clock, other).error().code, Code::kUnavailable)
        << "what is needed is asked for when nobody else prunes";
    return UINT64_MAX;
  };
  request.sign = [&](std::uint64_t) {
    EXPECT_EQ(prune(disk, lines, clock, other).error().code, Code::kUnavailable);
    return sign();
  };
  EXPECT_EQ(prune(disk, lines, clock, request)->segments, 2u);
  EXPECT_TRUE(asked);
  EXPECT_EQ(prune(disk, lines, clock, other)->segments, 0u);
  const auto report = verify(disk, "/j", {.last_signed = config.last_signed});
  for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
}

TEST_F(ProveTest, NothingGoesBeforeTheRecordOfItIsSigned) {
  const auto done = prune(disk, lines, clock,
                          {.journal = "/j",
                           .before = UtcTime(std::chrono::milliseconds(1'764'000'000'700)),
                           .keep_from = {},
                           .sign = [](std::uint64_t) { return fail(Code::kUnavailable, "no"); },
                           .policy = "test",
                           .actor = "test",
                           .dry = false});
  EXPECT_FALSE(done);
  EXPECT_EQ(*read_min_index(disk, "/j"), 0u);
  ASSERT_TRUE(sign());
  const auto report = verify(disk, "/j", {.last_signed = config.last_signed});
  for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
  EXPECT_EQ(report->first_seq, 1u);
}

TEST_F(ProveTest, APrunedLogTakesNoNewName) {
  ASSERT_EQ(prune_before(700)->segments, 2u);
  config.origin = "log2.example.com";
  EXPECT_EQ(accept_state(disk, config, std::string(), record).error().code, Code::kDenied);
}

TEST_F(ProveTest, TilesOfAPrunedLogAreMadeAgain) {
  ASSERT_EQ(prune_before(700)->segments, 2u);
  const auto path = "/j/tile/0/003.p/133";  // with the record of the prune
  const std::string bytes = disk.bytes(path);
  ASSERT_TRUE(disk.remove(path));
  const auto keeper = TreeKeeper::open(config, disk, clock);
  ASSERT_TRUE(keeper) << keeper.error().what;
  EXPECT_EQ(disk.bytes(path), bytes);
}

TEST_F(ProveTest, AnOperatorMayAcceptWhatTheRecordsStillGive) {
  ASSERT_TRUE(disk.remove(*config.last_signed));
  ASSERT_FALSE(TreeKeeper::open(config, disk, clock));
  const auto accepted = accept_state(disk, config, std::nullopt, record);
  ASSERT_TRUE(accepted) << accepted.error().what;
  EXPECT_EQ(accepted->size, 900u);
  EXPECT_TRUE(TreeKeeper::open(config, disk, clock));
}

TEST_F(ProveTest, AnotherKeyIsAcceptedAndTold) {
  config.signing_seed = seed_for_test('n');
  ASSERT_FALSE(TreeKeeper::open(config, disk, clock));
  const auto accepted = accept_state(disk, config, std::nullopt, record);
  ASSERT_TRUE(accepted);
  const auto keeper = TreeKeeper::open(config, disk, clock);
  ASSERT_TRUE(keeper) << keeper.error().what;
  EXPECT_TRUE((*keeper)->step(lines, true));
  const auto report = verify(disk, "/j", {.last_signed = config.last_signed});
  for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
}

TEST_F(ProveTest, AForkIsAcceptedUnderANewNameOnly) {
  lines.go_back_to(700);
  ASSERT_FALSE(TreeKeeper::open(config, disk, clock));
  EXPECT_EQ(accept_state(disk, config, std::nullopt, record).error().code, Code::kDenied);
  EXPECT_EQ(accept_state(disk, config, config.origin, record).error().code, Code::kDenied);
  config.origin = "log2.example.com";
  const auto accepted = accept_state(disk, config, std::string(), record);
  ASSERT_TRUE(accepted) << accepted.error().what;
  EXPECT_EQ(accepted->origin, "log2.example.com");
}

}  // namespace
}  // namespace sallyport::audit
