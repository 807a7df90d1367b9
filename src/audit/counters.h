// SPDX-License-Identifier: Apache-2.0
// What the journal counts about itself, for metrics. Written by the journal, read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sallyport::audit {

struct Counters {
  // Upper bounds of the sync time histogram in microseconds; one more bucket counts what is slower.
  static constexpr std::array<std::uint64_t, 12> kSyncBoundsUs = {
      100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000, 250'000, 1'000'000};

  using Count = std::atomic<std::uint64_t>;
  Count records{0};  // written to the log
  Count bytes{0};    // of their lines
  Count batches{0};
  Count syncs{0};
  Count sync_us_sum{0};
  std::array<Count, kSyncBoundsUs.size() + 1> sync_buckets{};  // not cumulative
  Count queue_depth{0};                                        // records waiting for the writer
  Count failures{0};     // of the disk: each ended a segment or an attempt to begin one
  Count refused{0};      // records answered kUnavailable
  Count unrecorded{0};   // records answered as passed without a record (pass_unrecorded)
  Count gap_records{0};  // refused and unrecorded ones not yet told in the log

  void count_sync(std::uint64_t us) {
    syncs.fetch_add(1, std::memory_order_relaxed);
    sync_us_sum.fetch_add(us, std::memory_order_relaxed);
    std::size_t bucket = 0;
    while (bucket < kSyncBoundsUs.size() && us > kSyncBoundsUs[bucket]) ++bucket;
    sync_buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  }
};

}  // namespace sallyport::audit
