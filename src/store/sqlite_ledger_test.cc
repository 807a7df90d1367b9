// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_ledger.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace sallyport::store {
namespace {

class SqliteLedgerTest : public testing::Test {
 protected:
  SqliteLedgerTest() {
    config_.path = testing::TempDir() + "sallyport_ledger_test.db";
    TearDown();
  }
  void TearDown() override {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(config_.path + end);
  }
  Config config_;
};

meter::AccountState account(const char* name, std::int64_t spent) {
  meter::AccountState state;
  state.account = name;
  for (std::size_t w = 0; w < meter::kWindows; ++w) {
    state.windows[w] = {.start_ms = static_cast<std::int64_t>(w) * 1000,
                        .settled = {spent, spent + 1, INT64_MAX},
                        .alerted = {7, 0, 0x8F}};
  }
  return state;
}

TEST_F(SqliteLedgerTest, WhatIsSavedIsLoadedAndTheLastSaveCounts) {
  auto store = SqliteLedger::open(config_);
  ASSERT_TRUE(store) << store.error().what;
  const auto empty = (*store)->load();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->seq, 0u);
  EXPECT_TRUE(empty->accounts.empty());

  meter::LedgerState state;
  state.seq = 17;
  state.latest_ms = 1'795'000'000'000;
  state.accounts = {account("key:a", 10), account("token:t", 20)};
  state.accounts[1].expires_ms = 5;
  state.open = {
      {"req_1", 3, {.nano_usd = 1, .tokens = 2, .requests = 1}, {"key:a", "project:x/y"}}};
  state.closed = {"req_2", "req_3"};
  ASSERT_TRUE((*store)->save(state));

  meter::LedgerState next;
  next.seq = 18;
  next.accounts = {account("key:a", 11)};
  next.forgotten = {"token:t"};
  next.open = {{"req_4", 4, {}, {"key:a"}}};
  store = SqliteLedger::open(config_);  // another process
  ASSERT_TRUE(store);
  const auto first = (*store)->load();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->seq, 17u);
  EXPECT_EQ(first->latest_ms, state.latest_ms);
  ASSERT_EQ(first->accounts.size(), 2u);
  EXPECT_EQ(first->accounts[0].windows, state.accounts[0].windows);
  EXPECT_EQ(first->accounts[1].expires_ms, 5);
  ASSERT_EQ(first->open.size(), 1u);
  EXPECT_EQ(first->open[0].accounts, state.open[0].accounts);
  EXPECT_EQ(first->open[0].held, state.open[0].held);
  EXPECT_EQ(first->closed.size(), 2u);

  ASSERT_TRUE((*store)->save(next));
  const auto second = (*store)->load();
  ASSERT_TRUE(second);
  ASSERT_EQ(second->accounts.size(), 1u);
  EXPECT_EQ(second->accounts[0].windows[0].settled[0], 11);
  ASSERT_EQ(second->open.size(), 1u);
  EXPECT_EQ(second->open[0].request_id, "req_4");
  EXPECT_TRUE(second->closed.empty());
}

}  // namespace
}  // namespace sallyport::store
