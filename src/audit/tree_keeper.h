// SPDX-License-Identifier: Apache-2.0
// Makes the log provable: follows the journal, keeps the Merkle tree over its durable records and
// signs checkpoints of it (docs/provable-log.md). Own thread; nothing of a request waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "audit/config.h"
#include "audit/file_system.h"
#include "audit/follower.h"
#include "audit/tree_start.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"

namespace sallyport::audit {

// Written by the keeper and whoever carries its checkpoints away; read by any thread.
struct TreeCounters {
  using Count = std::atomic<std::uint64_t>;
  Count tree_size{0};
  Count signed_size{0};
  std::atomic<std::int64_t> signed_at_ms{0};  // Unix time of the newest checkpoint; 0: none yet
  Count checkpoints{0};
  Count refusals{0};  // times it did not sign what it should have
  Count read_failures{0};
  std::atomic<bool> refusing{false};
  Count witness_cosigned{0};
  Count witness_refused{0};  // 4xx, or a cosignature that is wrong
  Count witness_failed{0};   // no answer, or 5xx
  Count anchor_failures{0};
};

class TreeKeeper {
 public:
  // What has been published last. Immutable.
  struct Published {
    std::uint64_t size = 0;
    std::string text;  // of the checkpoint
    std::string note;  // with what signatures there are
    bool cosigned = false;
  };

  // Finds out whether this log may be signed, before anything is appended to it. kDenied: it may
  // not, and why. `files` and `clock` outlive the keeper.
  static Result<std::unique_ptr<TreeKeeper>> open(const Config& config, FileSystem& files,
                                                  const Clock& clock);
  ~TreeKeeper();
  TreeKeeper(const TreeKeeper&) = delete;

  // The recorder outlives the call of stop().
  void start(Recorder& recorder);
  // After the recorder was stopped: signs for its last record and ends the thread.
  void stop();

  // One round on the caller's thread instead of start(), for tests and commands: reads what is
  // durable and signs when it is due, or in any case with `now`. False: it could not.
  bool step(Recorder& recorder, bool now);

  std::shared_ptr<const Published> published() const;
  const TreeCounters& counters() const { return counters_; }
  TreeCounters& counters() { return counters_; }
  const std::string& origin() const { return start_.origin; }
  const Config& config() const { return config_; }
  FileSystem& files() const { return files_; }

  // Adds a witness's line to a checkpoint that was published, in the history and, while it is the
  // newest, where it is published. Any thread; when it returns without an error the line is kept.
  Result<void> add_cosignature(const Published& checkpoint, const std::string& line);

  // Returns when a checkpoint has the record of this seq, which is durable. Any thread but the
  // keeper's; blocks for as long as one signing takes. kUnavailable: it has not been signed.
  Result<void> sign_through(std::uint64_t seq);

  // Makes a new key, records it, and gives its verifier key when a checkpoint carries both
  // signatures. kDenied: the key comes from the configuration. kUnavailable: another rotation is
  // under way. `done` is called once, on the keeper's thread, or at once when it is refused.
  using Rotated = std::move_only_function<void(Result<std::string>)>;
  void rotate_key(const std::string& actor, Rotated done);
  // The same for who has a thread to wait with; kUnavailable: it takes too long, and goes on.
  Result<std::string> rotate_key(const std::string& actor);

 private:
  TreeKeeper(const Config& config, FileSystem& files, const Clock& clock, TreeStart start);

  void run();
  bool read_on(Recorder& recorder);
  bool due(bool now) const;
  Result<void> sign();
  Result<void> advance();
  bool rotates() const;
  Result<void> hand_over(std::uint64_t size);
  Result<void> extends_the_last(const SignedState& next);
  Result<std::string> note_of(const SignedState& state) const;
  Result<void> publish(const SignedState& state);
  void remember_late(Published cosigned);
  void begin_rotation(Recorder& recorder);
  Result<void> make_next_key();
  Result<void> finish_rotation();
  void end_rotation(Result<std::string> outcome);
  void refused(const Error& why);

  const Config config_;
  FileSystem& files_;
  const Clock& clock_;
  TreeCounters counters_;

  // Of the thread that steps.
  TreeStart start_;
  Follower follower_;
  std::int64_t next_sign_us_ = 0;
  std::uint64_t urgent_seq_ = 0;  // of the newest record that is signed at once
  bool unpublished_ = false;      // the state went on, the checkpoint did not
  bool told_refusal_ = false;
  std::uint64_t rotation_seq_ = 0;  // of the record that tells of the next key; 0: none
  // The checkpoint that both keys signed is kept, and `vkeys` does not tell yet: nothing else is
  // signed until it does.
  bool handing_over_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<const Published> published_;
  bool stopping_ = false;
  bool sign_now_ = false;                      // somebody waits for a checkpoint
  std::optional<std::string> rotation_actor_;  // somebody waits for a new key
  Rotated rotated_;

  std::mutex publishing_;       // of the files checkpoint and checkpoints/, and of what follows
  std::deque<Published> late_;  // the last kLateMax older checkpoints with cosignatures
  Recorder* recorder_ = nullptr;
  std::thread thread_;
};

}  // namespace sallyport::audit
