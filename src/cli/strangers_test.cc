// SPDX-License-Identifier: Apache-2.0
// What strangers may set in motion, on a real store that somebody else holds locked.
#include "cli/strangers.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "store/sqlite_keys.h"

namespace sallyport::cli {
namespace {

namespace fs = std::filesystem;

class Journal final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    const std::lock_guard lock(mutex_);
    actions_.push_back(event.action.value_or(""));
    if (done) done(static_cast<std::uint64_t>(actions_.size()));
  }
  bool accepting() const override { return true; }

 private:
  std::mutex mutex_;
  std::vector<std::string> actions_;
};

class StrangersTest : public testing::Test {
 protected:
  StrangersTest() {
    std::string name = (fs::temp_directory_path() / "strangers_XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    config_.store.path = directory_ + "/sallyport.db";
    config_.keys.pepper = Secret("a pepper of thirty-two bytes here");
    config_.keys.derive_key = Secret("a wrapping key of 32 bytes, as it is");
    start();
  }
  ~StrangersTest() override {
    stop();
    ::sqlite3_close(other_);
    fs::remove_all(directory_);
  }
  void start() {
    store_ = std::move(*store::SqliteKeys::open(config_.store));
    auto ring = keys::KeyRing::open(config_.keys, *store_, clock_);
    ASSERT_TRUE(ring) << ring.error().what;
    ring_ = std::move(*ring);
    auto made = Strangers::make(config_, {.ring = *ring_,
                                          .recorder = journal_,
                                          .resolver = resolver_,
                                          .verify = threads_,
                                          .mint = threads_,
                                          .urgent = threads_,
                                          .clock = clock_});
    ASSERT_TRUE(made) << made.error().what;
    strangers_ = std::move(*made);
  }
  void stop() {
    strangers_.reset();
    ring_.reset();
    store_.reset();
  }
  void run(const char* sql) {
    if (other_ == nullptr)
      ASSERT_EQ(::sqlite3_open(config_.store.path.c_str(), &other_), SQLITE_OK);
    ASSERT_EQ(::sqlite3_exec(other_, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  }
  keys::KeyFault check(std::string_view secret) {
    auto reader = keys::KeyRing::Reader::make(*ring_);
    keys::Presented shown;
    shown.now = clock_.now();
    return reader->check(secret, shown).fault;
  }
  Result<keys::LeakVerdict> report(std::string_view secret) {
    return strangers_->report(secret, "content", "https://git.example/x", "192.0.2.7");
  }

  std::string directory_;
  config::Config config_;
  SystemClock clock_;
  Journal journal_;
  net::Resolver resolver_;
  net::Offload threads_{1};
  std::unique_ptr<store::SqliteKeys> store_;
  std::unique_ptr<keys::KeyRing> ring_;
  std::unique_ptr<Strangers> strangers_;
  sqlite3* other_ = nullptr;
};

TEST_F(StrangersTest, AReportThatIsNotDurableIsNotAcknowledged) {
  keys::KeySpec spec;
  spec.name = "app";
  const auto made = ring_->create(spec, "test");
  ASSERT_TRUE(made) << made.error().what;
  const std::string secret(made->text.reveal());

  run("BEGIN IMMEDIATE");
  const auto verdict = report(secret);
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->ours);
  EXPECT_EQ(check(secret), keys::KeyFault::kRevoked) << "dead before the disk is asked";
  const Result<void> kept = verdict->keep();
  ASSERT_FALSE(kept) << "nobody may believe that it is done";
  EXPECT_EQ(kept.error().code, Code::kUnavailable);

  // It comes again, as it was asked to, when the store answers.
  run("COMMIT");
  EXPECT_TRUE(report(secret)->keep());
  stop();
  start();
  EXPECT_EQ(check(secret), keys::KeyFault::kRevoked) << "and stays so";
}

}  // namespace
}  // namespace sallyport::cli
