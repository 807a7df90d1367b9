// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_subject_keys.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sallyport::store {
namespace {

using vault::StoredSecret;

class SqliteSubjectKeysTest : public ::testing::Test {
 protected:
  SqliteSubjectKeysTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    config_.path = (folder_ / "sallyport.db").string();
  }
  ~SqliteSubjectKeysTest() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<SqliteSubjectKeys> open() { return SqliteSubjectKeys::open(config_).value(); }

  bool on_disk(const std::string& text) const {
    for (const auto& file : std::filesystem::directory_iterator(folder_)) {
      std::ifstream in(file.path(), std::ios::binary);
      std::stringstream bytes;
      bytes << in.rdbuf();
      if (bytes.str().contains(text)) return true;
    }
    return false;
  }

  std::filesystem::path folder_;
  Config config_;
};

StoredSecret secret(const std::string& owner, char letter) {
  return {owner, std::string(16, letter), std::string("wrapped-") + std::string(40, letter)};
}

TEST_F(SqliteSubjectKeysTest, TheFirstOneStays) {
  auto store = open();
  EXPECT_EQ(store->put_new(secret("subject:a", 'x'))->id, std::string(16, 'x'));
  EXPECT_EQ(open()->put_new(secret("subject:a", 'y'))->id, std::string(16, 'x'))
      << "another process was first";
  EXPECT_EQ((*store->of_owner("subject:a"))->wrapped, "wrapped-" + std::string(40, 'x'));
  EXPECT_EQ((*store->of_id(std::string(16, 'x')))->owner, "subject:a");
  EXPECT_FALSE(store->of_owner("subject:b")->has_value());
  EXPECT_FALSE(store->of_id(std::string(16, 'y'))->has_value());
}

TEST_F(SqliteSubjectKeysTest, WhatIsForgottenLeavesNoTrace) {
  auto store = open();
  const auto other = open();  // a second connection, as the gate has several
  ASSERT_TRUE(store->put_new(secret("subject:a", 'x')));
  ASSERT_TRUE(store->put_new(secret("subject:b", 'y')));
  ASSERT_TRUE(on_disk(std::string(40, 'x')));
  ASSERT_TRUE(other->of_owner("subject:a"));
  EXPECT_EQ(store->forget("subject:a").value(), 1u);
  EXPECT_EQ(store->forget("subject:a").value(), 0u);
  ASSERT_TRUE(store->wipe_traces());
  EXPECT_FALSE(on_disk(std::string(40, 'x'))) << "neither in free pages nor in the WAL";
  EXPECT_TRUE(on_disk(std::string(40, 'y')));
}

TEST_F(SqliteSubjectKeysTest, DaysGoUpToOne) {
  auto store = open();
  ASSERT_TRUE(store->put_new(secret("day:20261123", 'a')));
  ASSERT_TRUE(store->put_new(secret("day:20261124", 'b')));
  ASSERT_TRUE(store->put_new(secret("day:20261125", 'c')));
  ASSERT_TRUE(store->put_new(secret("subject:day:20200101", 'd')));
  EXPECT_EQ(store->oldest_day().value(), "20261123");
  EXPECT_EQ(store->forget_days_before("20261125").value(), 2u);
  EXPECT_EQ(store->oldest_day().value(), "20261125");
  EXPECT_TRUE(store->of_owner("day:20261125")->has_value());
  EXPECT_TRUE(store->of_owner("subject:day:20200101")->has_value());
}

}  // namespace
}  // namespace sallyport::store
