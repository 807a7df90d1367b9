// SPDX-License-Identifier: Apache-2.0
#include "audit/column_builder.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "audit/line.h"
#include "audit/segment.h"
#include "base/log.h"
#include "base/text.h"
#include "event/event.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kPieceBytes = 1u << 20;  // some 2,000 records, 10 ms
constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kNameEnd = ".col";
constexpr std::size_t kFileReadMax = 1u << 30;
constexpr std::size_t kPruneRounds = 64;
constexpr int kNiceness = 10;  // the gate's threads come first

std::optional<std::uint64_t> parse_name(std::string_view name) {
  if (name.size() != kNameDigits + kNameEnd.size() || !name.ends_with(kNameEnd)) {
    return std::nullopt;
  }
  return parse_uint(name.substr(0, kNameDigits));
}

// Stands in the folder while something is being forgotten.
constexpr char kForgetting[] = "forgetting";

bool may_hold(const ColumnFile& file, const ColumnBuilder::Forgotten& what) {
  if (what.before && file.min_ms() >= what.before->time_since_epoch().count()) return false;
  if (what.since && file.max_ms() < what.since->time_since_epoch().count()) return false;
  if (!what.key || what.key->contains(':')) return true;  // not a key: an administrator
  const auto keys = file.dictionary(Column::kKey);
  return !keys || keys->find(*what.key).has_value();
}

std::string records(std::uint64_t from, std::uint64_t end) {
  return "records " + std::to_string(from) + " to " + std::to_string(end - 1);
}

}  // namespace

std::string column_directory(const std::string& journal) { return journal + "/col"; }

std::string column_file_name(std::uint64_t first_seq) {
  std::string digits = std::to_string(first_seq);
  return std::string(kNameDigits - digits.size(), '0') + digits + std::string(kNameEnd);
}

Result<std::unique_ptr<ColumnBuilder>> ColumnBuilder::open(FileSystem& files, std::string journal,
                                                           ColumnOptions options) {
  std::unique_ptr<ColumnBuilder> builder(new ColumnBuilder(files, std::move(journal), options));
  if (const auto begun = builder->begin(); !begun) return std::unexpected(begun.error());
  return builder;
}

Result<void> ColumnBuilder::begin() {
  const auto segments = list_segments(*disk_, journal_);
  if (!segments) return std::unexpected(segments.error());
  const std::string directory = column_directory(journal_);
  if (options_.write) {
    const auto made = disk_->make_directory(directory);
    auto lock = made ? disk_->lock(directory + "/lock")
                     : Result<std::unique_ptr<FileSystem::Lock>>(std::unexpected(made.error()));
    if (lock) {
      lock_ = std::move(*lock);
    } else {
      log::warn("columns.not_written", {{"reason", lock.error().what}});
    }
  }
  load_files();
  if (const auto done = finish_forgetting(); !done) return done;
  auto begun = begin_live();
  if (begun) publish();
  return begun;
}

void ColumnBuilder::load_files() {
  const std::string directory = column_directory(journal_);
  const auto listed = disk_->list(directory);
  if (!listed) return;  // none yet
  std::vector<std::string> names = *listed;
  std::ranges::sort(names);
  std::uint64_t end = 0;
  for (const std::string& name : names) {
    if (lock_ && name.ends_with(".new")) (void)disk_->remove(directory + "/" + name);
    const auto first = parse_name(name);
    if (!first) continue;
    const std::string path = directory + "/" + name;
    Result<File> file = fail(Code::kUnavailable, "");
    if (options_.map) {
      file = ColumnFile::map(path);
    } else if (auto bytes = disk_->read(path, kFileReadMax); bytes) {
      file = ColumnFile::from_bytes(std::move(*bytes), name);
    }
    if (file && ((*file)->first_seq() != *first || *first < end)) {
      file = fail(Code::kCorrupt, "column file " + name + ": is not what its name says");
    }
    if (file) {
      end = (*file)->end_seq();
      sealed_.emplace(*first, std::move(*file));
      continue;
    }
    log::warn("columns.damaged", {{"file", name}, {"reason", file.error().what}});
    ++counters_.rebuilt;
    (void)remove_file(*first);
  }
}

Result<void> ColumnBuilder::remove_file(std::uint64_t first_seq) {
  if (!lock_) return {};
  return disk_->remove(column_directory(journal_) + "/" + column_file_name(first_seq));
}

// Where the files end the live part begins. The state of open intents at that place comes from the
// log; on the way it shows whether the files belong to this log at all.
Result<void> ColumnBuilder::begin_live() {
  const auto segments = list_segments(*disk_, journal_);
  if (!segments) return std::unexpected(segments.error());
  std::uint64_t start = segments->empty() ? 1 : segments->front().first_seq;
  kept_from_ = start;
  if (!sealed_.empty()) {
    const auto fits = fits_the_log(sealed_.rbegin()->second->end_seq());
    if (!fits) return std::unexpected(fits.error());
    if (*fits) {
      start = sealed_.rbegin()->second->end_seq();
    } else {
      log::warn("columns.of_another_log", {{"files", std::uint64_t{sealed_.size()}}});
      for (const auto& [first, file] : sealed_) (void)remove_file(first);
      sealed_.clear();
    }
  }
  if (sealed_.empty() && !segments->empty()) {
    auto open = open_before(*disk_, journal_, *segments, 0);
    open_ = open ? std::move(*open) : OpenIntents();
  }
  follower_.emplace(*disk_, journal_, start);
  live_.emplace(start);
  if (lock_ && !sealed_.empty()) {
    const File last = sealed_.rbegin()->second;
    auto resumed = ColumnWriter::resume(*last);
    if (resumed && !full(*resumed)) {
      live_ = std::move(*resumed);
      saved_rows_ = live_->rows();
      sealed_.erase(last->first_seq());
    }
  }
  return {};
}

void ColumnBuilder::take(const Record& record, ColumnWriter& writer) const {
  Result<Event> event = parse_event(record.line);
  if (event) {
    if (options_.sealer != nullptr) options_.sealer->open(*event);
    return writer.append(*event);
  }
  const UtcTime last{std::chrono::milliseconds(writer.last_ms())};
  writer.append_unknown(line_time(record.line).value_or(last));
}

Result<void> ColumnBuilder::begin_forgetting() {
  if (!lock_) return {};
  return replace_file(*disk_, column_directory(journal_), kForgetting, "1\n");
}

// What was begun and not ended: nobody knows what the files hold.
Result<void> ColumnBuilder::finish_forgetting() {
  const std::string directory = column_directory(journal_);
  if (!disk_->size(directory + "/" + kForgetting)) return {};
  log::warn("columns.forgetting_finished", {{"effect", "all columns are made anew"}});
  for (const auto& [first, file] : sealed_) {
    if (const auto done = remove_file(first); !done) return done;
  }
  sealed_.clear();
  if (!lock_) return {};
  Result<void> done = disk_->sync_directory(directory);
  if (done) done = disk_->remove(directory + "/" + kForgetting);
  return done;
}

Result<void> ColumnBuilder::forget(const Forgotten& what) {
  const std::lock_guard lock(mutex_);
  ++forgets_;
  Result<void> done;
  if (live_->rows() > 0) done = seal();
  for (auto at = sealed_.begin(); done && at != sealed_.end();) {
    if (!may_hold(*at->second, what)) {
      ++at;
      continue;
    }
    done = remove_file(at->first);
    if (done) at = sealed_.erase(at);
  }
  const std::string directory = column_directory(journal_);
  if (done && lock_) done = disk_->sync_directory(directory);
  if (done && lock_) done = disk_->remove(directory + "/" + kForgetting);
  gaps_ = true;
  publish();
  wake_.notify_all();
  return done;
}

// Are the files of this log? The time of the last record they have tells.
Result<bool> ColumnBuilder::fits_the_log(std::uint64_t end) {
  const auto segments = list_segments(*disk_, journal_);
  if (!segments) return std::unexpected(segments.error());
  auto after = std::ranges::upper_bound(*segments, end - 1, {}, &SegmentId::first_seq);
  if (after == segments->begin()) return false;
  const auto index = static_cast<std::size_t>(after - segments->begin() - 1);
  auto open = open_before(*disk_, journal_, *segments, index);
  OpenIntents now = open ? std::move(*open) : OpenIntents();
  std::optional<UtcTime> last;
  Follower follower(*disk_, journal_, (*segments)[index].first_seq);
  while (follower.next_seq() < end) {
    const auto read = follower.read(end - 1, kPieceBytes, [&](const Record& record) {
      now.apply(record.line);
      last = line_time(record.line);
      return true;
    });
    if (!read && read.error().code == Code::kUnavailable) return std::unexpected(read.error());
    if (!read) return false;
  }
  open_ = std::move(now);
  return last && last->time_since_epoch().count() == sealed_.rbegin()->second->max_ms();
}

Result<void> ColumnBuilder::fill_gaps() {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;
  {
    const std::lock_guard lock(mutex_);
    if (!gaps_) return {};
    const auto segments = list_segments(*disk_, journal_);
    if (!segments) return std::unexpected(segments.error());
    gaps_ = false;
    std::uint64_t at = segments->empty() ? live_->first_seq() : segments->front().first_seq;
    for (const auto& [first, file] : sealed_) {
      if (at < first) gaps.emplace_back(at, first);
      at = std::max(at, file->end_seq());
    }
    if (at < live_->first_seq()) gaps.emplace_back(at, live_->first_seq());
  }
  for (const auto& [from, end] : gaps) {
    if (auto done = rebuild(from, end); !done) {
      const std::lock_guard lock(mutex_);
      gaps_ = true;
      return done;
    }
  }
  return {};
}

Result<void> ColumnBuilder::rebuild(std::uint64_t from, std::uint64_t end) {
  Follower follower(*disk_, journal_, from);
  const auto forgets = [this] {
    const std::lock_guard lock(mutex_);
    return forgets_;
  };
  while (follower.next_seq() < end && !stopping_) {
    const std::uint64_t before = forgets();
    ColumnWriter writer(follower.next_seq());
    Result<std::size_t> read = 0;
    while (read && writer.next_seq() < end && !full(writer)) {
      read = follower.read(end - 1, kPieceBytes, [&](const Record& record) {
        if (full(writer)) return false;
        take(record, writer);
        return true;
      });
    }
    if (writer.rows() > 0) {
      auto kept = keep(writer);
      if (!kept) return std::unexpected(kept.error());
      const std::lock_guard lock(mutex_);
      if (forgets_ != before) {  // it may hold what is forgotten: read once more
        if (kept->written) (void)remove_file(kept->file->first_seq());
        gaps_ = true;
        return {};
      }
      const auto done = insert(std::move(*kept));
      publish();
      if (!done) return done;
    }
    if (read) continue;
    if (read.error().code == Code::kUnavailable) return std::unexpected(read.error());
    log::warn("columns.gap", {{"reason", read.error().what}});
    const std::lock_guard lock(mutex_);
    missing_.push_back(records(follower.next_seq(), end) + ": " + read.error().what);
    return {};
  }
  return {};
}

Result<ColumnBuilder::Kept> ColumnBuilder::keep(const ColumnWriter& writer) const {
  const std::string name = column_file_name(writer.first_seq());
  std::string bytes = with_sums(writer.encode());
  if (lock_) {
    const std::string directory = column_directory(journal_);
    const auto written = replace_file(*disk_, directory, name, bytes);
    if (written && options_.map) {
      if (auto file = ColumnFile::map(directory + "/" + name); file) return Kept{*file, true};
    }
    if (!written) log::warn("columns.not_written", {{"reason", written.error().what}});
    auto file = ColumnFile::from_bytes(std::move(bytes), name);
    if (!file) return std::unexpected(file.error());
    return Kept{*file, written.has_value()};
  }
  auto file = ColumnFile::from_bytes(std::move(bytes), name);
  if (!file) return std::unexpected(file.error());
  return Kept{*file, false};
}

Result<void> ColumnBuilder::insert(Kept kept) {
  if (!kept.written) unwritten_rows_ += kept.file->rows();
  ++counters_.files;
  sealed_.insert_or_assign(kept.file->first_seq(), std::move(kept.file));
  if (unwritten_rows_ <= options_.unwritten_rows_max) return {};
  return fail(Code::kExhausted, "more than " + std::to_string(options_.unwritten_rows_max) +
                                    " records have no column file, and none is written: " +
                                    column_directory(journal_));
}

Result<void> ColumnBuilder::seal() {
  auto kept = keep(*live_);
  if (!kept) return std::unexpected(kept.error());
  live_.emplace(live_->next_seq());
  live_file_ = nullptr;
  live_rows_ = saved_rows_ = 0;
  return insert(std::move(*kept));
}

// True: there is more. Under the lock for about 10 ms, longer when a file is full.
Result<bool> ColumnBuilder::piece(std::uint64_t durable_seq) {
  const std::lock_guard lock(mutex_);
  if (follower_->next_seq() > durable_seq || stopping_) return false;
  const auto read = follower_->read(durable_seq, kPieceBytes, [&](const Record& record) {
    if (full(*live_)) return false;
    take(record, *live_);
    open_.apply(record.line);
    ++counters_.rows;
    return true;
  });
  if (!read && read.error().code == Code::kUnavailable) return std::unexpected(read.error());
  if (!read) {
    const auto done = step_over(read.error());
    publish();
    if (!done) return std::unexpected(done.error());
    return true;
  }
  if (full(*live_)) {
    const auto done = seal();
    publish();
    if (!done) return std::unexpected(done.error());
  } else if (live_->rows() >= saved_rows_ + options_.saved_rows) {
    save();
  }
  publish();
  return follower_->next_seq() <= durable_seq;
}

// A durable record is damaged or gone: the columns go on with the next segment and say what is
// missing.
Result<void> ColumnBuilder::step_over(const Error& why) {
  const auto segments = list_segments(*disk_, journal_);
  if (!segments) return std::unexpected(segments.error());
  const std::uint64_t at = follower_->next_seq();
  const auto next = std::ranges::upper_bound(*segments, at, {}, &SegmentId::first_seq);
  if (next == segments->end()) return std::unexpected(why);
  if (live_->rows() > 0) {
    if (auto done = seal(); !done) return done;
  }
  log::warn("columns.gap", {{"reason", why.what}});
  missing_.push_back(records(at, next->first_seq) + ": " + why.what);
  follower_.emplace(*disk_, journal_, next->first_seq);
  live_.emplace(next->first_seq);
  return {};
}

// The unfinished file too, so that a restart and a command find it.
void ColumnBuilder::save() {
  if (!lock_ || live_->rows() == saved_rows_) return;
  const auto written = replace_file(*disk_, column_directory(journal_),
                                    column_file_name(live_->first_seq()), live_->encode());
  if (!written) log::warn("columns.not_written", {{"reason", written.error().what}});
  saved_rows_ = live_->rows();  // tried again with the next rows, not at once
}

// What the journal has let go of goes here too.
void ColumnBuilder::forget_pruned() {
  const auto segments = list_segments(*disk_, journal_);
  if (!segments || segments->empty()) return;
  const std::lock_guard lock(mutex_);
  kept_from_ = segments->front().first_seq;
  // A file that holds rows of both sides goes too, and what is kept of it is read again.
  if (live_->rows() > 0 && live_->first_seq() < kept_from_) {
    if (const auto done = seal(); !done) {
      log::warn("columns.not_pruned", {{"reason", done.error().what}});
      return;
    }
  }
  while (!sealed_.empty() && sealed_.begin()->first < kept_from_) {
    if (sealed_.begin()->second->end_seq() > kept_from_) gaps_ = true;
    (void)remove_file(sealed_.begin()->first);
    sealed_.erase(sealed_.begin());
  }
}

Result<void> ColumnBuilder::catch_up(std::uint64_t durable_seq) {
  if (rounds_++ % kPruneRounds == 0) forget_pruned();
  if (auto filled = fill_gaps(); !filled) return filled;
  while (true) {
    const auto more = piece(durable_seq);
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
  }
}

Result<ColumnSnapshot> ColumnBuilder::snapshot() {
  const std::lock_guard lock(mutex_);
  ColumnSnapshot out;
  for (const auto& [first, file] : sealed_) out.files.push_back(file);
  if (live_->rows() > 0 && (!live_file_ || live_rows_ != live_->rows())) {
    auto file = ColumnFile::from_bytes(live_->encode(), "newest records");
    if (!file) return std::unexpected(file.error());
    live_file_ = std::move(*file);
    live_rows_ = live_->rows();
  }
  if (live_->rows() > 0) out.files.push_back(live_file_);
  out.end_seq = live_->next_seq();
  if (!out.files.empty()) {
    out.until = UtcTime(std::chrono::milliseconds(out.files.back()->max_ms()));
  }
  for (const std::string& line : open_.lines()) {
    if (const auto tail = check_line(line)) out.open.push_back(tail->seq);
  }
  out.missing = missing_;
  std::uint64_t end = kept_from_;
  for (const File& file : out.files) {
    if (end < file->first_seq()) {
      out.missing.push_back(records(end, file->first_seq()) + " are not in the columns");
    }
    end = std::max(end, file->end_seq());
  }
  return out;
}

bool ColumnBuilder::drop_damaged() {
  const std::lock_guard lock(mutex_);
  const std::size_t before = sealed_.size();
  for (auto at = sealed_.begin(); at != sealed_.end();) {
    const auto good = at->second->check_all();
    if (good) {
      ++at;
      continue;
    }
    log::warn("columns.damaged", {{"file", at->second->name()}, {"reason", good.error().what}});
    ++counters_.rebuilt;
    (void)remove_file(at->first);
    at = sealed_.erase(at);
  }
  if (sealed_.size() == before) return false;
  publish();
  gaps_ = true;
  wake_.notify_all();
  return true;
}

void ColumnBuilder::publish() {
  published_.rows = counters_.rows;
  published_.files = counters_.files;
  published_.rebuilt = counters_.rebuilt;
  published_.next_seq = live_->next_seq();
  published_.live_rows = live_->rows();
}

ColumnBuilder::Counters ColumnBuilder::counters() const {
  return {.rows = published_.rows,
          .files = published_.files,
          .rebuilt = published_.rebuilt,
          .next_seq = published_.next_seq,
          .live_rows = published_.live_rows};
}

void ColumnBuilder::start(std::function<std::uint64_t()> durable_seq) {
  thread_ = std::thread([this, durable_seq = std::move(durable_seq)] { run(durable_seq); });
}

void ColumnBuilder::run(const std::function<std::uint64_t()>& durable_seq) {
  (void)::setpriority(PRIO_PROCESS, 0, kNiceness);  // of this thread alone, on Linux
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, options_.poll, [&] { return stopping_.load(); });
      if (stopping_) break;
    }
    const auto done = catch_up(durable_seq());
    const std::string failure = done ? std::string() : done.error().what;
    if (failure != told_ && !failure.empty()) log::warn("columns.behind", {{"reason", failure}});
    told_ = failure;
  }
  const std::lock_guard lock(mutex_);
  save();
}

void ColumnBuilder::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace sallyport::audit
