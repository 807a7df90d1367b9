// SPDX-License-Identifier: Apache-2.0
// A real process on a real disk, killed in the middle of its work: what it had acknowledged is
// there.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "audit/journal.h"
#include "audit/reader.h"
#include "audit/verify.h"

namespace sallyport::audit {
namespace {

constexpr int kRounds = 30;

// One acknowledgement on the pipe; smaller than PIPE_BUF, so it is there whole or not at all.
struct Acknowledged {
  std::uint64_t request = 0;
  std::uint64_t seq = 0;
  bool outcome = false;
};

// Records pairs of intent and outcome until it is killed.
[[noreturn]] void child(const Config& config, std::uint64_t first_request, int pipe) {
  SystemClock clock;
  PosixFileSystem files;
  auto journal = Journal::open(config, clock, files);
  if (!journal) _exit(2);
  std::atomic<int> in_flight = 0;
  for (std::uint64_t request = first_request;; ++request) {
    while (in_flight > 64) std::this_thread::yield();
    for (const bool outcome : {false, true}) {
      Event event;
      event.timestamp_utc = clock.now();
      event.kind = outcome ? Kind::kRequest : Kind::kIntent;
      event.request_id = "r" + std::to_string(request);
      event.endpoint = "POST /v1/chat/completions";
      const auto until = outcome ? Durability::kWritten : Durability::kSynced;
      ++in_flight;
      (*journal)->record(std::move(event), until, [=, &in_flight](Result<std::uint64_t> answer) {
        --in_flight;
        if (!answer) _exit(3);
        const Acknowledged told{request, *answer, outcome};
        if (::write(pipe, &told, sizeof told) != sizeof told) _exit(4);
      });
    }
  }
}

class JournalKillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "journal_kill_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    config_.path = name;
    config_.segment_bytes = 256u << 10;  // so that kills also meet the change of segments
  }
  void TearDown() override { std::filesystem::remove_all(config_.path); }

  // Runs a child until it acknowledged `count` records, kills it, and notes all it acknowledged.
  void run_and_kill(int count, std::uint64_t first_request) {
    int pipes[2];
    ASSERT_EQ(::pipe(pipes), 0);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      ::close(pipes[0]);
      child(config_, first_request, pipes[1]);
    }
    ::close(pipes[1]);
    Acknowledged told;
    for (int heard = 0; ::read(pipes[0], &told, sizeof told) == sizeof told; ++heard) {
      if (heard == count) ::kill(pid, SIGKILL);
      acknowledged_[std::string(told.outcome ? "request r" : "intent r") +
                    std::to_string(told.request)] = told.seq;
    }
    ::close(pipes[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
  }

  Config config_;
  std::map<std::string, std::uint64_t> acknowledged_;
};

TEST_F(JournalKillTest, Invariant1NoAcknowledgedRecordIsLostByAKill) {
  std::mt19937_64 random(20261124);
  SystemClock clock;
  PosixFileSystem files;
  for (int round = 0; round < kRounds; ++round) {
    const int count = static_cast<int>(random() % 400);
    ASSERT_NO_FATAL_FAILURE(run_and_kill(count, static_cast<std::uint64_t>(round) * 1'000'000));
    {
      const auto begun = std::chrono::steady_clock::now();
      const auto journal = Journal::open(config_, clock, files);
      ASSERT_TRUE(journal) << journal.error().what;
      EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
    }
    const auto report = verify(config_.path);
    ASSERT_TRUE(report);
    for (const Problem& p : report->problems) ADD_FAILURE() << p.seq << ": " << p.what;
    EXPECT_EQ(report->open_intents, 0u);

    std::map<std::string, std::uint64_t> found;
    const auto reader = Reader::open(files, config_.path);
    ASSERT_TRUE(reader);
    ASSERT_TRUE(reader->each(Order::kOldestFirst, {}, [&](const Record& record) {
      const std::string name =
          std::string(line_kind(record.line)) + " " + std::string(line_request_id(record.line));
      EXPECT_TRUE(found.emplace(name, record.seq).second) << "twice: " << name;
      return true;
    }));
    for (const auto& [name, seq] : acknowledged_) {
      const auto there = found.find(name);
      ASSERT_NE(there, found.end()) << "round " << round << " lost " << name;
      EXPECT_EQ(there->second, seq) << name;
    }
  }
  EXPECT_GT(acknowledged_.size(), static_cast<std::size_t>(kRounds) * 100);
}

}  // namespace
}  // namespace sallyport::audit
