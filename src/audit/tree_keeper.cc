// SPDX-License-Identifier: Apache-2.0
#include "audit/tree_keeper.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "audit/checkpoint.h"
#include "audit/checkpoint_files.h"
#include "audit/line.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kPieceBytes = 1u << 20;
constexpr std::uint64_t kRecordsMax = 10'000;  // that wait for a checkpoint
constexpr std::chrono::milliseconds kPoll{100};
constexpr std::chrono::seconds kRotationMax{30};  // to write one record and sign one checkpoint
constexpr std::chrono::seconds kSignMax{5};
constexpr std::size_t kLateMax = 16;  // checkpoints; witnesses answer within some seconds

// What an administrator or the gate itself did: keys, policy, retention. Nobody should be able to
// take such a record away in the second before it is signed.
bool urgent(std::string_view line) {
  const std::string_view kind = line_kind(line);
  return kind == "admin" || kind == "action";
}

Event rotation_event(UtcTime now, const std::string& actor, const std::string& from,
                     const std::string& to) {
  Event event;
  event.timestamp_utc = now;
  event.kind = Kind::kAction;
  event.action = "audit_key_rotated";
  event.actor = actor;
  std::string detail;
  JsonWriter(detail).begin_object().field("old", from).field("new", to).end_object();
  event.detail = std::move(detail);
  return event;
}

}  // namespace

Result<std::unique_ptr<TreeKeeper>> TreeKeeper::open(const Config& config, FileSystem& files,
                                                     const Clock& clock) {
  auto start = start_tree(files, config);
  if (!start) return std::unexpected(std::move(start.error()));
  if (start->rebuilt) log::warn("audit.tiles_rebuilt", {{"size", start->last.state()->size}});
  std::unique_ptr<TreeKeeper> keeper(new TreeKeeper(config, files, clock, std::move(*start)));
  const auto& state = keeper->start_.last.state();
  if (!state) return keeper;
  const auto note = read_checkpoint(files, config.path);
  if (note && *note) {
    const auto verified = verify_note(**note, keeper->start_.keys.in_force(state->size));
    const Checkpoint wanted{.origin = state->origin, .size = state->size, .root = state->root};
    if (verified && verified->text == wanted.text()) {
      keeper->published_ = std::make_shared<const Published>(
          Published{.size = state->size, .text = verified->text, .note = **note});
    }
  }
  keeper->unpublished_ = keeper->published_ == nullptr && state->size > 0;
  return keeper;
}

TreeKeeper::TreeKeeper(const Config& config, FileSystem& files, const Clock& clock, TreeStart start)
    : config_(config),
      files_(files),
      clock_(clock),
      start_(std::move(start)),
      follower_(files, config.path, start_.tree->size() + 1) {
  counters_.tree_size = start_.tree->size();
  counters_.signed_size = start_.tree->size();
}

TreeKeeper::~TreeKeeper() { stop(); }

void TreeKeeper::start(Recorder& recorder) {
  recorder_ = &recorder;
  thread_ = std::thread(&TreeKeeper::run, this);
}

void TreeKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void TreeKeeper::run() {
  bool stopping = false;
  bool now = false;
  while (!stopping) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kPoll, [this] { return stopping_ || sign_now_; });
      stopping = stopping_;
      now = std::exchange(sign_now_, false) || stopping;
    }
    step(*recorder_, now);
  }
  end_rotation(fail(Code::kUnavailable, "the server is stopping"));
}

bool TreeKeeper::step(Recorder& recorder, bool now) {
  begin_rotation(recorder);
  if (!read_on(recorder)) return false;
  if (!due(now)) return true;
  const Result<void> done = sign();
  if (!done) refused(done.error());
  return done.has_value();
}

// Up to what is durable now; a checkpoint in between when there is much.
bool TreeKeeper::read_on(Recorder& recorder) {
  const std::uint64_t durable = recorder.durable_seq();
  while (follower_.next_seq() <= durable) {
    Result<void> appended;
    const auto read = follower_.read(durable, kPieceBytes, [&](const Record& record) {
      appended = start_.tree->append(leaf_hash(record.line));
      if (appended && urgent(record.line)) urgent_seq_ = record.seq;
      return appended.has_value();
    });
    counters_.tree_size.store(start_.tree->size(), std::memory_order_relaxed);
    const Error* const why = !read ? &read.error() : !appended ? &appended.error() : nullptr;
    if (why != nullptr) {
      counters_.read_failures.fetch_add(1, std::memory_order_relaxed);
      refused(*why);
      return false;
    }
    if (!due(false)) continue;
    const Result<void> done = sign();
    if (!done) {
      refused(done.error());
      return false;
    }
  }
  return true;
}

bool TreeKeeper::due(bool now) const {
  const auto& state = start_.last.state();
  const std::uint64_t signed_size = state ? state->size : 0;
  if (start_.tree->size() == signed_size && !unpublished_) return false;
  return now || unpublished_ || urgent_seq_ > signed_size ||
         start_.tree->size() >= signed_size + kRecordsMax || clock_.steady_us() >= next_sign_us_;
}

// The order is what makes a fork impossible: tiles, comparison, state, and only then a signature
// that others see.
Result<void> TreeKeeper::sign() {
  next_sign_us_ =
      clock_.steady_us() +
      std::chrono::duration_cast<std::chrono::microseconds>(config_.checkpoint_every).count();
  if (!handing_over_) {
    const Result<void> done = advance();
    if (!done) return done;
  }
  return publish(*start_.last.state());
}

// The state goes on to the tree as it is.
Result<void> TreeKeeper::advance() {
  Result<void> done = start_.tree->publish();
  if (!done) return done;
  if (start_.keys.current() == nullptr) {
    KeyHistory keys;
    keys.rotate(start_.key.verifier(), 0);
    done = keys.write(files_, config_.path);
    if (!done) return done;
    start_.keys = std::move(keys);
  }
  const SignedState next{.origin = start_.origin,
                         .size = start_.tree->size(),
                         .root = start_.tree->root(),
                         .key = start_.keys.current()->text()};
  done = extends_the_last(next);
  if (done) done = start_.last.advance(next);
  if (!done) return done;
  start_.tree->drop_partials();
  unpublished_ = true;
  return {};
}

bool TreeKeeper::rotates() const {
  return start_.next_key && rotation_seq_ > 0 && start_.tree->size() >= rotation_seq_ &&
         start_.keys.current()->text() != start_.next_key->verifier().text();
}

// The old key ends where the kept checkpoint has both signatures. Wherever this is cut off: until
// `vkeys` tells, the old key is in force and the second signature means nothing; as soon as it
// does, the proof of the rotation lies in the history.
Result<void> TreeKeeper::hand_over(std::uint64_t size) {
  handing_over_ = true;
  KeyHistory keys = start_.keys;
  keys.rotate(start_.next_key->verifier(), size);
  const Result<void> done = keys.write(files_, config_.path);
  if (!done) return done;
  start_.keys = std::move(keys);
  handing_over_ = false;
  return {};
}

// From the tiles as they lie on the disk, not from what we remember of them.
Result<void> TreeKeeper::extends_the_last(const SignedState& next) {
  TileReader tiles(files_, config_.path, next.size);
  const auto root = tree_root(tiles, next.size);
  if (!root) return std::unexpected(root.error());
  if (*root != next.root) return fail(Code::kCorrupt, "the tiles are not those of the tree");
  const auto& old = start_.last.state();
  if (!old || old->size == 0) return {};
  const auto proof = prove_consistency(tiles, old->size, next.size);
  if (!proof) return std::unexpected(proof.error());
  if (!verify_consistency(old->size, next.size, old->root, next.root, *proof)) {
    return fail(Code::kDenied, "the tree does not extend what was signed last");
  }
  return {};
}

Result<std::string> TreeKeeper::note_of(const SignedState& state) const {
  const Checkpoint checkpoint{.origin = state.origin, .size = state.size, .root = state.root};
  const std::string text = checkpoint.text();
  std::vector<VerifierKey> keys = start_.keys.in_force(state.size);
  if (rotates()) keys.push_back(start_.next_key->verifier());
  std::string note = text + '\n';
  bool any = false;
  for (const VerifierKey& key : keys) {
    for (const SigningKey* const own :
         {&start_.key, start_.next_key ? &*start_.next_key : nullptr}) {
      if (own == nullptr || own->verifier().text() != key.text()) continue;
      note += own->sign(text);
      any = true;
    }
  }
  if (!any) return fail(Code::kDenied, "no key of ours is in force");
  return note;
}

Result<void> TreeKeeper::publish(const SignedState& state) {
  const Result<std::string> note = note_of(state);
  if (!note) return std::unexpected(note.error());
  const UtcTime now = clock_.now();
  {
    const std::lock_guard lock(publishing_);
    Result<void> done;
    if (!handing_over_) done = keep_checkpoint(files_, config_.path, *note, now);
    if (done && rotates()) done = hand_over(state.size);
    if (done) done = publish_checkpoint(files_, config_.path, *note);
    if (!done) return done;
    const Checkpoint checkpoint{.origin = state.origin, .size = state.size, .root = state.root};
    auto published = std::make_shared<const Published>(
        Published{.size = state.size, .text = checkpoint.text(), .note = *note});
    // Within `publishing_`: a cosignature that comes in between must not take the checkpoint
    // before this one for the newest.
    const std::lock_guard published_lock(mutex_);
    if (published_ && published_->cosigned) remember_late(*published_);
    published_ = std::move(published);
  }
  wake_.notify_all();
  unpublished_ = false;
  counters_.signed_size.store(state.size, std::memory_order_relaxed);
  counters_.signed_at_ms.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  counters_.checkpoints.fetch_add(1, std::memory_order_relaxed);
  counters_.refusing.store(false, std::memory_order_relaxed);
  if (std::exchange(told_refusal_, false)) log::info("audit.signing_again", {{"size", state.size}});
  if (config_.anchor_file) {
    const Result<void> anchored = append_file(files_, directory_of(*config_.anchor_file),
                                              name_of(*config_.anchor_file), *note + "\n");
    if (!anchored) {
      counters_.anchor_failures.fetch_add(1, std::memory_order_relaxed);
      log::error("audit.anchor_failed", {{"why", anchored.error().what}});
    }
  }
  const bool rotated =
      start_.next_key && start_.keys.current()->text() == start_.next_key->verifier().text();
  return rotated ? finish_rotation() : Result<void>();
}

void TreeKeeper::refused(const Error& why) {
  counters_.refusals.fetch_add(1, std::memory_order_relaxed);
  counters_.refusing.store(true, std::memory_order_relaxed);
  if (!std::exchange(told_refusal_, true)) log::error("audit.not_signed", {{"why", why.what}});
}

std::shared_ptr<const TreeKeeper::Published> TreeKeeper::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

Result<void> TreeKeeper::add_cosignature(const Published& checkpoint, const std::string& line) {
  const std::lock_guard files_lock(publishing_);
  std::shared_ptr<const Published> now = published();
  if (now && now->text == checkpoint.text) {
    auto next = std::make_shared<Published>(*now);
    next->note += line + '\n';
    next->cosigned = true;
    Result<void> done = keep_checkpoint(files_, config_.path, next->note, clock_.now());
    if (done) done = publish_checkpoint(files_, config_.path, next->note);
    if (!done) return done;
    const std::lock_guard lock(mutex_);
    published_ = std::move(next);
    return {};
  }
  // A slow witness: a newer one is published, and this one is history.
  const auto known = std::ranges::find(late_, checkpoint.text, &Published::text);
  Published next = known == late_.end() ? checkpoint : *known;
  next.note += line + '\n';
  next.cosigned = true;
  const Result<void> done = keep_checkpoint(files_, config_.path, next.note, clock_.now());
  if (!done) return done;
  if (known != late_.end()) {
    *known = std::move(next);
    return {};
  }
  remember_late(std::move(next));
  return {};
}

// Another witness may still sign it, and its line joins those that are there.
void TreeKeeper::remember_late(Published cosigned) {
  if (late_.size() == kLateMax) late_.pop_front();
  late_.push_back(std::move(cosigned));
}

Result<void> TreeKeeper::sign_through(std::uint64_t seq) {
  std::unique_lock lock(mutex_);
  sign_now_ = true;
  wake_.notify_all();
  const auto has = [&] { return published_ && published_->size >= seq; };
  wake_.wait_for(lock, kSignMax, [&] { return stopping_ || has(); });
  if (has()) return {};
  return fail(Code::kUnavailable, "the log has not been signed in time");
}

void TreeKeeper::rotate_key(const std::string& actor, Rotated done) {
  if (config_.signing_seed) {
    return done(fail(Code::kDenied,
                     "the key is in audit.signing_seed; change it there, then run "
                     "sallyport audit accept-state"));
  }
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && !rotation_actor_) {
      rotation_actor_ = actor;
      rotated_ = std::move(done);
      sign_now_ = true;
      wake_.notify_all();
      return;
    }
  }
  done(fail(Code::kUnavailable, "another rotation is under way"));
}

Result<std::string> TreeKeeper::rotate_key(const std::string& actor) {
  auto promise = std::make_shared<std::promise<Result<std::string>>>();
  auto answer = promise->get_future();
  rotate_key(actor, [promise](Result<std::string> r) { promise->set_value(std::move(r)); });
  if (answer.wait_for(kRotationMax) == std::future_status::ready) return answer.get();
  return fail(Code::kUnavailable, "the log has not been signed in time; it will be");
}

Result<void> TreeKeeper::make_next_key() {
  auto seed = make_seed(files_, next_key_path(config_));
  if (!seed) return std::unexpected(seed.error());
  auto key = SigningKey::make(start_.origin, std::move(*seed));
  if (!key) return std::unexpected(key.error());
  start_.next_key = std::move(*key);
  return {};
}

// The key is on disk before the log speaks of it, and the log speaks of it before it signs.
void TreeKeeper::begin_rotation(Recorder& recorder) {
  std::string actor;
  {
    const std::lock_guard lock(mutex_);
    if (!rotation_actor_ && !start_.next_key) return;
    actor = rotation_actor_.value_or("audit");
  }
  if (rotation_seq_ > 0) return;
  if (!start_.next_key) {
    const Result<void> made = make_next_key();
    if (!made) return end_rotation(std::unexpected(made.error()));
  }
  auto written = std::make_shared<std::promise<Result<std::uint64_t>>>();
  auto answer = written->get_future();
  recorder.record(rotation_event(clock_.now(), actor, start_.key.verifier().text(),
                                 start_.next_key->verifier().text()),
                  Durability::kSynced,
                  [written](Result<std::uint64_t> seq) { written->set_value(std::move(seq)); });
  const Result<std::uint64_t> seq = answer.get();
  if (!seq || *seq == 0) {
    return end_rotation(fail(Code::kUnavailable, "the journal does not accept records"));
  }
  rotation_seq_ = *seq;
}

Result<void> TreeKeeper::finish_rotation() {
  Result<void> done = files_.rename(next_key_path(config_), *config_.signing_key);
  if (done) done = files_.sync_directory(directory_of(*config_.signing_key));
  if (!done) return done;  // the next start does it
  start_.key = std::move(*start_.next_key);
  start_.next_key.reset();
  rotation_seq_ = 0;
  log::info("audit.key_rotated", {{"key", start_.key.verifier().text()}});
  end_rotation(start_.key.verifier().text());
  return {};
}

void TreeKeeper::end_rotation(Result<std::string> outcome) {
  Rotated done;
  {
    const std::lock_guard lock(mutex_);
    if (!rotation_actor_) return;
    rotation_actor_.reset();
    done = std::exchange(rotated_, {});
  }
  if (done) done(std::move(outcome));
}

}  // namespace sallyport::audit
