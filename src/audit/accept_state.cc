// SPDX-License-Identifier: Apache-2.0
#include "audit/accept_state.h"

#include <utility>

#include "audit/checkpoint.h"
#include "audit/checkpoint_files.h"
#include "audit/last_signed.h"
#include "audit/log_keys.h"
#include "audit/min_index.h"
#include "audit/tree_start.h"
#include "base/json_writer.h"
#include "base/random.h"

namespace sallyport::audit {
namespace {

Result<SigningKey> key_of(FileSystem& files, const Config& config, const std::string& origin) {
  auto seed = signing_seed(files, config, true);
  if (!seed) return std::unexpected(seed.error());
  return SigningKey::make(origin, std::move(*seed));
}

// Puts aside what was signed under the old name. The tiles are made again where they differ.
Result<void> retire(FileSystem& files, const std::string& journal) {
  std::string name = read_origin(files, journal).value_or("unnamed");
  for (char& c : name) c = c == '/' || c == ':' ? '_' : c;
  const std::string folder = journal + "/retired/" + name + "-" + random_base62(6);
  Result<void> done = files.make_directory(folder);
  for (const char* const thing : {"checkpoint", "checkpoints", "vkeys", "origin", "tile"}) {
    if (!done) return done;
    done = files.rename(journal + "/" + thing, folder + "/" + thing);
    if (!done && done.error().code == Code::kNotFound) done = {};
  }
  if (done) done = files.sync_directory(folder);
  if (done) done = files.sync_directory(journal);
  return done;
}

// Somebody began a new name and was cut off: nothing was signed under it.
bool was_begun(FileSystem& files, const Config& config, const LastSigned& last,
               const std::optional<std::string>& old) {
  const auto note = read_checkpoint(files, config.path);
  return old && last.state() && (last.state()->origin != *old || last.state()->size == 0) && note &&
         !*note;
}

Result<std::string> new_name(FileSystem& files, const Config& config, const LastSigned& last,
                             const std::string& name) {
  std::optional<std::string> old = read_origin(files, config.path);
  if (was_begun(files, config, last, old)) old.reset();
  std::string origin = name.empty() ? config.origin : name;
  if (origin.empty() || origin == old) origin = "sallyport.local/" + random_base62(16);
  const bool same =
      origin == old || (last.state() && last.state()->size > 0 && last.state()->origin == origin);
  if (same || (!name.empty() && name == old)) {
    return fail(Code::kDenied, "a new name must be another one than " + origin);
  }
  if (!good_origin(origin)) {
    return fail(Code::kInvalid, "an origin is host and path without scheme");
  }
  if (!config.origin.empty() && config.origin != origin) {
    return fail(Code::kInvalid,
                "audit.origin says " + config.origin + "; write the new name there first");
  }
  return origin;
}

Result<Accepted> begin_again(FileSystem& files, const Config& config, LastSigned& last,
                             const std::string& name, const RecordAccepted& record) {
  const auto floor = read_min_index(files, config.path);
  if (!floor) return std::unexpected(floor.error());
  if (*floor > 0) {
    return fail(Code::kDenied,
                "its first records were pruned and cannot be signed under another name; move the "
                "journal and " +
                    last.path() + " away, and a new log begins");
  }
  const auto origin = new_name(files, config, last, name);
  if (!origin) return std::unexpected(origin.error());
  auto key = key_of(files, config, *origin);
  if (!key) return std::unexpected(key.error());
  Accepted accepted{.origin = *origin,
                    .size = 0,
                    .key = key->verifier().text(),
                    .note = "a new origin was begun"};
  Result<void> done = record(accepted);
  if (done) done = retire(files, config.path);
  if (done) done = write_origin(files, config.path, *origin);
  if (done) {
    done = last.replace({.origin = *origin, .size = 0, .root = empty_root(), .key = accepted.key});
  }
  if (!done) return std::unexpected(done.error());
  return accepted;
}

Result<Accepted> go_on(FileSystem& files, const Config& config, LastSigned& last,
                       const RecordAccepted& record) {
  const auto note = read_checkpoint(files, config.path);
  if (!note) return std::unexpected(note.error());
  if (!*note) return fail(Code::kNotFound, "the log has no checkpoint; there is nothing to accept");
  const auto parsed = Note::parse(**note);
  if (!parsed) return fail(Code::kDenied, "the checkpoint: " + parsed.error().what);
  const auto checkpoint = Checkpoint::parse(parsed->text);
  if (!checkpoint) return fail(Code::kDenied, "the checkpoint: " + checkpoint.error().what);
  auto history = KeyHistory::read(files, config.path);
  if (!history) return std::unexpected(history.error());
  const auto verified = verify_note(**note, history->in_force(checkpoint->size));
  if (!verified) return fail(Code::kDenied, "the checkpoint: " + verified.error().what);
  if (last.state() && last.state()->origin == checkpoint->origin &&
      last.state()->size > checkpoint->size) {
    return fail(Code::kDenied,
                "more records were signed than this log's checkpoint has; under its "
                "name nothing may be signed again. --new-origin begins another");
  }
  const Result<void> rebuilt =
      rebuild_tiles(files, config.path, checkpoint->size, checkpoint->root);
  if (!rebuilt) return std::unexpected(rebuilt.error());

  auto key = key_of(files, config, checkpoint->origin);
  if (!key) return std::unexpected(key.error());
  const std::string vkey = key->verifier().text();
  Accepted accepted{.origin = checkpoint->origin,
                    .size = checkpoint->size,
                    .key = vkey,
                    .note = "the checkpoint was taken as what was signed last"};
  const bool rekeyed = history->current() == nullptr || history->current()->text() != vkey;
  if (rekeyed) accepted.note += ", with another key";
  Result<void> done = record(accepted);
  if (done && rekeyed) {
    history->rotate(key->verifier(), checkpoint->size);
    done = history->write(files, config.path);
  }
  if (done) {
    done = last.replace({.origin = checkpoint->origin,
                         .size = checkpoint->size,
                         .root = checkpoint->root,
                         .key = vkey});
  }
  if (!done) return std::unexpected(done.error());
  return accepted;
}

}  // namespace

Result<Accepted> accept_state(FileSystem& files, const Config& config,
                              const std::optional<std::string>& new_origin,
                              const RecordAccepted& record) {
  auto last = LastSigned::open(files, *config.last_signed);
  if (!last && last.error().code == Code::kCorrupt) {
    // An unreadable state says nothing; it is put aside for whoever wants to look.
    const Result<void> moved = files.rename(*config.last_signed, *config.last_signed + ".damaged");
    if (!moved) return std::unexpected(moved.error());
    last = LastSigned::open(files, *config.last_signed);
  }
  if (!last) return std::unexpected(last.error());
  if (new_origin) return begin_again(files, config, *last, *new_origin, record);
  return go_on(files, config, *last, record);
}

Event accepted_event(const Accepted& accepted, UtcTime now, const std::string& actor) {
  Event event;
  event.timestamp_utc = now;
  event.kind = Kind::kAction;
  event.action = "audit_state_accepted";
  event.actor = actor;
  std::string detail;
  JsonWriter(detail)
      .begin_object()
      .field("origin", accepted.origin)
      .field("size", accepted.size)
      .field("new", accepted.key)
      .field("note", accepted.note)
      .end_object();
  event.detail = std::move(detail);
  return event;
}

}  // namespace sallyport::audit
