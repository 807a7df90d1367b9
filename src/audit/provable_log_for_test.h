// SPDX-License-Identifier: Apache-2.0
// A small log in memory with its keeper, for tests: records are lines as the journal writes them.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "audit/checkpoint.h"
#include "audit/checkpoint_files.h"
#include "audit/line.h"
#include "audit/memory_disk.h"
#include "audit/segment.h"
#include "audit/tree_keeper.h"
#include "base/text.h"

namespace sallyport::audit {

// Writes what it is given into one segment at once; everything is durable.
class LinesForTest final : public Recorder {
 public:
  explicit LinesForTest(MemoryDisk& disk, std::string journal = "/j")
      : disk_(disk), journal_(std::move(journal)) {}

  void record(Event event, Durability, Done done) override {
    std::string line;
    append_event_open(line, event);
    close_line(line, 0, {.seq = ++seq_, .synced = {}});
    bytes_ += line + "\n";
    write();
    if (done) done(seq_);
  }
  std::uint64_t durable_seq() const override { return seq_; }
  bool accepting() const override { return true; }

  void add(std::uint64_t count, const std::string& salt = "") {
    for (std::uint64_t i = 0; i < count; ++i) {
      Event event;
      event.timestamp_utc = UtcTime(std::chrono::milliseconds(1'764'000'000'000 + seq_));
      event.kind = Kind::kRequest;
      event.status = 200;
      event.request_id = "req_" + salt + std::to_string(seq_ + 1);
      std::string line;
      append_event_open(line, event);
      close_line(line, 0, {.seq = ++seq_, .synced = {}});
      bytes_ += line + "\n";
    }
    write();
  }
  // An older copy of the journal's lines.
  void go_back_to(std::uint64_t seq) {
    std::size_t at = 0;
    for (std::uint64_t i = first_ - 1; i < seq; ++i) at = bytes_.find('\n', at) + 1;
    bytes_.resize(at);
    seq_ = seq;
    write();
  }
  // The next record begins a new segment.
  void seal() {
    write();
    bytes_.clear();
    first_ = seq_ + 1;
  }
  std::string& bytes() { return bytes_; }
  void write() { disk_.put(journal_ + "/seg/" + segment_name(first_), bytes_); }

 private:
  MemoryDisk& disk_;
  std::string journal_;
  std::string bytes_;
  std::uint64_t first_ = 1;
  std::uint64_t seq_ = 0;
};

inline std::shared_ptr<const Secret> seed_for_test(char c) {
  return std::make_shared<const Secret>(base64_encode(std::string(32, c)));
}

inline Config provable_config_for_test(char seed = 's') {
  Config config;
  config.path = "/j";
  config.origin = "log.example.com/audit";
  config.signing_seed = seed_for_test(seed);
  fill_paths(config, "/store");
  return config;
}

inline Checkpoint checkpoint_on(FileSystem& files, const std::string& journal,
                                const VerifierKey& key) {
  const auto note = read_checkpoint(files, journal);
  EXPECT_TRUE(note && *note) << "no checkpoint";
  if (!note || !*note) return {};
  const auto verified = verify_note(**note, {key});
  EXPECT_TRUE(verified) << (verified ? "" : verified.error().what);
  if (!verified) return {};
  return *Checkpoint::parse(verified->text);
}

}  // namespace sallyport::audit
