// SPDX-License-Identifier: Apache-2.0
// What the provable log costs: CPU per record of the keeper, and how fast `audit verify` reads.
// tree_bench DIRECTORY RECORDS
#include <time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "audit/line.h"
#include "audit/segment.h"
#include "audit/tree_keeper.h"
#include "audit/verify.h"

using namespace sallyport;
using namespace sallyport::audit;
using Steady = std::chrono::steady_clock;

namespace {

class Written final : public Recorder {
 public:
  void record(Event, Durability, Done done) override { done(fail(Code::kUnavailable, "")); }
  std::uint64_t durable_seq() const override { return seq; }
  bool accepting() const override { return true; }
  std::uint64_t seq = 0;
};

Event sample(std::uint64_t n) {
  Event event;
  event.timestamp_utc = UtcTime(std::chrono::milliseconds(1'764'000'000'000 + n));
  event.kind = n % 2 == 0 ? Kind::kIntent : Kind::kRequest;
  event.request_id = "req_" + std::to_string(100'000'000'000'000 + n / 2);
  event.api_key_id = "user_42_readonly";
  event.kid = "abcdefghijkl";
  event.endpoint = "POST /v1/chat/completions";
  event.model = "gpt-4o-mini";
  event.ip = "203.0.113.7";
  event.latency_ms = 812;
  event.tokens_input = 1200;
  event.tokens_output = 300;
  if (n % 2 == 1) event.status = 200;
  event.cost_usd = NanoUsd{420'000};
  return event;
}

void generate(FileSystem& files, const std::string& journal, std::uint64_t records) {
  constexpr std::uint64_t kPerSegment = 120'000;
  (void)files.make_directory(segment_directory(journal));
  std::string bytes;
  std::uint64_t first = 1;
  for (std::uint64_t seq = 1; seq <= records; ++seq) {
    const std::size_t start = bytes.size();
    append_event_open(bytes, sample(seq - 1));
    close_line(bytes, start, {.seq = seq, .synced = {}});
    bytes += '\n';
    if (seq % kPerSegment != 0 && seq != records) continue;
    (void)replace_file(files, segment_directory(journal), segment_name(first), bytes);
    bytes.clear();
    first = seq + 1;
  }
}

double cpu_s() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::uint64_t records = std::strtoull(argv[2], nullptr, 10);
  PosixFileSystem files;
  SystemClock clock;
  Config config{.path = std::string(argv[1]) + "/journal"};
  fill_paths(config, argv[1]);
  generate(files, config.path, records);
  auto keeper = TreeKeeper::open(config, files, clock);
  if (!keeper) return std::fprintf(stderr, "%s\n", keeper.error().what.c_str()), 1;
  Written written;
  written.seq = records;
  const double cpu = cpu_s();
  const auto begun = Steady::now();
  if (!(*keeper)->step(written, true)) return 1;
  const double wall = std::chrono::duration<double>(Steady::now() - begun).count();
  std::printf("keeper: %.3f us CPU a record, %.0f records/s, %llu checkpoints\n",
              (cpu_s() - cpu) * 1e6 / static_cast<double>(records),
              static_cast<double>(records) / wall,
              static_cast<unsigned long long>((*keeper)->counters().checkpoints));
  keeper->reset();
  const auto opened = Steady::now();
  {
    const auto again = TreeKeeper::open(config, files, clock);
  }
  std::printf("start: %.1f ms\n",
              std::chrono::duration<double, std::milli>(Steady::now() - opened).count());
  for (const int threads : {1, 2}) {
    const auto at = Steady::now();
    const double spent = cpu_s();
    const auto report =
        verify(files, config.path, {.threads = threads, .last_signed = config.last_signed});
    const double took = std::chrono::duration<double>(Steady::now() - at).count();
    std::printf("verify, %d threads: %.0f records/s, %.3f us CPU a record, %s\n", threads,
                static_cast<double>(records) / took,
                (cpu_s() - spent) * 1e6 / static_cast<double>(records),
                report && report->ok() ? "whole" : "DAMAGED");
  }
  return 0;
}
