// SPDX-License-Identifier: Apache-2.0
// How fast the journal takes records, and what a caller pays: journal_bench DIRECTORY
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <semaphore>
#include <thread>
#include <vector>

#include "audit/journal.h"

using namespace sallyport;
using Steady = std::chrono::steady_clock;

namespace {

Event sample(Kind kind, std::uint64_t n) {
  Event event;
  event.timestamp_utc = SystemClock().now();
  event.kind = kind;
  event.request_id = "req_" + std::to_string(100'000'000'000'000 + n);
  event.api_key_id = "user_42_readonly";
  event.kid = "abcdefghijkl";
  event.endpoint = "POST /v1/chat/completions";
  event.model = "gpt-4o-mini";
  event.ip = "203.0.113.7";
  event.latency_ms = 812;
  event.tokens_input = 1200;
  event.tokens_output = 300;
  event.status = 200;
  event.cost_usd = NanoUsd{420'000};
  return event;
}

void report(const char* what, std::vector<double>& us) {
  std::ranges::sort(us);
  std::printf("%-40s p50 %8.1f us  p99 %8.1f us  max %8.1f us\n", what, us[us.size() / 2],
              us[us.size() * 99 / 100], us.back());
}

// One caller, one record at a time at `per_s` a second: what a request waits.
void paced(audit::Journal& journal, Durability until, int per_s, const char* what) {
  std::vector<double> waited;
  std::binary_semaphore answered{0};
  auto next = Steady::now();
  for (int i = 0; i < per_s * 3; ++i) {
    std::this_thread::sleep_until(next += std::chrono::microseconds(1'000'000 / per_s));
    const auto begun = Steady::now();
    journal.record(sample(Kind::kAdmin, 0), until,
                   [&](Result<std::uint64_t>) { answered.release(); });
    answered.acquire();
    waited.push_back(std::chrono::duration<double, std::micro>(Steady::now() - begun).count());
  }
  report(what, waited);
}

// As much as it takes, `in_flight_max` at once.
void bulk(audit::Journal& journal, Durability until, std::int64_t in_flight_max, const char* what) {
  std::atomic<std::int64_t> in_flight = 0, refused = 0;
  const int count = 300'000;
  const auto begun = Steady::now();
  double in_call = 0;
  for (int i = 0; i < count; ++i) {
    while (in_flight.load() >= in_flight_max) std::this_thread::yield();
    ++in_flight;
    Event event = sample(Kind::kAdmin, static_cast<std::uint64_t>(i));
    const auto called = Steady::now();
    journal.record(std::move(event), until, [&](Result<std::uint64_t> answer) {
      if (!answer) ++refused;
      --in_flight;
    });
    in_call += std::chrono::duration<double, std::nano>(Steady::now() - called).count();
  }
  while (in_flight.load() > 0) std::this_thread::yield();
  const double s = std::chrono::duration<double>(Steady::now() - begun).count();
  std::printf("%-40s %8.0f records/s  %6.0f ns in record()  refused %lld\n", what, count / s,
              in_call / count, static_cast<long long>(refused.load()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  SystemClock clock;
  audit::PosixFileSystem files;
  audit::Config config;
  config.path = argv[1];
  const auto opened = audit::Journal::open(config, clock, files);
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().what.c_str());
    return 1;
  }
  audit::Journal& journal = **opened;
  paced(journal, Durability::kSynced, 1'000, "synced, 1,000 a second");
  paced(journal, Durability::kWritten, 1'000, "written, 1,000 a second");
  for (const std::int64_t in_flight : {16, 64, 256, 1'024, 8'192}) {
    const std::string what = "synced, in flight " + std::to_string(in_flight);
    bulk(journal, Durability::kSynced, in_flight, what.c_str());
  }
  std::printf("syncs %llu, records %llu\n",
              static_cast<unsigned long long>(journal.counters().syncs.load()),
              static_cast<unsigned long long>(journal.counters().records.load()));
  return 0;
}
