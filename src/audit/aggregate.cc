// SPDX-License-Identifier: Apache-2.0
#include "audit/aggregate.h"

#include <algorithm>
#include <compare>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "audit/flat_index.h"

namespace sallyport::audit {
namespace {

struct GroupKey {
  std::int64_t bucket = 0;
  std::optional<std::string> first, second;
  friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};

struct Cell {
  std::int64_t value = 0;
  std::uint64_t count = 0;  // of values that are not null
};

struct Group {
  std::vector<Cell> cells;
  std::vector<std::unordered_set<std::string>> distinct;  // as many as such measures
};
using Groups = std::map<GroupKey, Group>;

std::int64_t plus(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? INT64_MAX : INT64_MIN + 1;
}

void add(Sum sum, Cell& cell, std::int64_t value) {
  if (sum == Sum::kMin) {
    cell.value = cell.count == 0 ? value : std::min(cell.value, value);
  } else if (sum == Sum::kMax) {
    cell.value = cell.count == 0 ? value : std::max(cell.value, value);
  } else {
    cell.value = plus(cell.value, value);
  }
  ++cell.count;
}

void merge(Sum sum, Cell& into, const Cell& from) {
  if (from.count == 0) return;
  const std::uint64_t count = into.count + from.count;
  add(sum, into, from.value);
  into.count = count;
}

// Within one file everything is codes; words come in when the file is done.
class Gatherer final : public ChunkVisitor {
 public:
  explicit Gatherer(const AggregateSpec& spec) : spec_(spec) {
    for (const Measure& measure : spec.measures) distinct_ += measure.sum == Sum::kDistinct;
  }

  Groups groups;

  Result<void> begin_file(const ColumnFile& file) override {
    file_ = &file;
    dictionaries_.clear();
    for (const Column column : spec_.group_by) {
      auto words = file.dictionary(column);
      if (!words) return std::unexpected(words.error());
      dictionaries_.push_back(*words);
    }
    index_.clear();
    keys_.clear();
    cells_.clear();
    pairs_.assign(distinct_, {});
    dense_.clear();
    if (spec_.group_by.size() == 1 && spec_.bucket.count() == 0) {
      dense_.assign(dictionaries_.front().size(), UINT32_MAX);
    }
    return {};
  }

  Result<void> visit(Chunk& chunk) override {
    const auto rows = chunk.rows();
    if (const auto found = find_groups(chunk); !found) return found;
    std::size_t pairs_at = 0;
    for (std::size_t m = 0; m < spec_.measures.size(); ++m) {
      const Measure& measure = spec_.measures[m];
      if (measure.sum == Sum::kDistinct) {
        if (auto done = add_pairs(chunk, measure.column, pairs_[pairs_at++]); !done) return done;
      } else if (measure.sum == Sum::kCount) {
        for (std::size_t i = 0; i < rows.size(); ++i) ++cell(i, m).value;
      } else if (measure.sum == Sum::kRequests) {
        const std::int64_t* repeated = chunk.numbers(Column::kRepeated);
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const std::int64_t times = repeated[rows[i]];
          Cell& into = cell(i, m);
          into.value = plus(into.value, times == kNoNumber ? 1 : times);
        }
      } else {
        const std::int64_t* numbers = chunk.numbers(measure.column);
        for (std::size_t i = 0; i < rows.size(); ++i) {
          if (numbers[rows[i]] != kNoNumber) add(measure.sum, cell(i, m), numbers[rows[i]]);
        }
      }
    }
    return {};
  }

  Result<void> end_file() override {
    std::vector<Group*> of(keys_.size());
    for (std::size_t g = 0; g < keys_.size(); ++g) {
      GroupKey key{.bucket = keys_[g].first, .first = {}, .second = {}};
      const auto word = [&](std::size_t i, std::uint64_t code) -> std::optional<std::string> {
        const auto text = dictionaries_[i].word(static_cast<std::uint32_t>(code));
        return text ? std::optional<std::string>(*text) : std::nullopt;
      };
      if (!dictionaries_.empty()) key.first = word(0, keys_[g].second >> 32);
      if (dictionaries_.size() > 1) key.second = word(1, keys_[g].second & UINT32_MAX);
      Group& group = groups[std::move(key)];
      group.cells.resize(spec_.measures.size());
      group.distinct.resize(distinct_);
      for (std::size_t m = 0; m < spec_.measures.size(); ++m) {
        const Cell& from = cells_[g * spec_.measures.size() + m];
        const Sum sum = spec_.measures[m].sum;
        if (sum == Sum::kCount || sum == Sum::kRequests) {
          group.cells[m].value = plus(group.cells[m].value, from.value);
        } else {
          merge(sum, group.cells[m], from);
        }
      }
      of[g] = &group;
    }
    if (groups.size() > kGroupsMax) return too_many();
    return merge_pairs(of);
  }

 private:
  static std::unexpected<Error> too_many() {
    return fail(Code::kExhausted,
                "too many groups or different values for one answer: ask for a "
                "shorter time, or add a condition");
  }

  Cell& cell(std::size_t i, std::size_t m) {
    return cells_[groups_of_[i] * spec_.measures.size() + m];
  }

  // Which group each picked row belongs to.
  Result<void> find_groups(Chunk& chunk) {
    const auto rows = chunk.rows();
    const auto codes = [&](std::size_t i) {
      return spec_.group_by.size() > i ? chunk.codes(spec_.group_by[i]) : nullptr;
    };
    const std::uint32_t* first = codes(0);
    const std::uint32_t* second = codes(1);
    const std::int64_t bucket = spec_.bucket.count();
    const std::int64_t* times = bucket > 0 ? chunk.numbers(Column::kTime) : nullptr;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint16_t row = rows[i];
      if (!dense_.empty()) {
        std::uint32_t& known = dense_[first[row]];
        if (known == UINT32_MAX) known = begin_group({0, std::uint64_t{first[row]} << 32});
        groups_of_[i] = known;
        continue;
      }
      // Towards the past also before 1970, so that buckets are all of one length.
      std::int64_t start = 0;
      if (times) {
        const std::int64_t rest = times[row] % bucket;
        start = times[row] - (rest < 0 ? rest + bucket : rest);
      }
      const std::uint64_t code =
          (first ? std::uint64_t{first[row]} << 32 : 0) | (second ? std::uint64_t{second[row]} : 0);
      const Place place{start, code};
      if (i > 0 && place == last_) {
        groups_of_[i] = groups_of_[i - 1];
        continue;
      }
      last_ = place;
      const auto [at, fresh] = index_.try_emplace(place, 0);
      if (fresh) at->second = begin_group(place);
      groups_of_[i] = at->second;
    }
    return keys_.size() > kGroupsMax ? Result<void>(too_many()) : Result<void>();
  }

  using Place = std::pair<std::int64_t, std::uint64_t>;  // bucket and codes
  struct PlaceHash {
    std::size_t operator()(const Place& place) const {
      const std::uint64_t mixed = static_cast<std::uint64_t>(place.first) * 0x9E3779B97F4A7C15ull;
      return ((mixed >> 29) ^ mixed ^ place.second) * 0xBF58476D1CE4E5B9ull >> 7;
    }
  };

  std::uint32_t begin_group(const Place& place) {
    keys_.push_back(place);
    cells_.resize(keys_.size() * spec_.measures.size());
    return static_cast<std::uint32_t>(keys_.size() - 1);
  }

  Result<void> add_pairs(Chunk& chunk, Column column, FlatIndex& pairs) {
    const std::uint32_t* codes = chunk.codes(column);
    const auto rows = chunk.rows();
    std::uint64_t before = UINT64_MAX;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint64_t pair = std::uint64_t{groups_of_[i]} << 32 | codes[rows[i]];
      if (codes[rows[i]] == 0 || pair == before) continue;
      before = pair;
      pairs.add(pair);
    }
    return pairs.size() > kDistinctMax ? Result<void>(too_many()) : Result<void>();
  }

  Result<void> merge_pairs(const std::vector<Group*>& of) {
    std::size_t at = 0;
    for (const Measure& measure : spec_.measures) {
      if (measure.sum != Sum::kDistinct) continue;
      const auto words = file_->dictionary(measure.column);
      if (!words) return std::unexpected(words.error());
      for (const std::uint64_t pair : pairs_[at].keys()) {
        const auto word = words->word(static_cast<std::uint32_t>(pair & UINT32_MAX));
        if (word && of[pair >> 32]->distinct[at].emplace(*word).second) ++values_;
      }
      ++at;
    }
    return values_ > kDistinctMax ? Result<void>(too_many()) : Result<void>();
  }

  const AggregateSpec& spec_;
  std::size_t distinct_ = 0;
  std::size_t values_ = 0;
  const ColumnFile* file_ = nullptr;
  std::vector<Dictionary> dictionaries_;
  std::unordered_map<Place, std::uint32_t, PlaceHash> index_;
  std::vector<std::uint32_t> dense_;  // by code, where there is one group column and no bucket
  std::vector<Place> keys_;
  std::vector<Cell> cells_;
  std::vector<FlatIndex> pairs_;
  std::array<std::uint32_t, kChunkRows> groups_of_;
  Place last_{};
};

Result<void> check(const AggregateSpec& spec) {
  if (spec.group_by.size() > 2) return fail(Code::kInvalid, "at most two fields to group by");
  if (spec.measures.empty() || spec.measures.size() > 16) {
    return fail(Code::kInvalid, "between one and 16 measures");
  }
  if (spec.selection.conditions.size() > kConditionsMax) {
    return fail(Code::kInvalid, "too many conditions");
  }
  for (const Column column : spec.group_by) {
    if (!has_words(column)) {
      return fail(Code::kInvalid, "nothing is grouped by " + std::string(row_of(column).name) +
                                      (column == Column::kTime ? ": use a bucket" : ""));
    }
  }
  return {};
}

void merge_groups(const AggregateSpec& spec, Groups& into, Groups& from) {
  for (auto& [key, group] : from) {
    Group& to = into[key];
    to.cells.resize(spec.measures.size());
    to.distinct.resize(group.distinct.size());
    for (std::size_t m = 0; m < spec.measures.size(); ++m) {
      const Sum sum = spec.measures[m].sum;
      if (sum == Sum::kCount || sum == Sum::kRequests) {
        to.cells[m].value = plus(to.cells[m].value, group.cells[m].value);
      } else {
        merge(sum, to.cells[m], group.cells[m]);
      }
    }
    for (std::size_t d = 0; d < group.distinct.size(); ++d) to.distinct[d].merge(group.distinct[d]);
  }
  from.clear();
}

AggregateRow row_of_group(const AggregateSpec& spec, const GroupKey& key, const Group& group) {
  AggregateRow row;
  if (spec.bucket.count() > 0) row.bucket = UtcTime(std::chrono::milliseconds(key.bucket));
  if (!spec.group_by.empty()) row.groups.push_back(key.first);
  if (spec.group_by.size() > 1) row.groups.push_back(key.second);
  std::size_t distinct = 0;
  for (std::size_t m = 0; m < spec.measures.size(); ++m) {
    const Cell& cell = group.cells[m];
    switch (spec.measures[m].sum) {
      case Sum::kCount:
      case Sum::kRequests:
        row.values.emplace_back(cell.value);
        break;
      case Sum::kDistinct:
        row.values.emplace_back(static_cast<std::int64_t>(group.distinct[distinct++].size()));
        break;
      case Sum::kMean:
        row.values.push_back(
            cell.count == 0 ? std::nullopt
                            : std::optional(cell.value / static_cast<std::int64_t>(cell.count)));
        break;
      default:
        row.values.push_back(cell.count == 0 ? std::nullopt : std::optional(cell.value));
    }
  }
  return row;
}

}  // namespace

Result<AggregateAnswer> aggregate(const ColumnSnapshot& snapshot, const AggregateSpec& spec,
                                  std::size_t threads) {
  if (auto good = check(spec); !good) return std::unexpected(good.error());
  std::vector<std::unique_ptr<Gatherer>> gatherers;
  std::vector<ChunkVisitor*> visitors;
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
    gatherers.push_back(std::make_unique<Gatherer>(spec));
    visitors.push_back(gatherers.back().get());
  }
  const auto count = scan(snapshot, spec.selection, visitors);
  if (!count) return std::unexpected(count.error());
  Groups groups = std::move(gatherers.front()->groups);
  for (std::size_t i = 1; i < gatherers.size(); ++i)
    merge_groups(spec, groups, gatherers[i]->groups);
  if (groups.size() > kGroupsMax) return fail(Code::kExhausted, "too many groups for one answer");

  AggregateAnswer answer{.rows = {},
                         .groups = groups.size(),
                         .count = *count,
                         .end_seq = snapshot.end_seq,
                         .until = snapshot.until,
                         .open = snapshot.open.size(),
                         .missing = snapshot.missing};
  for (const auto& [key, group] : groups) answer.rows.push_back(row_of_group(spec, key, group));
  if (spec.top > 0) {
    std::ranges::sort(answer.rows, [](const AggregateRow& a, const AggregateRow& b) {
      const auto size = [](const AggregateRow& row) {
        return row.values.front().value_or(INT64_MIN);
      };
      if (size(a) != size(b)) return size(a) > size(b);
      return std::tie(a.bucket, a.groups) < std::tie(b.bucket, b.groups);
    });
    if (answer.rows.size() > spec.top) answer.rows.resize(spec.top);
  }
  return answer;
}

}  // namespace sallyport::audit
