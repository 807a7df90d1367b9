// SPDX-License-Identifier: Apache-2.0
#include "audit/column_scan.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace sallyport::audit {

std::size_t ColumnSnapshot::rows() const {
  std::size_t rows = 0;
  for (const auto& file : files) rows += file->rows();
  return rows;
}

void Chunk::begin(const ColumnFile& file, std::size_t block, std::size_t first, std::size_t count) {
  file_ = &file;
  block_ = block;
  first_ = first;
  count_ = count;
  first_seq_ = file.first_seq() + block * kBlockRows + first;
  read_.fill(false);
}

const std::uint32_t* Chunk::codes(Column column) {
  const auto c = static_cast<std::size_t>(column);
  auto& out = codes_[c];
  if (!out) out = std::make_unique<std::uint32_t[]>(kChunkRows);
  if (std::exchange(read_[c], true)) return out.get();
  if (auto read = file_->read_codes(column, block_, first_, count_, out.get()); !read) {
    error_ = std::move(read.error());
    std::fill_n(out.get(), kChunkRows, 0u);
  }
  return out.get();
}

const std::int64_t* Chunk::numbers(Column column) {
  const auto c = static_cast<std::size_t>(column);
  auto& out = numbers_[c];
  if (!out) out = std::make_unique<std::int64_t[]>(kChunkRows);
  if (std::exchange(read_[c], true)) return out.get();
  if (auto read = file_->read_numbers(column, block_, first_, count_, out.get()); !read) {
    error_ = std::move(read.error());
    std::fill_n(out.get(), kChunkRows, kNoNumber);
  }
  return out.get();
}

namespace {

constexpr std::array<std::uint16_t, kChunkRows> kAllRows = [] {
  std::array<std::uint16_t, kChunkRows> rows{};
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint16_t>(i);
  return rows;
}();

bool outside(const ColumnFile& file, const Selection& selection) {
  if (selection.since && file.max_ms() < selection.since->time_since_epoch().count()) return true;
  return selection.until && file.min_ms() >= selection.until->time_since_epoch().count();
}

bool inside(const ColumnFile& file, const Selection& selection) {
  if (selection.since && file.min_ms() < selection.since->time_since_epoch().count()) return false;
  return !selection.until || file.max_ms() < selection.until->time_since_epoch().count();
}

}  // namespace

// One thread's way through its files.
class ScanThread {
 public:
  ScanThread(const Selection& selection, std::span<const std::uint64_t> open)
      : selection_(selection), open_(open) {}

  void run(std::span<const std::shared_ptr<const ColumnFile>> files, ChunkVisitor& visitor) {
    for (const auto& file : files) {
      Result<bool> whole = false;
      if (inside(*file, selection_)) whole = visitor.whole_file(*file);
      if (!whole) {
        outcome = std::unexpected(whole.error());
      } else {
        outcome = *whole ? skip(file->blocks()) : one(*file, visitor);
      }
      if (!outcome) return;
    }
  }

  Result<void> outcome;
  ScanCount count;

 private:
  // A condition on one column of words: which codes it holds for.
  struct WordTest {
    Column column;
    std::vector<std::uint8_t> holds;
    std::array<std::uint64_t, 4> codes{};  // as in BlockEntry: of those it holds for
    bool any = false;
  };
  struct Test {
    const Condition* condition;
    std::vector<WordTest> words;  // empty: of numbers
  };

  Result<void> one(const ColumnFile& file, ChunkVisitor& visitor) {
    const Result<bool> possible = prepare(file);
    if (!possible) return std::unexpected(possible.error());
    if (!*possible) return skip(file.blocks());
    bool begun = false;
    for (std::size_t block = 0; block < file.blocks(); ++block) {
      if (!may_hold(file, block)) {
        ++count.blocks_skipped;
        continue;
      }
      ++count.blocks;
      if (!begun) {
        if (auto good = visitor.begin_file(file); !good) return good;
      }
      begun = true;
      if (auto good = one_block(file, block, visitor); !good) return good;
    }
    return begun ? visitor.end_file() : Result<void>();
  }

  Result<void> skip(std::size_t blocks) {
    count.blocks_skipped += blocks;
    return {};
  }

  // The conditions in terms of this file's dictionaries. False: no row can satisfy them.
  Result<bool> prepare(const ColumnFile& file) {
    tests_.clear();
    for (const Condition& condition : selection_.conditions) {
      Test test{.condition = &condition, .words = {}};
      bool possible = false;
      for (const Column column : condition.columns) {
        if (!has_words(column)) {
          possible = true;
          continue;
        }
        auto words = word_test(file, column, condition);
        if (!words) return std::unexpected(words.error());
        possible = possible || words->any;
        test.words.push_back(std::move(*words));
      }
      if (!possible) return false;
      tests_.push_back(std::move(test));
    }
    const auto kinds = file.dictionary(Column::kKind);
    if (!kinds) return std::unexpected(kinds.error());
    intent_ = selection_.all_intents ? 0 : kinds->find(name(Kind::kIntent)).value_or(0);
    return true;
  }

  static Result<WordTest> word_test(const ColumnFile& file, Column column,
                                    const Condition& condition) {
    const auto words = file.dictionary(column);
    if (!words) return std::unexpected(words.error());
    WordTest test{.column = column, .holds = std::vector<std::uint8_t>(words->size())};
    for (std::uint32_t code = 0; code < words->size(); ++code) {
      if (!condition.word(words->word(code))) continue;
      test.holds[code] = 1;
      test.codes[code / 64 % 4] |= std::uint64_t{1} << (code % 64);
      test.any = true;
    }
    return test;
  }

  static bool may_hold(const ColumnFile& file, std::size_t block, const Test& test) {
    if (test.words.empty()) {
      const BlockEntry zone = file.zone(block, test.condition->columns.front());
      const Condition& condition = *test.condition;
      if (zone.nulls != 0 && condition.null_holds) return true;
      if (zone.nulls == 2) return false;
      const std::int64_t high = zone.base + static_cast<std::int64_t>(zone.span);
      if (condition.inverted) return zone.base < condition.low || high > condition.high;
      return zone.base <= condition.high && high >= condition.low;
    }
    return std::ranges::any_of(test.words, [&](const WordTest& words) {
      const BlockEntry zone = file.zone(block, words.column);
      for (std::size_t i = 0; i < zone.codes.size(); ++i) {
        if ((zone.codes[i] & words.codes[i]) != 0) return true;
      }
      return false;
    });
  }

  bool may_hold(const ColumnFile& file, std::size_t block) const {
    const BlockEntry time = file.zone(block, Column::kTime);
    const std::int64_t last = time.base + static_cast<std::int64_t>(time.span);
    if (selection_.since && last < selection_.since->time_since_epoch().count()) return false;
    if (selection_.until && time.base >= selection_.until->time_since_epoch().count()) return false;
    return std::ranges::all_of(tests_,
                               [&](const Test& test) { return may_hold(file, block, test); });
  }

  Result<void> one_block(const ColumnFile& file, std::size_t block, ChunkVisitor& visitor) {
    const std::size_t rows = file.block_rows(block);
    count.rows += rows;
    chunk_.begin(file, block, 0, 0);
    begin_block(block);
    for (std::size_t first = 0; first < rows; first += kChunkRows) {
      chunk_.begin(file, block, first, std::min(kChunkRows, rows - first));
      pick(chunk_.count_);
      count.picked += chunk_.rows_.size();
      if (!chunk_.rows_.empty() && !chunk_.error_) {
        if (auto good = visitor.visit(chunk_); !good) return good;
      }
      if (chunk_.error_) return std::unexpected(*chunk_.error_);
    }
    return {};
  }

  // Nothing to look at where every value of the block satisfies the condition.
  bool holds_throughout(const Test& test) const {
    if (test.words.size() != 1) return false;
    const BlockEntry zone = chunk_.file().zone(block_, test.words.front().column);
    if (zone.span > 64) return false;
    const auto first = test.words.front().holds.begin() + zone.base;
    return std::all_of(first, first + static_cast<std::ptrdiff_t>(zone.span) + 1,
                       [](std::uint8_t holds) { return holds != 0; });
  }
  bool without_intents() const {
    const BlockEntry zone = chunk_.file().zone(block_, Column::kKind);
    return intent_ == 0 || (zone.codes[intent_ / 64 % 4] >> (intent_ % 64) & 1) == 0;
  }
  bool within_time() const {
    const BlockEntry zone = chunk_.file().zone(block_, Column::kTime);
    const std::int64_t last = zone.base + static_cast<std::int64_t>(zone.span);
    return (!selection_.since || zone.base >= selection_.since->time_since_epoch().count()) &&
           (!selection_.until || last < selection_.until->time_since_epoch().count());
  }

  // What of the conditions this block leaves open.
  void begin_block(std::size_t block) {
    block_ = block;
    look_at_time_ = !within_time();
    look_at_kinds_ = !without_intents();
    looked_at_.clear();
    for (const Test& test : tests_) {
      if (!holds_throughout(test)) looked_at_.push_back(&test);
    }
  }

  void pick(std::size_t rows) {
    if (!look_at_time_ && !look_at_kinds_ && looked_at_.empty()) {
      chunk_.rows_ = std::span(kAllRows).first(rows);
      return;
    }
    std::fill_n(keep_.begin(), rows, std::uint8_t{1});
    if (look_at_time_) pick_time(rows);
    if (look_at_kinds_) pick_intents(rows);
    for (const Test* test : looked_at_) pick(rows, *test);
    std::size_t picked = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      picked_[picked] = static_cast<std::uint16_t>(i);
      picked += keep_[i];
    }
    chunk_.rows_ = std::span(picked_).first(picked);
  }

  void pick(std::size_t rows, const Test& test) {
    if (test.words.empty()) {
      const std::int64_t* numbers = chunk_.numbers(test.condition->columns.front());
      for (std::size_t i = 0; i < rows; ++i) {
        const bool null = numbers[i] == kNoNumber;
        keep_[i] &= test.condition->holds(null ? std::nullopt : std::optional(numbers[i]));
      }
    } else if (test.words.size() == 1) {
      const std::uint32_t* codes = chunk_.codes(test.words.front().column);
      const std::uint8_t* holds = test.words.front().holds.data();
      for (std::size_t i = 0; i < rows; ++i) keep_[i] &= holds[codes[i]];
    } else {
      pick_any(rows, test);
    }
  }

  void pick_any(std::size_t rows, const Test& test) {
    std::array<std::uint8_t, kChunkRows> any{};
    for (const WordTest& words : test.words) {
      const std::uint32_t* codes = chunk_.codes(words.column);
      for (std::size_t i = 0; i < rows; ++i) any[i] |= words.holds[codes[i]];
    }
    for (std::size_t i = 0; i < rows; ++i) keep_[i] &= any[i];
  }

  void pick_time(std::size_t rows) {
    const std::int64_t since =
        selection_.since ? selection_.since->time_since_epoch().count() : INT64_MIN;
    const std::int64_t until =
        selection_.until ? selection_.until->time_since_epoch().count() : INT64_MAX;
    const std::int64_t* times = chunk_.numbers(Column::kTime);
    for (std::size_t i = 0; i < rows; ++i) keep_[i] &= times[i] >= since && times[i] < until;
  }

  void pick_intents(std::size_t rows) {
    const std::uint32_t* kinds = chunk_.codes(Column::kKind);
    auto open = std::ranges::lower_bound(open_, chunk_.first_seq_);
    std::array<std::size_t, kChunkRows> kept;
    std::size_t count = 0;
    for (; open != open_.end() && *open < chunk_.first_seq_ + rows; ++open) {
      const std::size_t row = *open - chunk_.first_seq_;
      if (keep_[row] != 0) kept[count++] = row;
    }
    for (std::size_t i = 0; i < rows; ++i) keep_[i] &= kinds[i] != intent_;
    for (std::size_t i = 0; i < count; ++i) keep_[kept[i]] = 1;
  }

  const Selection& selection_;
  std::span<const std::uint64_t> open_;
  std::vector<Test> tests_;
  std::uint32_t intent_ = 0;  // the code of "intent", if intents are to be left out
  Chunk chunk_;
  std::size_t block_ = 0;
  bool look_at_time_ = false, look_at_kinds_ = false;
  std::vector<const Test*> looked_at_;
  std::array<std::uint8_t, kChunkRows> keep_;
  std::array<std::uint16_t, kChunkRows> picked_;
};

Result<ScanCount> scan(const ColumnSnapshot& snapshot, const Selection& selection,
                       std::span<ChunkVisitor* const> visitors) {
  std::vector<std::unique_ptr<ScanThread>> threads;
  std::vector<std::jthread> running;
  ColumnSnapshot within;  // so that the shares are even
  for (const auto& file : snapshot.files) {
    if (!outside(*file, selection)) within.files.push_back(file);
  }
  const std::size_t rows = within.rows();
  std::size_t at = 0, seen = 0;
  for (std::size_t v = 0; v < visitors.size(); ++v) {
    // Each gets the files up to its share of the rows.
    const std::size_t begin = at;
    while (at < within.files.size() &&
           (v + 1 == visitors.size() || seen * visitors.size() < rows * (v + 1))) {
      seen += within.files[at++]->rows();
    }
    threads.push_back(std::make_unique<ScanThread>(selection, snapshot.open));
    const auto part = std::span(within.files).subspan(begin, at - begin);
    if (v + 1 == visitors.size()) {
      threads.back()->run(part, *visitors[v]);
    } else {
      running.emplace_back([part, thread = threads.back().get(), visitor = visitors[v]] {
        thread->run(part, *visitor);
      });
    }
  }
  running.clear();
  ScanCount total;
  for (const auto& file : snapshot.files) {
    if (outside(*file, selection)) total.blocks_skipped += file->blocks();
  }
  for (const auto& thread : threads) {
    if (!thread->outcome) return std::unexpected(thread->outcome.error());
    total.rows += thread->count.rows;
    total.picked += thread->count.picked;
    total.blocks += thread->count.blocks;
    total.blocks_skipped += thread->count.blocks_skipped;
  }
  return total;
}

}  // namespace sallyport::audit
