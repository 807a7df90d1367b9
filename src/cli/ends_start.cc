// SPDX-License-Identifier: Apache-2.0
#include "cli/ends_start.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/reader.h"
#include "base/json_reader.h"
#include "base/log.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kMark = "ends_durable_seq";
// No derived token outlives this; ends of those that can not be alive are left out.
constexpr std::chrono::hours kTokensAfter{26};

constexpr std::string_view kActs[] = {"key.revoke",        "key.block",    "key.unblock",
                                      "key.rotate_failed", "key.rotate",   "token.revoke",
                                      "layer.revoke",      "layer.reissue"};

// Most lines of a journal have nothing to do with ends; they are not parsed.
bool concerns_ends(std::string_view line) {
  return std::ranges::any_of(kActs, [&](std::string_view act) {
    const std::size_t at = line.find(act);
    return at != std::string_view::npos && at > 0 && line[at - 1] == '"';
  });
}

Result<std::uint64_t> read_mark(SettingStore& settings) {
  const auto stored = settings.get(kMark);
  if (!stored) return std::unexpected(stored.error());
  std::uint64_t seq = 0;
  if (!*stored) return seq;
  const std::string& text = **stored;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), seq);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return 0;
  return seq;
}

std::optional<JsonValue> at(const std::optional<JsonValue>& object, std::string_view member) {
  return object && object->is_object() ? object->at(member) : std::nullopt;
}
std::string text(const std::optional<JsonValue>& object, std::string_view member) {
  const auto value = at(object, member);
  return std::string(value ? value->string().value_or("") : "");
}

// The acts of the journal, oldest first, onto the ring.
class Ends {
 public:
  Ends(keys::KeyRing& ring, UtcTime now) : ring_(ring), now_(now) {}
  void take(const Event& event);
  void finish();  // a pause stands only if nothing ended it later

 private:
  void rotate(const std::optional<JsonValue>& detail);

  keys::KeyRing& ring_;
  UtcTime now_;
  std::map<std::string, std::optional<std::pair<std::string, std::string>>> pauses_;  // who, why
};

void Ends::take(const Event& event) {
  const std::string& act = *event.action;
  const std::string by = event.actor.value_or("journal");
  std::optional<JsonValue> detail;
  if (event.detail) {
    Result<JsonValue> parsed = JsonValue::parse(*event.detail);
    if (parsed) detail = std::move(*parsed);
  }
  const std::string why = text(detail, "why");
  const auto after = at(detail, "after");
  if ((act == "key.revoke" || act == "key.rotate_failed") && event.kid) {
    ring_.revoke_now(*event.kid, by, act == "key.revoke" ? why : "not delivered");
  } else if (act == "key.block" && event.kid) {
    pauses_[*event.kid] = {by, why};
  } else if (act == "key.unblock" && event.kid) {
    pauses_[*event.kid].reset();
  } else if (act == "layer.revoke" && event.layer) {
    ring_.revoke_layer_now(*event.layer, by, why);
  } else if (act == "layer.reissue" && event.layer) {
    const auto moment = parse_utc(text(after, "issued_before"));
    if (moment) ring_.issued_before_now(*event.layer, *moment, by);
  } else if (act == "token.revoke" && event.tid && event.timestamp_utc + kTokensAfter > now_) {
    if (event.kid) ring_.revoke_token_now(*event.kid, *event.tid, by, why);
    const auto kids = at(after, "kids");
    if (!kids || !kids->is_array()) return;
    for (const JsonValue& kid : kids->items()) {
      ring_.revoke_token_now(kid.string().value_or(""), *event.tid, by, why);
    }
  } else if (act == "key.rotate") {
    rotate(detail);
  }
}

// The record stands before the old key gets its end. Only if it has not: an end that was changed
// since is somebody's wish.
void Ends::rotate(const std::optional<JsonValue>& detail) {
  const auto before = at(detail, "before"), old = at(at(detail, "after"), "old");
  const std::string kid = text(old, "kid");
  const auto was = parse_utc(text(before, "expires_at")), ends = parse_utc(text(old, "expires_at"));
  if (kid.empty() || text(before, "kid") != kid || !was || !ends || *ends >= *was) return;
  const Result<keys::KeyInfo> held = ring_.show(kid);
  if (!held || held->expires_at != *was || held->state == keys::KeyState::kRevoked) return;
  (void)ring_.retire(kid, *ends);  // in force here whatever it answers
}

void Ends::finish() {
  for (const auto& [kid, pause] : pauses_) {
    if (pause) ring_.block_now(kid, pause->first, pause->second);
  }
}

}  // namespace

Result<std::uint64_t> replay_ends(keys::KeyRing& ring, SettingStore& settings,
                                  const std::string& journal, audit::FileSystem& files,
                                  UtcTime now) {
  Result<std::uint64_t> mark = read_mark(settings);
  if (!mark) return mark;
  const Result<audit::Reader> reader = audit::Reader::open(files, journal);
  if (!reader && reader.error().code == Code::kNotFound) return 0;
  if (!reader) return std::unexpected(reader.error());
  if (*mark >= reader->end_seq()) *mark = 0;  // another journal
  std::uint64_t count = 0;
  Ends ends(ring, now);
  const Result<void> read =
      reader->each(audit::Order::kOldestFirst, {.since = {}, .until = {}, .from_seq = *mark + 1},
                   [&](const audit::Record& record) {
                     if (record.seq <= *mark || !concerns_ends(record.line)) return true;
                     const Result<Event> event = parse_event(record.line);
                     if (!event || event->kind != Kind::kAdmin || !event->action) return true;
                     const bool failed = event->error && *event->action != "key.rotate_failed";
                     if (failed) return true;  // an attempt
                     ends.take(*event);
                     ++count;
                     return true;
                   });
  if (!read) return std::unexpected(read.error());
  ends.finish();
  if (count > 0 && ring.owes()) {
    log::warn("keys.ends_brought_back",
              {{"records", count}, {"effect", "in force; they are written to the store now"}});
  }
  return count;
}

EndsMark::EndsMark(const keys::KeyRing& ring, SettingStore& settings, const Recorder& recorder)
    : ring_(ring), settings_(settings), recorder_(recorder), thread_(&EndsMark::run, this) {}

void EndsMark::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kEvery, [this] { return stopping_; })) return;
    }
    write();
  }
}

// The seq first: an end is in the ring before it is in the journal.
void EndsMark::write() {
  const std::uint64_t seq = recorder_.durable_seq();
  if (seq == written_ || ring_.owes()) return;
  if (settings_.put(kMark, std::to_string(seq))) written_ = seq;
}

void EndsMark::stop() {
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
