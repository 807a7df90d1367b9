// SPDX-License-Identifier: Apache-2.0
#include "audit/log_writer.h"

#include <algorithm>
#include <utility>

#include "audit/line.h"
#include "audit/segment.h"

namespace sallyport::audit {
namespace {

template <class Each>
void for_each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    each(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

}  // namespace

LogWriter::LogWriter(FileSystem& files, std::string journal, Sizes sizes, LogState state,
                     Sealer* sealer)
    : files_(files),
      sealer_(sealer),
      journal_(std::move(journal)),
      sizes_(sizes),
      state_(std::move(state)),
      zeros_(sizes.allocate_bytes, '\0') {}

Result<void> LogWriter::write_ahead(SegmentFile& file, std::size_t end) {
  // One zero always follows the lines of an open segment: only a sealed one has no zero tail.
  while (allocated_ <= end) {
    const Result<void> written = write_whole(file, allocated_, zeros_);
    if (!written) return written;
    allocated_ += zeros_.size();
  }
  return {};
}

// The zeros are durable before a line is written over them: so the zero tail of an open segment
// survives a power cut too, and its absence tells that a segment was sealed.
Result<void> LogWriter::extend(std::size_t end) {
  const Result<void> done = write_ahead(*file_, end);
  return done ? sync() : done;
}

Result<void> LogWriter::fill_segment(SegmentFile& file) {
  allocated_ = 0;
  Result<void> done = write_ahead(file, state_.unsynced_text.size());
  if (done) done = write_whole(file, 0, state_.unsynced_text);
  if (done) done = file.sync();
  return done;
}

Result<void> LogWriter::open_segment() {
  const std::string directory = segment_directory(journal_);
  const std::uint64_t first = state_.synced_seq + 1;
  Result<void> done =
      replace_file(files_, directory, open_intents_name(first), state_.open.encode(first));
  if (!done) return done;

  // Under its own name only when it is whole and durable, so that a disk that stays full leaves
  // nothing.
  const std::string path = directory + "/" + segment_name(first);
  const std::string fresh = path + ".new";
  Result<std::unique_ptr<SegmentFile>> file = files_.create(fresh);
  if (!file) return std::unexpected(std::move(file.error()));
  done = fill_segment(**file);
  if (done) done = files_.rename(fresh, path);
  if (done) done = files_.sync_directory(directory);
  if (!done) {
    (void)files_.remove(fresh);
    return done;
  }

  // What the segment before holds beyond the first seq of this one is void. Cutting it is for those
  // who read with other tools; if it fails, our reader still knows.
  if (state_.abandoned && state_.abandoned->first_seq != first) {
    auto old = files_.open(directory + "/" + segment_name(state_.abandoned->first_seq));
    if (old) (void)(*old)->truncate(state_.abandoned->bytes);
  }
  state_.abandoned.reset();

  file_ = std::move(*file);
  first_seq_ = first;
  size_ = state_.unsynced_text.size();
  announced_.reset();
  all_is_durable();
  return {};
}

void LogWriter::add(Event& event) {
  if (event.timestamp_utc < state_.last_time) {
    event.time_raised_ms = (state_.last_time - event.timestamp_utc).count();
    event.timestamp_utc = state_.last_time;
  }
  state_.last_time = event.timestamp_utc;
  if (sealer_ != nullptr) sealer_->seal(event);

  LineTail tail{.seq = state_.written_seq + batch_records_ + 1, .synced = {}};
  if (batch_records_ == 0 && announced_ != state_.synced_seq) tail.synced = state_.synced_seq;
  if (tail.synced) batch_announces_ = tail.synced;
  const std::size_t start = batch_.size();
  append_event_open(batch_, event);
  close_line(batch_, start, tail);
  batch_ += '\n';
  ++batch_records_;
}

Result<void> LogWriter::write_batch() {
  Result<void> done;
  if (size_ > 0 && size_ + batch_.size() > sizes_.segment_bytes) done = rotate();
  if (done && size_ + batch_.size() >= allocated_) done = extend(size_ + batch_.size());
  if (done) done = write_whole(*file_, size_, batch_);
  if (done) {
    if (batch_announces_) announced_ = batch_announces_;
    size_ += batch_.size();
    state_.written_seq += batch_records_;
    state_.unsynced_text += batch_;
  } else {
    let_go();
  }
  batch_.clear();
  batch_records_ = 0;
  batch_announces_.reset();
  return done;
}

Result<void> LogWriter::sync() {
  Result<void> done = file_->sync();
  if (done) {
    all_is_durable();
  } else {
    let_go();
  }
  return done;
}

Result<void> LogWriter::rotate() {
  if (owes_sync()) {
    const Result<void> done = sync();
    if (!done) return done;
  }
  // A segment that cannot be sealed keeps its zero tail; all its records are durable.
  (void)seal();
  return open_segment();
}

Result<void> LogWriter::seal() {
  Result<void> done = file_->truncate(size_);
  if (done) done = file_->sync();
  file_.reset();
  return done;
}

void LogWriter::let_go() {
  if (!file_) return;
  file_.reset();
  state_.abandoned = Abandoned{first_seq_, synced_size_};
}

void LogWriter::all_is_durable() {
  for_each_line(state_.unsynced_text, [this](std::string_view line) { state_.open.apply(line); });
  state_.unsynced_text.clear();
  state_.synced_seq = state_.written_seq;
  synced_size_ = size_;
}

}  // namespace sallyport::audit
