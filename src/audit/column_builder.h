// SPDX-License-Identifier: Apache-2.0
// Keeps columns of everything that is durable in the log: files for what is complete, and the
// newest rows in memory, in the same layout. The files themselves are the durable cursor. A file
// that is missing or damaged is built again from the JSON. Runs on its own thread, off the request
// path; a command without a server uses it without the thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "audit/column_file.h"
#include "audit/column_scan.h"
#include "audit/column_writer.h"
#include "audit/file_system.h"
#include "audit/follower.h"
#include "audit/open_intents.h"
#include "base/result.h"
#include "event/ports/sealer.h"

namespace sallyport::audit {

std::string column_directory(const std::string& journal);  // <journal>/col
std::string column_file_name(std::uint64_t first_seq);     // 20 digits and .col

struct ColumnOptions {
  // Files are written. False: a command reads what a server wrote, and makes the rest in memory.
  bool write = true;
  bool map = true;  // false: files are read whole; for disks that are not real
  // Rows of whole files that may be in memory because they are not written, about 30 bytes each.
  // Beyond it there is no answer instead of a wrong one.
  std::size_t unwritten_rows_max = 4u << 20;
  std::size_t file_rows_max = kFileRowsMax;  // smaller in tests
  // So often the unfinished last file is written too: a command need not read more JSON than this.
  std::size_t saved_rows = 4 * kBlockRows;
  std::chrono::milliseconds poll{200};
  Sealer* sealer = nullptr;  // opens what lies sealed in the log; outlives the builder
};

class ColumnBuilder {
 public:
  // kNotFound: no journal. That the folder cannot be written, or is another process's, is no error:
  // then nothing is written. `files` outlives the builder.
  static Result<std::unique_ptr<ColumnBuilder>> open(FileSystem& files, std::string journal,
                                                     ColumnOptions options = {});
  ~ColumnBuilder() { stop(); }
  ColumnBuilder(const ColumnBuilder&) = delete;
  ColumnBuilder& operator=(const ColumnBuilder&) = delete;

  // Follows on a thread of its own until stop(). `durable_seq`: Recorder::durable_seq.
  void start(std::function<std::uint64_t()> durable_seq);
  void stop();

  // Takes what is durable, all of it. For commands and tests, which have no thread.
  Result<void> catch_up(std::uint64_t durable_seq);

  // What the columns hold now. Any thread; waits at most for one piece of the builder's work.
  Result<ColumnSnapshot> snapshot();

  // A scan met damage (kCorrupt): looks at every file and lets the damaged ones be built again.
  // True when there was one.
  bool drop_damaged();

  // An answer from what the columns hold now. Damage that shows only now is built away, and the
  // question put once more; beside a thread that builds, the second answer says what is missing.
  template <class Ask>
  auto answer(Ask ask) -> decltype(ask(ColumnSnapshot())) {
    auto first = answer_once(ask);
    if (first || first.error().code != Code::kCorrupt || !drop_damaged()) return first;
    if (!thread_.joinable()) {
      const auto done = catch_up(counters().next_seq - 1);
      if (!done) return std::unexpected(done.error());
    }
    return answer_once(ask);
  }

  // Before anything is forgotten: a mark on the disk, so that a start after a crash trusts no file.
  Result<void> begin_forgetting();
  // Fields were forgotten: files that may hold them are gone when this returns, also after a power
  // cut, and are made again from the log. Answers say what is missing until that is done. Takes the
  // mark away. On failure the mark stays, and the next start drops every file.
  struct Forgotten {
    std::optional<std::string> key = {};  // an api_key_id; nothing: whoever's
    std::optional<UtcTime> since = {}, before = {};
  };
  Result<void> forget(const Forgotten& what);

  struct Counters {
    std::uint64_t rows = 0, files = 0, rebuilt = 0, next_seq = 0;
    std::size_t live_rows = 0;
  };
  // As of the last piece of work; any thread, without waiting.
  Counters counters() const;

 private:
  ColumnBuilder(FileSystem& files, std::string journal, ColumnOptions options)
      : disk_(&files), journal_(std::move(journal)), options_(options) {}

  template <class Ask>
  auto answer_once(Ask& ask) -> decltype(ask(ColumnSnapshot())) {
    const auto now = snapshot();
    if (!now) return std::unexpected(now.error());
    return ask(*now);
  }

  using File = std::shared_ptr<const ColumnFile>;
  struct Kept {
    File file;
    bool written = false;
  };

  Result<void> begin();
  void load_files();
  Result<void> remove_file(std::uint64_t first_seq);
  Result<void> finish_forgetting();
  Result<void> begin_live();
  Result<bool> fits_the_log(std::uint64_t start);
  Result<void> fill_gaps();
  Result<void> rebuild(std::uint64_t from, std::uint64_t end);
  Result<bool> piece(std::uint64_t durable_seq);
  Result<void> step_over(const Error& why);
  Result<void> seal();
  Result<Kept> keep(const ColumnWriter& writer) const;
  Result<void> insert(Kept kept);
  bool full(const ColumnWriter& writer) const {
    return writer.full() || writer.rows() >= options_.file_rows_max;
  }
  void save();
  void forget_pruned();
  void publish();  // under the lock
  void take(const Record& record, ColumnWriter& writer) const;
  void run(const std::function<std::uint64_t()>& durable_seq);

  FileSystem* const disk_;
  const std::string journal_;
  const ColumnOptions options_;
  std::unique_ptr<FileSystem::Lock> lock_;  // null: we write nothing

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  bool gaps_ = true;           // there may be some
  std::size_t rounds_ = 0;     // of catch_up
  std::uint64_t forgets_ = 0;  // what was read before the newest is not kept
  std::map<std::uint64_t, std::shared_ptr<const ColumnFile>> sealed_;
  std::uint64_t kept_from_ = 1;  // the journal's first record
  std::size_t unwritten_rows_ = 0;
  std::optional<ColumnWriter> live_;
  std::optional<Follower> follower_;
  OpenIntents open_;
  std::shared_ptr<const ColumnFile> live_file_;  // of the first live_rows_ rows of live_
  std::size_t live_rows_ = 0;
  std::size_t saved_rows_ = 0;  // of live_, in its file
  std::vector<std::string> missing_;
  std::string told_;  // the failure that the operator has read last
  Counters counters_;
  std::thread thread_;

  // What counters() says.
  struct Published {
    std::atomic<std::uint64_t> rows{0}, files{0}, rebuilt{0}, next_seq{0};
    std::atomic<std::size_t> live_rows{0};
  };
  Published published_;
};

}  // namespace sallyport::audit
