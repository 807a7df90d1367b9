// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_keys.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "keys/key_ring.h"
#include "store/sqlite.h"
#include "store/sqlite_settings.h"

namespace sallyport::store {
namespace {

using namespace std::chrono_literals;
using keys::KeyRow;
using keys::KeyState;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

// A database in a folder of its own, gone afterwards.
class SqliteKeysTest : public ::testing::Test {
 protected:
  SqliteKeysTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    config_.path = (folder_ / "sallyport.db").string();
  }
  ~SqliteKeysTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SqliteKeys> open() { return SqliteKeys::open(config_).value(); }

  // What a person with the sqlite3 shell does; the answer is SQLite's complaint, empty if it went
  // well.
  std::string shell(const std::string& sql) {
    sqlite3* database = nullptr;
    sqlite3_open(config_.path.c_str(), &database);
    char* error = nullptr;
    sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
    std::string said = error == nullptr ? "" : error;
    sqlite3_free(error);
    sqlite3_close(database);
    return said;
  }

  std::filesystem::path folder_;
  Config config_;
};

KeyRow row(std::string kid, std::string name) {
  KeyRow made;
  made.info.kid = std::move(kid);
  made.info.name = std::move(name);
  made.info.created_at = kStart;
  made.info.created_by = "admin";
  made.info.expires_at = kStart + 8h;
  made.mac.fill(7);
  made.mac[3] = 0;  // a blob, not a text
  made.pepper_id = "deadbeef";
  return made;
}

TEST_F(SqliteKeysTest, ARowComesBackAsItWasWritten) {
  KeyRow full = row("kid000000001", "user_42");
  full.info.owner = "team \"blue\" \xc3\xa9";
  full.info.not_before = kStart + 1s;
  full.info.restrictions.endpoints = {"POST /v1/responses", "GET /v1/models*"};
  full.info.restrictions.models = {"gpt-5*"};
  full.info.scope.modules = {"search", "chat"};
  full.info.scope.purposes = {"support"};
  full.info.scope.module = "search";
  full.info.scope.purpose = "support";
  full.info.scope.upstream = "azure";
  full.info.scope.may_name_organization = true;
  full.info.layer = "acme/support";
  full.info.restrictions.read_only = true;
  full.info.restrictions.limits.requests_per_minute = 60;
  ASSERT_EQ(open()->insert(full, kStart).value(), 1u);
  ASSERT_EQ(open()->insert(row("kid000000002", "plain"), kStart).value(), 2u);

  const std::vector<KeyRow> rows = open()->load(0).value();  // another connection: it was durable
  ASSERT_EQ(rows.size(), 2u);
  const keys::KeyInfo& key = rows[0].info;
  EXPECT_EQ(key.kid, full.info.kid);
  EXPECT_EQ(key.name, full.info.name);
  EXPECT_EQ(key.owner, full.info.owner);
  EXPECT_EQ(key.state, KeyState::kActive);
  EXPECT_EQ(key.version, 1u);
  EXPECT_EQ(key.created_at, kStart);
  EXPECT_EQ(key.created_by, "admin");
  EXPECT_EQ(key.not_before, full.info.not_before);
  EXPECT_EQ(key.expires_at, full.info.expires_at);
  EXPECT_EQ(key.restrictions.endpoints, full.info.restrictions.endpoints);
  EXPECT_EQ(key.restrictions.models, full.info.restrictions.models);
  EXPECT_EQ(key.scope.modules, full.info.scope.modules);
  EXPECT_EQ(key.scope.purposes, full.info.scope.purposes);
  EXPECT_EQ(key.scope.module, "search");
  EXPECT_EQ(key.scope.purpose, "support");
  EXPECT_EQ(key.scope.upstream, "azure");
  EXPECT_TRUE(key.scope.may_name_organization);
  EXPECT_EQ(key.layer, "acme/support");
  EXPECT_EQ(key.restrictions, full.info.restrictions);
  EXPECT_FALSE(rows[0].damaged);
  EXPECT_EQ(rows[0].mac, full.mac);
  EXPECT_EQ(rows[0].pepper_id, "deadbeef");

  const keys::KeyInfo& plain = rows[1].info;
  EXPECT_FALSE(plain.not_before);
  EXPECT_FALSE(plain.revoked_at);
  EXPECT_FALSE(plain.revoked_by);
  EXPECT_FALSE(plain.scope.upstream);
  EXPECT_TRUE(plain.restrictions.endpoints.empty())
      << "no list is no list, not a list of one empty word";
  EXPECT_FALSE(plain.scope.may_name_organization);
}

TEST_F(SqliteKeysTest, AnotherConnectionHearsOfEachChangeAndReadsOnlyWhatIsNew) {
  const auto server = open();
  const auto cli = open();
  const keys::KeyStore::Mark before = server->mark().value();
  ASSERT_TRUE(cli->insert(row("kid000000001", "a"), kStart));
  const keys::KeyStore::Mark after = server->mark().value();
  EXPECT_NE(before, after);
  EXPECT_EQ(server->mark().value(), after) << "no change, no news";
  EXPECT_EQ(server->load(0)->size(), 1u);
  EXPECT_EQ(server->load(1)->size(), 0u);

  ASSERT_TRUE(cli->revoke({"kid000000001", kStart + 1h, "alice", "stolen"}));
  EXPECT_NE(server->mark().value(), after);
  const std::vector<KeyRow> news = server->load(1).value();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].info.state, KeyState::kRevoked);
  EXPECT_EQ(news[0].info.version, 2u);
  EXPECT_EQ(news[0].info.revoked_at, kStart + 1h);
  EXPECT_EQ(news[0].info.revoked_by, "alice");
  EXPECT_EQ(news[0].info.revoked_why, "stolen");
}

// POSIX drops all locks of a process on a file as soon as it closes any descriptor of it. Without
// its locks another process, a doctor or a backup, takes itself for the last one and deletes the
// write-ahead log under us, with every key that was made since.
TEST_F(SqliteKeysTest, AFurtherConnectionDoesNotCostUsOurLocks) {
  const auto first = open();
  const auto second = open();
  const pid_t child = ::fork();
  if (child == 0) {  // locks are seen from another process only
    const int file = ::open(config_.path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock wanted{};
    wanted.l_type = F_WRLCK;
    wanted.l_whence = SEEK_SET;
    wanted.l_start = 0x40000000;  // SQLite's lock bytes
    wanted.l_len = 512;
    const bool asked = ::fcntl(file, F_GETLK, &wanted) == 0;
    ::_exit(asked && wanted.l_type != F_UNLCK ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the database is not locked by us any more";
}

TEST_F(SqliteKeysTest, ANameLivesOnceAndAKidOnce) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  EXPECT_EQ(store->insert(row("kid000000002", "a"), kStart).error().code, Code::kDenied);
  EXPECT_EQ(store->insert(row("kid000000001", "b"), kStart).error().code, Code::kInvalid);
  KeyRow later = row("kid000000003", "a");
  EXPECT_TRUE(store->insert(later, kStart + 8h)) << "the first one has expired";
  EXPECT_EQ(store->load(0)->size(), 2u) << "what was refused left nothing behind";
}

TEST_F(SqliteKeysTest, RevokingTwiceKeepsTheFirstRecordAndAnUnknownKidIsNotFound) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  ASSERT_TRUE(store->revoke({"kid000000001", kStart, "alice", "stolen"}));
  const KeyRow again = store->revoke({"kid000000001", kStart + 1h, "bob", ""}).value();
  EXPECT_EQ(again.info.revoked_by, "alice");
  EXPECT_EQ(again.info.version, 2u);
  EXPECT_EQ(store->revoke({"nobody000000", kStart, "bob", ""}).error().code, Code::kNotFound);
}

TEST_F(SqliteKeysTest, TheDatabaseKeepsItsLawsWhoeverWrites) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  ASSERT_TRUE(store->insert(row("kid000000002", "b"), kStart));
  ASSERT_TRUE(store->revoke({"kid000000001", kStart, "alice", ""}));

  EXPECT_NE(shell("UPDATE keys SET state = 'active' WHERE kid = 'kid000000001'"), "") << "revival";
  EXPECT_NE(shell("DELETE FROM keys WHERE kid = 'kid000000001'"), "") << "a lost tombstone";
  EXPECT_NE(shell("UPDATE keys SET mac = zeroblob(32) WHERE kid = 'kid000000002'"), "")
      << "another key";
  EXPECT_NE(shell("UPDATE keys SET state = 'fine' WHERE kid = 'kid000000002'"), "")
      << "no such state";
  EXPECT_NE(shell("UPDATE keys SET version = 0 WHERE kid = 'kid000000002'"), "")
      << "a version goes up";

  const keys::KeyStore::Mark mark = store->mark().value();
  EXPECT_EQ(shell("UPDATE keys SET state = 'revoked' WHERE name = 'b'"), "");
  EXPECT_NE(store->mark().value(), mark);
  const std::vector<KeyRow> news = store->load(3).value();
  ASSERT_EQ(news.size(), 1u) << "a change by hand has a new version, too";
  EXPECT_EQ(news[0].info.state, KeyState::kRevoked);
}

keys::LayerInfo layer(std::string path) {
  keys::LayerInfo made;
  made.path = std::move(path);
  made.owner = "team";
  made.created_at = kStart;
  made.created_by = "admin";
  return made;
}

TEST_F(SqliteKeysTest, LayersComeBackAsTheyWereWrittenAndShareTheCountOfVersions) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  keys::LayerInfo acme = layer("acme"), support = layer("acme/support");
  acme.expires_at = kStart + 1h;
  acme.restrictions = parse_restrictions(R"({"models":["gpt-5*"],"rpm":5})").value();
  const std::vector<keys::LayerInfo> both = {acme, support};
  ASSERT_EQ(store->put_layers(both)->size(), 2u);
  const std::vector<keys::LayerRow> rows = open()->load_layers(0).value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].info.version, 2u) << "after the key";
  EXPECT_EQ(rows[0].info.path, "acme");
  EXPECT_EQ(rows[0].info.owner, "team");
  EXPECT_EQ(rows[0].info.created_by, "admin");
  EXPECT_EQ(rows[0].info.expires_at, kStart + 1h);
  EXPECT_EQ(rows[0].info.restrictions, acme.restrictions);
  EXPECT_FALSE(rows[0].info.revoked);
  EXPECT_FALSE(rows[0].info.issued_before);
  EXPECT_TRUE(store->load_layers(3)->empty());

  acme.expires_at.reset();
  acme.owner = "other";
  acme.created_by = "somebody";
  const keys::LayerInfo changed = store->put_layers({&acme, 1})->at(0).info;
  EXPECT_EQ(changed.owner, "other");
  EXPECT_EQ(changed.created_by, "admin") << "who made it stays";
  EXPECT_FALSE(changed.expires_at);
  EXPECT_GT(changed.version, 3u);
}

TEST_F(SqliteKeysTest, LayersArePutAllOrNothing) {
  const auto store = open();
  std::vector<keys::LayerInfo> some = {layer("acme"), layer("globex/x")};
  EXPECT_EQ(store->put_layers(some).error().code, Code::kNotFound);
  EXPECT_TRUE(store->load_layers(0)->empty());
  some = {layer("acme"), layer("acme/x")};
  ASSERT_TRUE(store->put_layers(some));
  ASSERT_TRUE(store->end_layer(
      {.path = "acme", .revocation = {{"", kStart, "alice", "leak"}}, .issued_before = {}}));
  EXPECT_EQ(store->put_layers({&some[0], 1}).error().code, Code::kDenied);
  EXPECT_EQ(store->put_layers({&some[1], 1}).error().code, Code::kDenied) << "its parent";
  EXPECT_EQ(store->load_layers(0)->size(), 2u);
}

TEST_F(SqliteKeysTest, TheEndOfALayerIsFinalWhoeverWrites) {
  const auto store = open();
  const std::vector<keys::LayerInfo> some = {layer("acme"), layer("globex")};
  ASSERT_TRUE(store->put_layers(some));
  ASSERT_TRUE(store->end_layer(
      {.path = "acme", .revocation = {{"", kStart, "alice", "leak"}}, .issued_before = kStart}));
  const keys::LayerInfo again = store
                                    ->end_layer({.path = "acme",
                                                 .revocation = {{"", kStart + 1h, "bob", ""}},
                                                 .issued_before = kStart - 1h})
                                    ->info;
  EXPECT_EQ(again.revoked_by, "alice");
  EXPECT_EQ(again.issued_before, kStart);
  EXPECT_EQ(store->end_layer({.path = "x", .revocation = {}, .issued_before = kStart}).error().code,
            Code::kNotFound);
  EXPECT_NE(shell("UPDATE layers SET revoked = 0"), "") << "revival";
  EXPECT_NE(shell("UPDATE layers SET issued_before = NULL WHERE path = 'acme'"), "");
  EXPECT_NE(shell("UPDATE layers SET issued_before = issued_before - 1"), "");
  EXPECT_NE(shell("UPDATE layers SET path = 'b' WHERE path = 'acme'"), "");
  EXPECT_NE(shell("DELETE FROM layers"), "");
  EXPECT_NE(shell("UPDATE layers SET revoked = 2 WHERE path = 'globex'"), "");
  EXPECT_EQ(shell("UPDATE layers SET restrictions = '{' WHERE path = 'globex'"), "");
  for (const keys::LayerRow& found : store->load_layers(0).value()) {
    EXPECT_EQ(found.damaged, found.info.path == "globex") << "what cannot be read opens nothing";
  }
}

TEST_F(SqliteKeysTest, AMacChangesOnlyWithItsPepperAndLastUseMakesNoNewVersion) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  keys::Mac mac;
  mac.fill(9);
  const std::vector<keys::Remac> stale = {{"kid000000001", "other", mac, "cafe"}};
  ASSERT_TRUE(store->remac(stale));
  EXPECT_EQ(store->load(0)->at(0).pepper_id, "deadbeef") << "not the row that was checked";
  const std::vector<keys::Remac> right = {{"kid000000001", "deadbeef", mac, "cafe"}};
  ASSERT_TRUE(store->remac(right));
  const KeyRow renewed = store->load(0)->at(0);
  EXPECT_EQ(renewed.pepper_id, "cafe");
  EXPECT_EQ(renewed.mac, mac);
  EXPECT_EQ(renewed.info.version, 2u);
  EXPECT_NE(shell("UPDATE keys SET layer = 'x'"), "") << "a key does not move to another layer";

  const std::vector<keys::KeyUse> uses = {{"kid000000001", kStart + 1h}},
                                  late = {{"kid000000001", kStart}};
  ASSERT_TRUE(store->note_used(uses));
  ASSERT_TRUE(store->note_used(late));
  EXPECT_EQ(store->load(0)->at(0).info.last_used_at, kStart + 1h);
  EXPECT_TRUE(store->load(2)->empty());
}

TEST_F(SqliteKeysTest, RowsFromBeforeThereWereLayersKeepTheirScope) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  ASSERT_EQ(shell("UPDATE keys SET restrictions = '', models = 'gpt-5*' || char(10), "
                  "endpoints = char(10)"),
            "");
  const KeyRow old = store->load(0)->at(0);
  EXPECT_EQ(old.info.restrictions.models, std::vector<std::string>{"gpt-5*"});
  EXPECT_EQ(old.info.restrictions.endpoints, std::vector<std::string>{""})
      << "a damaged word matches nothing";
  ASSERT_EQ(shell("UPDATE keys SET restrictions = 'nonsense'"), "");
  EXPECT_TRUE(store->load(0)->at(0).damaged);
}

TEST_F(SqliteKeysTest, ALockedDatabaseIsUnavailableForWritersAndReadersGoOn) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(config_.path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);

  EXPECT_EQ(store->insert(row("kid000000002", "b"), kStart).error().code, Code::kUnavailable);
  EXPECT_TRUE(store->mark());
  EXPECT_EQ(store->load(0)->size(), 1u);
  EXPECT_TRUE(SqliteKeys::open(config_)) << "opening an up-to-date database takes no write lock";

  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_TRUE(store->insert(row("kid000000002", "b"), kStart)) << "recovers without a restart";
}

TEST_F(SqliteKeysTest, APauseAndAMappingComeBackAsTheyWereWritten) {
  KeyRow exchanged = row("kid000000001", "ci-web");
  exchanged.info.mapping = "ci";
  ASSERT_TRUE(open()->insert(exchanged, kStart));
  const keys::Blocking on{"kid000000001", true, kStart + 1s, "alice", "looks odd"};
  const keys::Blocking again{"kid000000001", true, kStart + 2s, "bob", ""};
  const keys::Blocking off{"kid000000001", false, kStart + 3s, "bob", ""};
  const keys::Blocking unknown{"kid000000009", true, kStart, "bob", ""};
  ASSERT_EQ(open()->block({{on, unknown}})->size(), 1u) << "one that is not there is left out";
  const std::uint64_t version = open()->load(0)->at(0).info.version;
  EXPECT_EQ(version, 2u) << "other processes hear of it";
  EXPECT_EQ(open()->block({{again}})->at(0).info.version, version) << "the first time counts";
  const keys::KeyInfo held = open()->load(0)->at(0).info;
  EXPECT_EQ(held.blocked_at, kStart + 1s);
  EXPECT_EQ(held.blocked_by, "alice");
  EXPECT_EQ(held.blocked_why, "looks odd");
  EXPECT_EQ(held.mapping, "ci");
  EXPECT_EQ(held.state, KeyState::kActive);
  KeyRow beside = row("kid000000002", "ci-web");
  beside.beside_own = true;
  EXPECT_EQ(open()->insert(beside, kStart).error().code, Code::kDenied) << "the name is closed";
  EXPECT_FALSE(open()->block({{off}})->at(0).info.blocked_at);
  EXPECT_FALSE(open()->load(0)->at(0).info.blocked_by);
  EXPECT_TRUE(open()->insert(beside, kStart));
  EXPECT_NE(shell("UPDATE keys SET mapping = 'other'"), "") << "a key does not change its mapping";
  EXPECT_NE(shell("UPDATE keys SET name = 'other'"), "") << "nor its name";
}

TEST_F(SqliteKeysTest, AChangeIsWrittenWholeOrNotAtAll) {
  const auto store = open();
  for (const char* kid : {"kid000000001", "kid000000002", "kid000000003"}) {
    ASSERT_TRUE(store->insert(row(kid, std::string("name") + kid[11]), kStart));
  }
  std::vector<keys::KeyInfo> keys;
  for (const KeyRow& held : *store->load(0)) keys.push_back(held.info);
  ASSERT_TRUE(store->revoke({"kid000000003", kStart, "admin", ""}));
  for (keys::KeyInfo& key : keys) {
    key.owner = "team green";
    key.expires_at = kStart + 1h;
    key.not_before = kStart + 1s;
    key.scope.purposes = {"support"};
    key.scope.upstream = "azure";
    key.restrictions.limits.requests_per_minute = 7;
  }
  const auto owners = [&] {
    std::string all;
    for (const KeyRow& held : *open()->load(0)) all += held.info.owner + ";";
    return all;
  };
  EXPECT_EQ(store->update({{keys[0], keys[2]}}).error().code, Code::kDenied) << "one is revoked";
  EXPECT_EQ(owners(), ";;;");
  keys[1].version += 1;
  EXPECT_EQ(store->update({{keys[0], keys[1]}}).error().code, Code::kExhausted)
      << "one was changed by somebody else";
  EXPECT_EQ(owners(), ";;;");
  keys::KeyInfo nobody = keys[0];
  nobody.kid = "kid000000009";
  EXPECT_EQ(store->update({{keys[0], nobody}}).error().code, Code::kNotFound);
  EXPECT_EQ(owners(), ";;;");

  keys[1].version -= 1;
  const auto rows = store->update({{keys[0], keys[1]}});
  ASSERT_TRUE(rows) << rows.error().what;
  EXPECT_EQ(rows->at(1).info.version, 6u);
  const keys::KeyInfo held = open()->load(4)->at(0).info;
  EXPECT_EQ(held.owner, "team green");
  EXPECT_EQ(held.expires_at, kStart + 1h);
  EXPECT_EQ(held.not_before, kStart + 1s);
  EXPECT_EQ(held.scope, keys[0].scope);
  EXPECT_EQ(held.restrictions, keys[0].restrictions);
  EXPECT_EQ(held.name, "name1");
}

TEST_F(SqliteKeysTest, ManyAreRevokedAtOnceOrNone) {
  const auto store = open();
  std::vector<keys::Revocation> all;
  for (const char* kid : {"kid000000001", "kid000000002", "kid000000009"}) {
    if (kid[11] != '9') ASSERT_TRUE(store->insert(row(kid, std::string("n") + kid[11]), kStart));
    all.push_back({kid, kStart, "admin", "the issuer"});
  }
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(config_.path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(store->revoke_all(all).error().code, Code::kUnavailable) << "a busy store";
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_EQ(store->load(0)->at(0).info.state, KeyState::kActive);
  EXPECT_EQ(store->revoke_all(all)->size(), 2u) << "one that is not there is left out";
  for (const KeyRow& held : *open()->load(0)) EXPECT_EQ(held.info.state, KeyState::kRevoked);
}

TEST_F(SqliteKeysTest, ALostFileIsUnavailableAndAReplacedOneIsANewGeneration) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  const keys::KeyStore::Mark mark = store->mark().value();
  const auto elsewhere = folder_ / "moved";
  std::filesystem::rename(folder_ / "sallyport.db", elsewhere);
  std::filesystem::remove(folder_ / "sallyport.db-wal");
  std::filesystem::remove(folder_ / "sallyport.db-shm");

  EXPECT_EQ(store->mark().error().code, Code::kUnavailable);
  EXPECT_EQ(store->insert(row("kid000000002", "b"), kStart).error().code, Code::kUnavailable);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "sallyport.db")) << "none is made in its place";

  std::filesystem::copy_file(elsewhere, folder_ / "sallyport.db");
  const keys::KeyStore::Mark now = store->mark().value();
  EXPECT_NE(now.generation, mark.generation);
}

TEST_F(SqliteKeysTest, WhatCannotBeOpenedSaysWhy) {
  Config nowhere;
  nowhere.path = (folder_ / "no" / "such" / "folder.db").string();
  EXPECT_EQ(SqliteKeys::open(nowhere).error().code, Code::kUnavailable);

  Config garbage;
  garbage.path = (folder_ / "garbage.db").string();
  std::ofstream(garbage.path) << std::string(8192, 'x');
  EXPECT_EQ(SqliteKeys::open(garbage).error().code, Code::kCorrupt);

  open();
  ASSERT_EQ(shell("INSERT INTO schema_migrations VALUES (999, '2030-01-01T00:00:00Z')"), "");
  EXPECT_EQ(SqliteKeys::open(config_).error().code, Code::kInvalid) << "made by a newer version";
}

TEST_F(SqliteKeysTest, TheFilesAreForTheirOwnerOnly) {
  const auto store = open();
  ASSERT_TRUE(store->insert(row("kid000000001", "a"), kStart));
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    struct stat found{};
    ASSERT_EQ(::stat(file.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u) << file.path();
    ++files;
  }
  EXPECT_GE(files, 2) << "the database and its log";
}

TEST_F(SqliteKeysTest, TwoProcessesMayStartAtOnceOnNothing) {
  std::vector<Result<std::unique_ptr<SqliteKeys>>> opened(4);
  {
    std::vector<std::jthread> starters;
    for (auto& slot : opened) starters.emplace_back([&] { slot = SqliteKeys::open(config_); });
  }
  for (const auto& slot : opened) EXPECT_TRUE(slot) << slot.error().what;
}

// Invariant 5, over the real store: what the command line revokes, the server hears with its next
// poll.
TEST_F(SqliteKeysTest, Invariant5ARevocationByTheCommandLineReachesTheServer) {
  ManualClock clock{kStart};
  keys::Config config;
  config.pepper = Secret(std::string(32, 'p'));
  const auto server_store = open();
  const auto cli_store = open();
  const auto server = keys::KeyRing::open(config, *server_store, clock).value();
  const auto cli = keys::KeyRing::open(config, *cli_store, clock).value();
  const auto check = [&](const Secret& key) {
    return keys::KeyRing::Reader::make(*server)->check(key.reveal(), {.now = clock.now()}).fault;
  };

  const keys::KeySpec spec{.name = "a",
                           .owner = "",
                           .life = {},
                           .not_before = {},
                           .scope = {},
                           .layer = {},
                           .restrictions = {}};
  const keys::CreatedKey key = cli->create(spec, "cli").value();
  EXPECT_TRUE(server->refresh_if_changed().value());
  EXPECT_EQ(check(key.text), keys::KeyFault::kNone);
  ASSERT_TRUE(cli->revoke("a", "cli"));
  EXPECT_TRUE(server->refresh_if_changed().value());
  EXPECT_EQ(check(key.text), keys::KeyFault::kRevoked);
  EXPECT_EQ(server->create(spec, "admin")->info.name, "a") << "the name is free again";
}

// Invariant 3 at rest: the files hold nothing from which a key could be used.
TEST_F(SqliteKeysTest, Invariant3NoKeyIsInTheFiles) {
  ManualClock clock{kStart};
  keys::Config config;
  config.pepper = Secret(std::string(32, 'p'));
  const auto store = open();
  const auto ring = keys::KeyRing::open(config, *store, clock).value();
  const keys::CreatedKey key = ring->create({.name = "a",
                                             .owner = "",
                                             .life = {},
                                             .not_before = {},
                                             .scope = {},
                                             .layer = {},
                                             .restrictions = {}},
                                            "x")
                                   .value();
  const std::string secret(key.text.reveal().substr(20, 32));
  bool kid_seen = false;
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(bytes.find(secret), std::string::npos) << file.path();
    kid_seen |= bytes.contains(key.info.kid);
  }
  EXPECT_TRUE(kid_seen) << "the search looks at the right files";
}

TEST_F(SqliteKeysTest, ASettingIsReplacedOnlyAsItWasRead) {
  const auto settings = SqliteSettings::open(config_).value();
  EXPECT_FALSE(*settings->replace("tokens", "nothing yet", "a"));
  EXPECT_TRUE(*settings->replace("tokens", std::nullopt, "a"));
  EXPECT_FALSE(*settings->replace("tokens", std::nullopt, "b"));
  EXPECT_FALSE(*settings->replace("tokens", "b", "c"));
  EXPECT_TRUE(*settings->replace("tokens", "a", "b"));
  EXPECT_EQ(*settings->get("tokens"), "b");
}

TEST_F(SqliteKeysTest, SettingsAreKeptAndTheFirstToSetOneDecides) {
  const auto settings = SqliteSettings::open(config_).value();
  EXPECT_EQ(settings->get("admin_token").value(), std::nullopt);
  EXPECT_TRUE(settings->put_new("admin_token", "one").value());
  const auto other = SqliteSettings::open(config_).value();
  EXPECT_FALSE(other->put_new("admin_token", "two").value());
  EXPECT_EQ(other->get("admin_token").value(), "one");
  ASSERT_TRUE(other->put("admin_token", ""));
  EXPECT_EQ(settings->get("admin_token").value(), "") << "empty is not absent";
}

}  // namespace
}  // namespace sallyport::store
