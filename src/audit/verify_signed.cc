// SPDX-License-Identifier: Apache-2.0
// What can be said of checkpoints without the records.
#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <unordered_set>
#include <utility>

#include "audit/checkpoint_files.h"
#include "audit/verify_tree.h"

namespace sallyport::audit {
namespace {

// While the server signs, its state is ahead of what is published for some milliseconds.
constexpr int kLooks = 10;
constexpr std::chrono::milliseconds kBetweenLooks{20};

Result<Checkpoint> checkpoint_of(const std::string& note) {
  const auto parsed = Note::parse(note);
  if (!parsed) return std::unexpected(parsed.error());
  return Checkpoint::parse(parsed->text);
}

// The key in force and the one that signed last must be one; the old one may have, if it was at the
// very checkpoint that both signed.
std::string wrong_key(const Signed& now) {
  if (!now.state) return "";
  if (now.published && now.published->origin != now.state->origin) {
    return "the checkpoint is of " + now.published->origin + ", what was signed of " +
           now.state->origin;
  }
  const VerifierKey* const current = now.keys.current();
  if (current != nullptr && current->text() == now.state->key) return "";
  const auto& terms = now.keys.terms();
  const bool rotating = terms.size() >= 2 && now.handed_over.back() &&
                        terms[terms.size() - 2].key.text() == now.state->key &&
                        terms.back().from == now.state->size;
  return rotating ? "" : "vkeys: the key in force is not the one that signed last";
}

void find_handed_over(Signed& now) {
  const auto& terms = now.keys.terms();
  now.handed_over.assign(terms.size(), false);
  if (terms.size() < 2) return;
  for (const std::string& note : now.notes) {
    const auto checkpoint = checkpoint_of(note);
    for (std::size_t i = 1; checkpoint && i < terms.size(); ++i) {
      if (terms[i].from != checkpoint->size || now.handed_over[i]) continue;
      now.handed_over[i] = signed_by_both(note, terms[i - 1].key, terms[i].key);
    }
  }
}

// What stands on the disk now; false: not all of it is of one moment, or it contradicts itself.
// What is written first is read last, so that what is signed in between is no contradiction.
bool look(FileSystem& files, const std::string& journal, const VerifyOptions& options,
          VerifyReport& report, Signed& now) {
  auto keys = KeyHistory::read(files, journal);
  if (keys) now.keys = std::move(*keys);
  if (!keys) report.problem(0, "vkeys: " + keys.error().what);
  std::uint64_t newest = 0;
  std::unordered_set<std::string> seen;
  const Result<void> read = each_kept_checkpoint(files, journal, [&](std::string_view note) {
    if (!seen.emplace(note).second) return true;
    now.notes.emplace_back(note);
    if (const auto checkpoint = checkpoint_of(now.notes.back())) {
      newest = std::max(newest, checkpoint->size);
    }
    return true;
  });
  if (!read) report.problem(0, "checkpoints: " + read.error().what);
  const auto published = read_checkpoint(files, journal);
  if (!published) report.problem(0, "checkpoint: " + published.error().what);
  if (published && *published) {
    const auto checkpoint = checkpoint_of(**published);
    if (checkpoint) now.published = *checkpoint;
    if (!checkpoint) report.problem(0, "checkpoint: " + checkpoint.error().what);
    if (!seen.contains(**published)) now.notes.push_back(std::move(**published));
  }
  if (options.last_signed) {
    auto state = LastSigned::read(files, *options.last_signed);
    if (!state) report.problem(0, state.error().what);
    if (state && !*state && now.published) {
      report.problem(0, *options.last_signed + ", what was signed last, is missing");
    }
    if (state) now.state = std::move(*state);
  }
  find_handed_over(now);
  const std::string wrong = wrong_key(now);
  if (!wrong.empty()) report.problem(0, wrong);
  if (now.state && std::max(newest, now.size()) > now.state->size) {
    report.problem(0, "a checkpoint has " + std::to_string(std::max(newest, now.size())) +
                          " records, but only " + std::to_string(now.state->size) +
                          " were signed here: it is forged, or the state is an older copy");
  }
  if (now.state) newest = std::max(newest, now.state->size);
  if (now.size() >= newest) return wrong.empty();
  report.problem(0, now.published
                        ? "an older checkpoint was put back: it has " + std::to_string(now.size()) +
                              " records, " + std::to_string(newest) + " were signed"
                        : "the checkpoint is missing");
  return false;
}

std::string check_note(const std::string& note, const Signed& now, const VerifyOptions& options) {
  const auto checkpoint = checkpoint_of(note);
  if (!checkpoint) return "a checkpoint: " + checkpoint.error().what;
  const std::string what = "the checkpoint of " + std::to_string(checkpoint->size) + " records";
  if (now.published && checkpoint->origin != now.published->origin) {
    return what + " is of another log, " + checkpoint->origin;
  }
  std::vector<VerifierKey> keys = now.keys.in_force(checkpoint->size);
  if (!options.keys.empty()) {
    std::erase_if(keys, [&](const VerifierKey& key) {
      return std::ranges::find(options.keys, key.text(), &VerifierKey::text) == options.keys.end();
    });
  }
  std::erase_if(keys, [&](const VerifierKey& key) { return key.name != checkpoint->origin; });
  const auto verified = verify_note(note, keys);
  return verified ? "" : what + ": " + verified.error().what;
}

void check_notes(const Signed& now, const VerifyOptions& options, VerifyReport& report) {
  const auto threads = static_cast<std::size_t>(std::max(options.threads, 1));
  std::vector<std::future<std::vector<std::string>>> parts;
  for (std::size_t t = 0; t < threads; ++t) {
    const auto policy = threads == 1 ? std::launch::deferred : std::launch::async;
    parts.push_back(std::async(policy, [&, t] {
      std::vector<std::string> wrong;
      for (std::size_t i = t; i < now.notes.size(); i += threads) {
        std::string what = check_note(now.notes[i], now, options);
        if (!what.empty()) wrong.push_back(std::move(what));
      }
      return wrong;
    }));
  }
  for (auto& part : parts) {
    for (std::string& what : part.get()) report.problem(0, std::move(what));
  }
}

}  // namespace

Signed check_signed(FileSystem& files, const std::string& journal, const VerifyOptions& options,
                    VerifyReport& report, std::vector<SignedRoot>& roots) {
  Signed now;
  for (int i = 0; i < kLooks; ++i) {
    now = {};
    VerifyReport found;
    const bool settled = look(files, journal, options, found, now);
    if (settled || i + 1 == kLooks) {
      for (Problem& problem : found.problems) report.problem(problem.seq, std::move(problem.what));
      break;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
  check_notes(now, options, report);
  // Who strips a log of all that was signed must not make it one that was never signed.
  if (!options.keys.empty() && now.notes.empty()) {
    report.problem(0, "nothing is signed by a key that you believe: there is no checkpoint");
  }
  for (const std::string& note : now.notes) {
    const auto checkpoint = checkpoint_of(note);
    if (!checkpoint) continue;  // told already
    roots.push_back({checkpoint->size, checkpoint->root,
                     "the checkpoint of " + std::to_string(checkpoint->size) + " records"});
  }
  if (now.state) roots.push_back({now.state->size, now.state->root, "what was signed last"});
  report.checkpoints = now.notes.size();
  report.signed_size = now.size();
  if (now.published) report.origin = now.published->origin;
  return now;
}

}  // namespace sallyport::audit
