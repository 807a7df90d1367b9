// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_leases.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace sallyport::store {
namespace {

using provider::LeaseRow;
using provider::LeaseState;

const UtcTime kNow{std::chrono::milliseconds(1'790'000'000'000)};

class SqliteLeasesTest : public ::testing::Test {
 protected:
  SqliteLeasesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    config_.path = (folder_ / "sallyport.db").string();
  }
  ~SqliteLeasesTest() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<SqliteLeases> open() { return SqliteLeases::open(config_).value(); }

  std::filesystem::path folder_;
  Config config_;
};

TEST_F(SqliteLeasesTest, ARowOutlivesTheProcess) {
  LeaseRow row = open()->begin("openai", "proj_1", "a", kNow).value();
  EXPECT_EQ(row.name, "sallyport-a-1");
  row.state = LeaseState::kRetiring;
  row.upstream = "renamed";
  row.account_id = "svc_acct_1";
  row.key_id = "key_1";
  ASSERT_TRUE(open()->put({row}));
  const auto rows = open()->list().value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, row.name);
  EXPECT_EQ(rows[0].upstream, "renamed");
  EXPECT_EQ(rows[0].project, "proj_1");
  EXPECT_EQ(rows[0].generation, 1u);
  EXPECT_EQ(rows[0].state, LeaseState::kRetiring);
  EXPECT_EQ(rows[0].account_id, "svc_acct_1");
  EXPECT_EQ(rows[0].key_id, "key_1");
  EXPECT_EQ(rows[0].since, kNow);
}

TEST_F(SqliteLeasesTest, AGenerationIsNeverUsedTwice) {
  for (const char* name : {"sallyport-a-1", "sallyport-a-2", "sallyport-a-3"}) {
    auto store = open();
    const LeaseRow row = store->begin("openai", "proj_1", "a", kNow).value();
    EXPECT_EQ(row.name, name);
    ASSERT_TRUE(store->remove(row.name));
    EXPECT_TRUE(store->list().value().empty());
  }
}

TEST_F(SqliteLeasesTest, RowsAreWrittenAllOrNone) {
  auto store = open();
  LeaseRow good = store->begin("openai", "proj_1", "a", kNow).value();
  good.state = LeaseState::kActive;
  LeaseRow bad = good;
  bad.name = "sallyport-a-9";
  bad.state = static_cast<LeaseState>(7);  // "unknown": the schema refuses it
  EXPECT_FALSE(store->put({good, bad}));
  EXPECT_EQ(open()->list().value().at(0).state, LeaseState::kCreating);
}

}  // namespace
}  // namespace sallyport::store
