// SPDX-License-Identifier: Apache-2.0
#include "audit/verify.h"

#include <algorithm>
#include <deque>
#include <future>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "audit/min_index.h"
#include "audit/segment.h"
#include "audit/segment_scan.h"
#include "audit/verify_tree.h"

namespace sallyport::audit {
namespace {

// Outcomes are remembered by the hash of their request, in 16 bytes or so each; when there are
// more, the check for a second outcome begins anew.
constexpr std::size_t kOutcomesMax = 16'000'000;

// Prunes are hours apart. When the bound moves under as many looks, what the last one found is
// told.
constexpr int kLooks = 4;

// A set of hashes, open addressing; it never shrinks.
class HashSet {
 public:
  bool contains(std::uint64_t hash) const { return slots_[place_of(hash)] == used(hash); }
  bool insert(std::uint64_t hash) {  // false: it was there
    std::uint64_t& slot = slots_[place_of(hash)];
    if (slot == used(hash)) return false;
    slot = used(hash);
    if (++count_ * 2 > slots_.size()) grow();
    return true;
  }
  std::size_t size() const { return count_; }
  void clear() {
    std::ranges::fill(slots_, 0);
    count_ = 0;
  }

 private:
  static std::uint64_t used(std::uint64_t hash) { return hash == 0 ? 1 : hash; }
  std::size_t place_of(std::uint64_t hash) const {
    std::size_t at = used(hash) & (slots_.size() - 1);
    while (slots_[at] != 0 && slots_[at] != used(hash)) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<std::uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    for (const std::uint64_t hash : old) {
      if (hash != 0) slots_[place_of(hash)] = hash;
    }
  }
  std::vector<std::uint64_t> slots_ = std::vector<std::uint64_t>(1'024);
  std::size_t count_ = 0;
};

// Puts together what the segments gave, in the order of the log.
class Walk {
 public:
  Walk(VerifyReport& report, TreeCheck& tree, const MinIndex& bound)
      : report_(report), tree_(tree), bound_(bound) {}

  void segment(SegmentScan scan) {
    if (report_.segments++ == 0) {
      report_.first_seq = next_ = scan.id.first_seq;
      if (next_ != bound_.index + 1) report_.problem(next_, "the segments before are missing");
    }
    if (scan.id.first_seq != next_) report_.problem(next_, "the segment begins at another seq");
    if (!scan.first_time.empty() && scan.first_time < last_time_) {
      report_.problem(scan.id.first_seq, "its time is before that of the record before");
    }
    if (!scan.last_time.empty()) last_time_ = scan.last_time;
    report_.records += scan.leaves.size();
    for (const TreeHash& leaf : scan.leaves) tree_.leaf(leaf);
    for (const SegmentScan::Step& step : scan.steps) take(step);
    for (Problem& problem : scan.found.problems) {
      report_.problem(problem.seq, std::move(problem.what));
    }
    report_.problems_found += scan.found.problems_found - scan.found.problems.size();
    std::ranges::move(scan.new_keys, std::back_inserter(new_keys_));
    pruned_ = pruned_ || std::ranges::find(scan.prunes, bound_) != scan.prunes.end();
    next_ = scan.end_seq;
    if (scan.id.next_seq && next_ != *scan.id.next_seq) {
      report_.problem(next_, "damaged or missing in segment " + segment_name(scan.id.first_seq));
      next_ = *scan.id.next_seq;
    }
    if (!scan.id.next_seq) report_.torn_bytes = scan.torn_bytes;
  }

  // Every key but the first was told in the log before it signed, and the key before it signed the
  // checkpoint at which it took over. One that an operator brought has no such signature.
  void keys(const Signed& was_signed) {
    const auto& terms = was_signed.keys.terms();
    for (std::size_t i = 1; i < terms.size(); ++i) {
      const KeyTerm& term = terms[i];
      const bool handed_over = was_signed.handed_over[i];
      if (accepted(term, was_signed) && !handed_over) {
        ++report_.accepted_keys;
        continue;
      }
      // Of what was pruned the state is the only witness left: no more than of an accepted key.
      const bool gone = term.from <= bound_.index;
      if (!handed_over && gone && was_signed.state && was_signed.state->size >= term.from) {
        ++report_.accepted_keys;
        continue;
      }
      if (!handed_over) {
        report_.problem(term.from, "vkeys: the key " + term.key.text() +
                                       " took over without the signature of the one before it");
      }
      // The record lies before the term and may be pruned where the term is not; the signature of
      // the key before says more than it.
      const bool record_may_be_gone = gone || (handed_over && bound_.index > 0);
      if (!record_may_be_gone && !told(term, was_signed)) {
        report_.problem(term.from, "vkeys: no record tells of the key " + term.key.text());
      }
    }
  }

  // What was pruned was so by a record that is signed: else anyone could write min_index.
  void bound(std::uint64_t signed_size) {
    if (bound_.index == 0 || (pruned_ && bound_.seq <= signed_size)) return;
    report_.problem(bound_.index,
                    "min_index says that so many records were pruned; no signed "
                    "record tells of it");
  }

  void end() {
    report_.last_seq = next_ == 0 ? 0 : next_ - 1;
    report_.open_intents = open_.size();
    tree_.end();
  }

 private:
  bool told(const KeyTerm& term, const Signed& was_signed) const {
    return std::ranges::any_of(new_keys_, [&](const SegmentScan::KeyWord& word) {
      return word.key == term.key.text() && word.seq <= was_signed.size() &&
             (word.seq <= term.from || word.accepted_at);
    });
  }
  // Its record may be too new to be signed; then the state must say the same.
  bool accepted(const KeyTerm& term, const Signed& was_signed) const {
    const bool in_state = was_signed.state && was_signed.state->key == term.key.text();
    return std::ranges::any_of(new_keys_, [&](const SegmentScan::KeyWord& word) {
      return word.key == term.key.text() && word.accepted_at == term.from &&
             (word.seq <= was_signed.size() || in_state);
    });
  }
  void take(const SegmentScan::Step& step) {
    if (step.intent) {
      if (outcomes_.contains(step.request)) {
        report_.problem(step.seq, "an intent after its outcome");
      }
      if (!open_.insert(step.request).second) {
        report_.problem(step.seq, "a second intent of one request");
      }
      return;
    }
    open_.erase(step.request);
    if (outcomes_.size() >= kOutcomesMax) outcomes_.clear();
    if (!outcomes_.insert(step.request)) {
      report_.problem(step.seq, "a second outcome of one request");
    }
  }

  VerifyReport& report_;
  TreeCheck& tree_;
  MinIndex bound_;
  std::uint64_t next_ = 0;
  std::string last_time_;
  std::unordered_set<std::uint64_t> open_;
  HashSet outcomes_;
  std::vector<SegmentScan::KeyWord> new_keys_;
  bool pruned_ = false;  // a record tells what min_index does
};

std::uint64_t bytes_of(FileSystem& files, const std::string& journal,
                       const std::vector<SegmentId>& segments) {
  std::uint64_t total = 0;
  for (const SegmentId& id : segments) {
    total += files.size(segment_directory(journal) + "/" + segment_name(id.first_seq)).value_or(0);
  }
  return total;
}

// The bound was read before: what is signed now includes the record that tells of it.
Result<VerifyReport> verify_once(FileSystem& files, const std::string& journal,
                                 const VerifyOptions& options, const Result<MinIndex>& found) {
  VerifyReport report;
  // What was signed is read before the records, which can only have become more since.
  std::vector<SignedRoot> roots;
  const Signed was_signed = check_signed(files, journal, options, report, roots);
  if (!found) report.problem(0, found.error().what);
  const MinIndex bound = found.value_or(MinIndex());
  Result<std::vector<SegmentId>> segments = list_segments(files, journal);
  if (!segments) return std::unexpected(segments.error());
  // What a crash left of segments that were being deleted.
  std::erase_if(*segments, [&](const SegmentId& id) {
    return id.next_seq && *id.next_seq <= bound.index + 1;
  });
  const std::uint64_t total = bytes_of(files, journal, *segments);

  TreeCheck tree(files, journal, bound.index, was_signed.size(), std::move(roots), report);
  Walk walk(report, tree, bound);
  const auto ahead = static_cast<std::size_t>(std::max(options.threads, 1));
  const auto policy = ahead == 1 ? std::launch::deferred : std::launch::async;
  std::deque<std::future<Result<SegmentScan>>> scans;
  std::size_t begun = 0;
  std::uint64_t done = 0;
  while (begun < segments->size() || !scans.empty()) {
    while (begun < segments->size() && scans.size() < ahead) {
      const SegmentId id = (*segments)[begun++];
      scans.push_back(std::async(policy, [&files, &journal, id, trusted = was_signed.size()] {
        return scan_segment(files, journal, id, trusted);
      }));
    }
    Result<SegmentScan> scan = scans.front().get();
    scans.pop_front();
    if (!scan) return std::unexpected(scan.error());
    done += scan->file_bytes;
    walk.segment(std::move(*scan));
    if (options.progress) options.progress(done, std::max(total, done));
  }
  walk.keys(was_signed);
  walk.bound(was_signed.size());
  walk.end();
  return report;
}

}  // namespace

Result<VerifyReport> verify(FileSystem& files, const std::string& journal,
                            const VerifyOptions& options) {
  Result<MinIndex> bound = read_pruned(files, journal);
  for (int looks = 1;; ++looks) {
    Result<VerifyReport> report = verify_once(files, journal, options, bound);
    if (looks == kLooks || (report && report->ok())) return report;
    // A prune moves the bound before it deletes: what is missing since then is no damage.
    Result<MinIndex> now = read_pruned(files, journal);
    const bool moved = now && (!bound || *now != *bound);
    if (!moved) return report;
    bound = std::move(now);
  }
}

Result<VerifyReport> verify(const std::string& journal, const VerifyOptions& options) {
  PosixFileSystem files;
  return verify(files, journal, options);
}

}  // namespace sallyport::audit
