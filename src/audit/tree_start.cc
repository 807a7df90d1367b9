// SPDX-License-Identifier: Apache-2.0
#include "audit/tree_start.h"

#include <algorithm>
#include <utility>

#include "audit/checkpoint.h"
#include "audit/checkpoint_files.h"
#include "audit/follower.h"
#include "audit/min_index.h"
#include "audit/segment.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kPieceBytes = 1u << 20;

std::unexpected<Error> refuse(const std::string& what, const std::string& remedy) {
  return fail(Code::kDenied, "the audit log is not signed: " + what + ". " + remedy);
}

std::unexpected<Error> older_copy(std::uint64_t has, std::uint64_t is_signed) {
  return refuse("it has " + std::to_string(has) + " records, but " + std::to_string(is_signed) +
                    " were signed; an older copy of it was put back",
                "Put the newest copy back, or begin a new name for what follows: sallyport audit "
                "accept-state --new-origin");
}

std::unexpected<Error> fork(std::uint64_t size) {
  return refuse("its first " + std::to_string(size) +
                    " records are not those that were signed; it is another history, or damaged",
                "sallyport audit verify tells where; sallyport audit accept-state --new-origin "
                "begins a new name for what is there");
}

// Gives the leaves of the records [from, to], 1-based. How many there were.
Result<std::uint64_t> each_leaf(FileSystem& files, const std::string& journal, std::uint64_t from,
                                std::uint64_t to,
                                const std::function<Result<void>(const TreeHash&)>& take) {
  Follower follower(files, journal, from);
  Result<void> taken;
  while (follower.next_seq() <= to) {
    const auto read = follower.read(to, kPieceBytes, [&](const Record& record) {
      taken = take(leaf_hash(record.line));
      return taken.has_value();
    });
    if (!taken) return std::unexpected(taken.error());
    if (!read && read.error().code == Code::kUnavailable) return std::unexpected(read.error());
    if (!read) break;
  }
  return follower.next_seq() - from;
}

// The edge of the tree over the records that are not kept any more, out of their tiles.
Result<TreeEdge> edge_below(FileSystem& files, const std::string& journal, std::uint64_t size) {
  std::vector<TreeHash> complete;
  for (int level = kTileLevels - 1; level >= 0; --level) {
    const std::uint64_t row = tile_row(level, size);
    const std::size_t width = row % kTileHashes;
    if (width == 0) continue;
    const auto hashes = row_of(files, journal, level, row / kTileHashes, width);
    if (!hashes) return std::unexpected(hashes.error());
    TreeEdge edge;
    for (const TreeHash& hash : *hashes) edge.append(hash);
    complete.insert(complete.end(), edge.complete().begin(), edge.complete().end());
  }
  return TreeEdge::of(size, std::move(complete));
}

// The newest records are those whose hashes stand in the newest tile.
Result<bool> newest_records_fit(FileSystem& files, const std::string& journal, std::uint64_t size,
                                std::uint64_t& has) {
  const std::uint64_t floor = read_min_index(files, journal).value_or(0);
  const std::uint64_t from = std::max((size - 1) / kTileHashes * kTileHashes, floor);
  TileReader tiles(files, journal, size);
  bool same = true;
  std::uint64_t at = from;
  const auto count =
      each_leaf(files, journal, from + 1, size, [&](const TreeHash& leaf) -> Result<void> {
        const Result<TreeHash> wanted = tiles.leaf(at++);
        same = same && wanted && *wanted == leaf;
        return {};
      });
  if (!count) return std::unexpected(count.error());
  has = from + *count;
  return same;
}

// The tree at the size that was signed last, or why there is none.
Result<std::unique_ptr<TileWriter>> tree_of(FileSystem& files, const std::string& journal,
                                            const SignedState& state, bool& rebuilt) {
  auto tree = std::make_unique<TileWriter>(files, journal);
  if (state.size == 0) return tree;
  std::uint64_t has = 0;
  const Result<bool> fit = newest_records_fit(files, journal, state.size, has);
  if (!fit) return std::unexpected(fit.error());
  if (has < state.size) {
    const Result<std::uint64_t> all = count_records(files, journal);
    return older_copy(all.value_or(has), state.size);
  }
  if (tree->begin(state.size) && tree->root() == state.root && *fit) return tree;
  const Result<void> made = rebuild_tiles(files, journal, state.size, state.root);
  if (!made) return std::unexpected(made.error());
  rebuilt = true;
  const Result<void> begun = tree->begin(state.size);
  if (!begun) return std::unexpected(begun.error());
  if (tree->root() != state.root) return fork(state.size);
  return tree;
}

Result<void> check_published(FileSystem& files, const Config& config,
                             const std::optional<SignedState>& state) {
  const auto note = read_checkpoint(files, config.path);
  if (!note) return std::unexpected(note.error());
  if (!*note) return {};
  const auto parsed = Note::parse(**note);
  const auto published = parsed ? Checkpoint::parse(parsed->text)
                                : Result<Checkpoint>(std::unexpected(parsed.error()));
  if (!state) {
    return refuse("it has a checkpoint, but " + *config.last_signed + " is missing",
                  "Put that file back; if it is lost for good: sallyport audit accept-state");
  }
  // A checkpoint that cannot be read is made again from the state.
  if (published && published->origin == state->origin && published->size > state->size) {
    return refuse("its checkpoint has " + std::to_string(published->size) + " records, " +
                      *config.last_signed + " only " + std::to_string(state->size) +
                      "; that file is an older copy",
                  "Put its newest copy back; if it is lost for good: sallyport audit accept-state");
  }
  return {};
}

}  // namespace

void fill_paths(Config& config, const std::string& folder) {
  const std::string base = folder + "/" + name_of(config.path);
  if (!config.last_signed) config.last_signed = base + ".last_signed";
  if (!config.signing_key) config.signing_key = base + ".signing_key";
  if (!config.seal_key) config.seal_key = base + ".seal_key";
}

std::string next_key_path(const Config& config) { return *config.signing_key + ".next"; }

Result<std::shared_ptr<const Secret>> signing_seed(FileSystem& files, const Config& config,
                                                   bool make) {
  if (config.signing_seed) return decode_seed(*config.signing_seed);
  auto seed = read_seed(*config.signing_key);
  if (seed || seed.error().code != Code::kNotFound || !make) return seed;
  return make_seed(files, *config.signing_key);
}

Result<std::uint64_t> count_records(FileSystem& files, const std::string& journal) {
  const auto segments = list_segments(files, journal);
  if (!segments && segments.error().code == Code::kNotFound) return std::uint64_t{0};
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty()) return std::uint64_t{0};
  const auto last = Segment::load(files, journal, segments->back());
  if (!last) return std::unexpected(last.error());
  return last->end_seq() - 1;
}

Result<void> rebuild_tiles(FileSystem& files, const std::string& journal, std::uint64_t size,
                           const TreeHash& root) {
  const std::uint64_t floor = read_min_index(files, journal).value_or(0);
  Result<TreeEdge> edge = edge_below(files, journal, floor);
  if (!edge) return std::unexpected(edge.error());
  const auto grown = each_leaf(files, journal, floor + 1, size, [&](const TreeHash& leaf) {
    edge->append(leaf);
    return Result<void>();
  });
  if (!grown) return std::unexpected(grown.error());
  if (edge->size() != size || edge->root() != root) return fork(size);

  // It is the log that was signed; only now anything is written.
  TileWriter writer(files, journal);
  writer.keep_equal_tiles(true);
  const std::uint64_t base = floor / kTileHashes * kTileHashes;
  Result<void> done = writer.begin_from(base, [&](int level, std::uint64_t index, std::size_t w) {
    return row_of(files, journal, level, index, w);
  });
  if (done && floor > base) {
    const auto below = row_of(files, journal, 0, base / kTileHashes, floor - base);
    if (!below) return std::unexpected(below.error());
    for (const TreeHash& leaf : *below) {
      if (done) done = writer.append(leaf);
    }
  }
  if (!done) return done;
  const auto again = each_leaf(files, journal, floor + 1, size,
                               [&](const TreeHash& leaf) { return writer.append(leaf); });
  if (!again) return std::unexpected(again.error());
  return writer.publish();
}

namespace {

// The key that signs, and the one a rotation was about to bring.
Result<void> find_keys(FileSystem& files, const Config& config, TreeStart& start) {
  const std::string own = start.key.verifier().text();
  if (config.signing_seed) return {};
  auto next_seed = read_seed(next_key_path(config));
  if (!next_seed && next_seed.error().code == Code::kNotFound) return {};
  if (!next_seed) return std::unexpected(next_seed.error());
  auto next = SigningKey::make(start.origin, std::move(*next_seed));
  if (!next) return std::unexpected(next.error());
  const VerifierKey* const current = start.keys.current();
  if (current == nullptr || current->text() != next->verifier().text()) {
    start.next_key = std::move(*next);
    return {};
  }
  // The history already says that the new key follows: the rotation is finished.
  const Result<void> moved = files.rename(next_key_path(config), *config.signing_key);
  if (!moved) return moved;
  start.key = std::move(*next);
  return files.sync_directory(directory_of(*config.signing_key));
}

// A new key may follow the one that signed last exactly where both signed.
Result<void> check_key(FileSystem& files, const std::string& journal, const TreeStart& start,
                       const SignedState& state) {
  const std::string own = start.key.verifier().text();
  if (own == state.key) return {};
  const auto& terms = start.keys.terms();
  if (terms.size() >= 2 && terms.back().key.text() == own && terms.back().from == state.size &&
      terms[terms.size() - 2].key.text() == state.key) {
    bool both = false;
    const Result<void> read = each_kept_checkpoint(files, journal, [&](std::string_view note) {
      const auto parsed = Note::parse(note);
      const auto checkpoint = parsed ? Checkpoint::parse(parsed->text) : fail(Code::kInvalid, "");
      both = checkpoint && checkpoint->size == state.size && checkpoint->root == state.root &&
             signed_by_both(note, terms[terms.size() - 2].key, terms.back().key);
      return !both;
    });
    if (!read) return read;
    if (both) return {};
  }
  return refuse("the signing key is " + own + ", but it was signed with " + state.key,
                "Put the old key back and use sallyport audit rotate-key; if it is lost: "
                "sallyport audit accept-state");
}

// The leaf of the record that the bound names, if it is one of a prune that says the same.
Result<std::optional<TreeHash>> leaf_of_prune(FileSystem& files, const std::string& journal,
                                              const MinIndex& bound) {
  std::optional<TreeHash> leaf;
  Follower follower(files, journal, bound.seq);
  const auto read = follower.read(bound.seq, 1, [&](const Record& record) {
    if (pruned_to(record.line) == bound.index) leaf = leaf_hash(record.line);
    return true;
  });
  if (!read && read.error().code == Code::kUnavailable) return std::unexpected(read.error());
  return leaf;
}

bool is_leaf(FileSystem& files, const std::string& journal, const SignedState& state,
             std::uint64_t seq, const TreeHash& leaf) {
  TileReader tiles(files, journal, state.size);
  const auto proof = prove_inclusion(tiles, seq - 1, state.size);
  return proof && verify_inclusion(seq - 1, state.size, leaf, *proof, state.root);
}

// The bound of what was pruned is believed when a record under the signed root tells of it.
Result<void> check_bound(FileSystem& files, const std::string& journal,
                         const std::optional<SignedState>& state, bool& rebuilt) {
  const auto bound = read_pruned(files, journal);
  if (!bound) return std::unexpected(bound.error());
  if (bound->index == 0) return {};
  if (state && bound->seq <= state->size) {
    const auto leaf = leaf_of_prune(files, journal, *bound);
    if (!leaf) return std::unexpected(leaf.error());
    if (*leaf && is_leaf(files, journal, *state, bound->seq, **leaf)) return {};
    // A tile on the way may be damaged; the records still say what it was.
    if (*leaf && rebuild_tiles(files, journal, state->size, state->root)) {
      rebuilt = true;
      if (is_leaf(files, journal, *state, bound->seq, **leaf)) return {};
    }
  }
  return refuse("its file min_index says that the first " + std::to_string(bound->index) +
                    " records were pruned, and no signed record tells of that",
                "Put these segments back from a copy and remove that file; sallyport audit verify "
                "tells what is missing");
}

}  // namespace

Result<TreeStart> start_tree(FileSystem& files, const Config& config) {
  Result<void> made = files.make_directory(config.path);
  if (!made) return std::unexpected(made.error());
  auto last = LastSigned::open(files, *config.last_signed);
  if (!last) return std::unexpected(std::move(last.error()));
  const std::optional<SignedState> state = last->state();
  const Result<void> published = check_published(files, config, state);
  if (!published) return std::unexpected(published.error());

  if (state && !read_origin(files, config.path)) {
    return refuse("it has no name, but " + *config.last_signed + " knows a log " + state->origin +
                      "; the journal was moved away or removed",
                  "Put it back, or begin a new one: sallyport audit accept-state --new-origin");
  }
  auto origin = log_origin(files, config.path, config.origin, !state);
  if (!origin) return std::unexpected(std::move(origin.error()));
  if (state && state->origin != *origin) {
    return refuse("it is " + *origin + ", but what was signed here is " + state->origin,
                  "Put the journal of that name back, or: sallyport audit accept-state "
                  "--new-origin");
  }
  auto seed = signing_seed(files, config, !state);
  if (!seed && seed.error().code == Code::kNotFound) {
    return refuse("its signing key " + *config.signing_key + " is missing",
                  "Put it back; if it is lost: sallyport audit accept-state");
  }
  if (!seed) return std::unexpected(std::move(seed.error()));
  auto key = SigningKey::make(*origin, std::move(*seed));
  if (!key) return std::unexpected(std::move(key.error()));
  auto keys = KeyHistory::read(files, config.path);
  if (!keys) return std::unexpected(std::move(keys.error()));

  TreeStart start{.last = std::move(*last),
                  .origin = std::move(*origin),
                  .key = std::move(*key),
                  .keys = std::move(*keys),
                  .next_key = {},
                  .tree = std::make_unique<TileWriter>(files, config.path)};
  const Result<void> found = find_keys(files, config, start);
  if (!found) return std::unexpected(found.error());
  if (!state) {
    const Result<void> whole = check_bound(files, config.path, state, start.rebuilt);
    if (!whole) return std::unexpected(whole.error());
    return start;
  }
  const Result<void> known = check_key(files, config.path, start, *state);
  if (!known) return std::unexpected(known.error());
  auto tree = tree_of(files, config.path, *state, start.rebuilt);
  if (!tree) return std::unexpected(std::move(tree.error()));
  start.tree = std::move(*tree);
  const Result<void> bound = check_bound(files, config.path, state, start.rebuilt);
  if (!bound) return std::unexpected(bound.error());
  return start;
}

}  // namespace sallyport::audit
