// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_start.h"

#include <utility>

#include "audit/reader.h"
#include "base/log.h"

namespace sallyport::cli {
namespace {

// Most lines of a journal have nothing to do with budgets; they are not parsed.
bool concerns_budgets(std::string_view line) {
  return line.contains("\"reserved_tokens\":") || line.contains("\"budget_alert\"") ||
         line.contains("\"budget.reset\"");
}

Error missing(std::uint64_t from, std::uint64_t until) {
  return {Code::kCorrupt, "the journal has no records " + std::to_string(from) + " to " +
                              std::to_string(until - 1) +
                              ", so that what they booked on budgets is not known. Put its missing "
                              "segments back, or move the whole journal away to begin a new one"};
}

Result<std::uint64_t> replay(meter::Ledger& ledger, std::uint64_t from_seq,
                             const std::string& journal, audit::FileSystem& files) {
  const Result<audit::Reader> reader = audit::Reader::open(files, journal);
  if (!reader && reader.error().code == Code::kNotFound) return 0;
  if (!reader) return std::unexpected(reader.error());
  if (from_seq >= reader->end_seq() && from_seq > 0) {
    // Another journal, or one that lost its end: what it has may be counted twice, not too little.
    log::warn("meter.journal_behind_checkpoint",
              {{"checkpoint_seq", from_seq}, {"end_seq", reader->end_seq()}});
    if (from_seq > reader->end_seq()) from_seq = 0;
  }
  std::uint64_t count = 0, first = 0;
  std::optional<Error> wrong;
  const Result<void> read =
      reader->each(audit::Order::kOldestFirst, {.since = {}, .until = {}, .from_seq = from_seq + 1},
                   [&](const audit::Record& record) {
                     if (first == 0) first = record.seq;
                     if (first > from_seq + 1 && from_seq > 0) {
                       wrong = missing(from_seq + 1, first);
                       return false;
                     }
                     if (record.seq <= from_seq || !concerns_budgets(record.line)) return true;
                     const Result<Event> event = parse_event(record.line);
                     if (!event) {
                       wrong = event.error();
                       return false;
                     }
                     ledger.replay(*event);
                     ++count;
                     return true;
                   });
  if (wrong) return std::unexpected(*wrong);
  if (!read) return std::unexpected(read.error());
  return count;
}

}  // namespace

Result<void> budgets_kept(const audit::Config& audit, const keys::KeyRing& ring, UtcTime now) {
  if (audit.enabled) return {};
  const auto refuse = [](const std::string& whose) {
    return fail(Code::kInvalid,
                "audit.enabled is false, and " + whose +
                    " has a hard budget, which is counted from the journal. Set audit.enabled: "
                    "true; in a gate that was started so, the budget can be made soft");
  };
  for (const keys::LayerInfo& layer : ring.layers()) {
    const bool dead = layer.revoked_at || (layer.expires_at && *layer.expires_at <= now);
    if (!dead && layer.restrictions.limits.any_hard()) return refuse("the layer " + layer.path);
  }
  for (const keys::KeyInfo& key : ring.list()) {
    const bool dead = key.state == keys::KeyState::kRevoked || key.expires_at <= now;
    if (!dead && key.restrictions.limits.any_hard()) return refuse("the key " + key.name);
  }
  return {};
}

Result<void> start_ledger(meter::Ledger& ledger, meter::LedgerStore& store,
                          const std::optional<std::string>& journal, audit::FileSystem& files) {
  const Result<meter::LedgerState> saved = store.load();
  if (!saved) return std::unexpected(saved.error());
  ledger.load(*saved);
  if (journal) {
    const Result<std::uint64_t> replayed = replay(ledger, saved->seq, *journal, files);
    if (!replayed) return std::unexpected(replayed.error());
    if (*replayed > 0) {
      log::info("meter.ledger_replayed", {{"records", *replayed}, {"after_seq", saved->seq}});
    }
  }
  ledger.finish_replay();
  return {};
}

LedgerCheckpoints::LedgerCheckpoints(meter::Ledger& ledger, meter::LedgerStore& store,
                                     const Recorder& recorder)
    : ledger_(ledger), store_(store), recorder_(recorder), thread_(&LedgerCheckpoints::run, this) {}

void LedgerCheckpoints::run() {
  for (;;) {
    write();
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kEvery, [this] { return stopping_; })) return;
  }
}

void LedgerCheckpoints::write() {
  const std::uint64_t durable = recorder_.durable_seq();  // before the sums are taken
  meter::LedgerState state = ledger_.checkpoint(durable);
  const Result<void> saved = store_.save(state);
  meter::Ledger::Counters& counters = ledger_.counters();
  if (saved) {
    counters.checkpoints.fetch_add(1, std::memory_order_relaxed);
    failing_ = false;
    return;
  }
  ledger_.not_saved(state);
  counters.checkpoint_failures.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(failing_, true)) {
    log::error("meter.checkpoint_failed", {{"reason", saved.error().what}});
  }
}

void LedgerCheckpoints::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) return;
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  write();
}

}  // namespace sallyport::cli
