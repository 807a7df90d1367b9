// SPDX-License-Identifier: Apache-2.0
#include "audit/prove.h"

#include <algorithm>
#include <utility>

#include "audit/checkpoint_files.h"
#include "audit/follower.h"
#include "audit/line.h"
#include "audit/log_keys.h"
#include "audit/min_index.h"
#include "audit/reader.h"
#include "audit/tiles.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

struct Newest {
  std::string note;
  Checkpoint checkpoint;
  std::vector<VerifierKey> keys;
};

Result<Checkpoint> verified_checkpoint(std::string_view note,
                                       const std::vector<VerifierKey>& keys) {
  const auto verified = verify_note(note, keys);
  if (!verified) return std::unexpected(verified.error());
  return Checkpoint::parse(verified->text);
}

Result<Checkpoint> believe(FileSystem& files, const std::string& journal, const std::string& note,
                           std::vector<VerifierKey>& keys) {
  const auto parsed = Note::parse(note);
  if (!parsed) return std::unexpected(parsed.error());
  const auto claimed = Checkpoint::parse(parsed->text);
  if (!claimed) return claimed;
  const auto history = KeyHistory::read(files, journal);
  if (!history) return std::unexpected(history.error());
  keys = history->in_force(claimed->size);
  return verified_checkpoint(note, keys);
}

Result<Newest> newest_of(FileSystem& files, const std::string& journal) {
  auto note = read_checkpoint(files, journal);
  if (!note) return std::unexpected(note.error());
  if (!*note) return fail(Code::kUnavailable, "the log has no checkpoint yet");
  Newest newest{.note = std::move(**note), .checkpoint = {}, .keys = {}};
  auto checkpoint = believe(files, journal, newest.note, newest.keys);
  if (!checkpoint) return fail(Code::kCorrupt, "the checkpoint: " + checkpoint.error().what);
  newest.checkpoint = std::move(*checkpoint);
  return newest;
}

Result<std::string> record_of(FileSystem& files, const std::string& journal, std::uint64_t seq) {
  Follower follower(files, journal, seq);
  std::string line;
  const auto read = follower.read(seq, 1, [&](const Record& record) {
    line = record.line;
    return true;
  });
  if (!read) return std::unexpected(read.error());
  return line;
}

}  // namespace

Result<RecordProof> prove_record(FileSystem& files, const std::string& journal, std::uint64_t seq) {
  const auto newest = newest_of(files, journal);
  if (!newest) return std::unexpected(newest.error());
  const Checkpoint& checkpoint = newest->checkpoint;
  if (seq == 0) return fail(Code::kNotFound, "records are counted from 1");
  if (seq <= read_min_index(files, journal).value_or(0)) {
    return fail(Code::kNotFound, "record " + std::to_string(seq) + " was pruned");
  }
  auto record = record_of(files, journal, seq);
  if (!record && seq > checkpoint.size) {
    return fail(Code::kNotFound, "the log has no record " + std::to_string(seq));
  }
  if (!record) return std::unexpected(record.error());
  if (seq > checkpoint.size) {
    return fail(Code::kUnavailable, "record " + std::to_string(seq) + " is not signed yet");
  }
  TileReader tiles(files, journal, checkpoint.size);
  const auto proof = prove_inclusion(tiles, seq - 1, checkpoint.size);
  if (!proof) return fail(Code::kCorrupt, "the tiles: " + proof.error().what);
  const ProofFile file{.index = seq - 1, .proof = *proof, .checkpoint = newest->note};
  RecordProof made{.seq = seq, .record = std::move(*record), .proof = file.text()};
  const auto holds = check_proof(made.proof, made.record, newest->keys);
  if (!holds)
    return fail(Code::kCorrupt, "the proof of this log does not hold: " + holds.error().what);
  return made;
}

Result<std::vector<std::uint64_t>> find_request(FileSystem& files, const std::string& journal,
                                                std::string_view request_id) {
  const auto reader = Reader::open(files, journal);
  if (!reader) return std::unexpected(reader.error());
  std::vector<std::uint64_t> seqs;
  const Result<void> read = reader->each(Order::kNewestFirst, {}, [&](const Record& record) {
    if (line_request_id(record.line) != request_id) return true;
    seqs.push_back(record.seq);
    return line_kind(record.line) != "intent";  // nothing of it lies before
  });
  if (!read && seqs.empty()) return std::unexpected(read.error());
  if (seqs.empty()) {
    return fail(Code::kNotFound, "no record of request " + std::string(request_id));
  }
  std::ranges::sort(seqs);
  return seqs;
}

Result<std::uint64_t> check_proof(std::string_view proof_file, std::string_view record,
                                  const std::vector<VerifierKey>& keys) {
  const auto file = ProofFile::parse(proof_file);
  if (!file) return std::unexpected(file.error());
  const auto checkpoint = verified_checkpoint(file->checkpoint, keys);
  if (!checkpoint) return std::unexpected(checkpoint.error());
  // A log signs under its own name; a witness alone does not make a checkpoint.
  const auto verified = verify_note(file->checkpoint, keys);
  const bool by_log = std::ranges::any_of(verified->by, [&](const VerifierKey& key) {
    return key.type == SignatureType::kEd25519 && key.name == checkpoint->origin;
  });
  if (!by_log) return fail(Code::kDenied, "no key of " + checkpoint->origin + " signed it");
  if (!verify_inclusion(file->index, checkpoint->size, leaf_hash(record), file->proof,
                        checkpoint->root)) {
    return fail(Code::kDenied, "the record is not the one at this place of the log");
  }
  return file->index + 1;
}

Result<ConsistencyProof> prove_extension(FileSystem& files, const std::string& journal,
                                         std::uint64_t old_size, std::uint64_t new_size) {
  if (old_size == 0 || old_size > new_size) {
    return fail(Code::kInvalid, "a larger checkpoint extends a smaller one, of 1 record or more");
  }
  ConsistencyProof made;
  std::vector<Checkpoint> checkpoints;
  for (const auto& [size, into] :
       {std::pair{old_size, &made.old_note}, std::pair{new_size, &made.new_note}}) {
    auto note = find_checkpoint(files, journal, size);
    if (!note) return std::unexpected(note.error());
    if (!*note) {
      return fail(Code::kNotFound,
                  "there is no checkpoint of " + std::to_string(size) + " records");
    }
    std::vector<VerifierKey> keys;
    auto checkpoint = believe(files, journal, **note, keys);
    if (!checkpoint) return fail(Code::kCorrupt, "a checkpoint: " + checkpoint.error().what);
    checkpoints.push_back(std::move(*checkpoint));
    *into = std::move(**note);
  }
  const auto newest = newest_of(files, journal);
  const std::uint64_t readable = newest ? std::max(newest->checkpoint.size, new_size) : new_size;
  TileReader tiles(files, journal, readable);
  auto proof = prove_consistency(tiles, old_size, new_size);
  if (!proof) return fail(Code::kCorrupt, "the tiles: " + proof.error().what);
  made.proof = std::move(*proof);
  if (!verify_consistency(old_size, new_size, checkpoints[0].root, checkpoints[1].root,
                          made.proof)) {
    return fail(Code::kCorrupt, "the newer checkpoint does not extend the older one");
  }
  return made;
}

std::vector<std::string> proof_lines(const Proof& proof) {
  std::vector<std::string> lines;
  for (const TreeHash& hash : proof) {
    lines.push_back(base64_encode({reinterpret_cast<const char*>(hash.data()), hash.size()}));
  }
  return lines;
}

}  // namespace sallyport::audit
