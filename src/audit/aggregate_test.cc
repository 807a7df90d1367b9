// SPDX-License-Identifier: Apache-2.0
// Any question to the columns has the answer that the JSON lines have.
#include "audit/aggregate.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "audit/column_builder.h"
#include "audit/log_for_test.h"
#include "audit/open_intents.h"

namespace sallyport::audit {
namespace {

// Slow and plain: one record after the other, words in maps.
class Oracle {
 public:
  explicit Oracle(std::vector<Event> events) : events_(std::move(events)) {
    std::map<std::string, std::uint64_t> open;
    for (const Event& e : events_) {
      if (e.kind == Kind::kIntent) open.emplace(e.request_id, e.seq);
      if (e.kind == Kind::kRequest) open.erase(e.request_id);
    }
    for (const auto& [id, seq] : open) open_.insert(seq);
  }

  std::vector<AggregateRow> answer(const AggregateSpec& spec) const {
    std::map<Key, std::vector<const Event*>> groups;
    for (const Event& e : events_) {
      if (matches(spec.selection, e)) groups[key_of(spec, e)].push_back(&e);
    }
    std::vector<AggregateRow> rows;
    for (const auto& [key, events] : groups) {
      AggregateRow row{.bucket = key.first, .groups = key.second, .values = {}};
      for (const Measure& measure : spec.measures) row.values.push_back(value(measure, events));
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  using Key = std::pair<std::optional<UtcTime>, std::vector<std::optional<std::string>>>;

  bool matches(const Selection& selection, const Event& e) const {
    if (selection.since && e.timestamp_utc < *selection.since) return false;
    if (selection.until && e.timestamp_utc >= *selection.until) return false;
    if (e.kind == Kind::kIntent && !selection.all_intents && !open_.contains(e.seq)) return false;
    return std::ranges::all_of(selection.conditions,
                               [&](const Condition& condition) { return condition.holds(e); });
  }
  static Key key_of(const AggregateSpec& spec, const Event& e) {
    Key key;
    if (spec.bucket.count() > 0) {
      key.first = UtcTime(std::chrono::floor<std::chrono::milliseconds>(e.timestamp_utc) -
                          (e.timestamp_utc.time_since_epoch() % spec.bucket));
    }
    std::string scratch;
    for (const Column column : spec.group_by) {
      const auto word = word_of(column, e, scratch);
      key.second.push_back(word ? std::optional<std::string>(*word) : std::nullopt);
    }
    return key;
  }
  static std::optional<std::int64_t> value(const Measure& m,
                                           const std::vector<const Event*>& events) {
    if (m.sum == Sum::kCount) return static_cast<std::int64_t>(events.size());
    std::set<std::string> words;
    std::vector<std::int64_t> numbers;
    std::string scratch;
    for (const Event* e : events) {
      if (m.sum == Sum::kRequests) {
        numbers.push_back(e->repeated.value_or(1));
      } else if (m.sum == Sum::kDistinct) {
        if (const auto word = word_of(m.column, *e, scratch)) words.emplace(*word);
      } else if (const auto number = number_of(m.column, *e)) {
        numbers.push_back(*number);
      }
    }
    if (m.sum == Sum::kDistinct) return static_cast<std::int64_t>(words.size());
    if (numbers.empty()) return std::nullopt;
    if (m.sum == Sum::kMin) return std::ranges::min(numbers);
    if (m.sum == Sum::kMax) return std::ranges::max(numbers);
    __int128 sum = 0;
    for (const std::int64_t n : numbers) sum += n;
    sum = std::min<__int128>(sum, INT64_MAX);
    return static_cast<std::int64_t>(
        m.sum == Sum::kMean ? sum / static_cast<__int128>(numbers.size()) : sum);
  }

  std::vector<Event> events_;
  std::set<std::uint64_t> open_;
};

const char* kConditions[] = {
    "status=200",
    "status!=200",
    "status=4xx",
    "status>=400",
    "status=null",
    "status!=null",
    "ip=10.0.1.0/24",
    "ip!=10.0.0.0/16",
    "ip=2001:db8::3",
    "api_key_id=key3",
    "key!=key3",
    "model=gpt-*",
    "model!=gpt-1*",
    "model=nothing",
    "geo=null",
    "asn=64501",
    "asn<64502",
    "kind=request",
    "error!=null",
    "tokens_input>100000",
    "tokens_input<=0",
    "tokens_input=null",
    "cost_usd>=0.5",
    "cost_usd<0.000001",
    "injection.score>0.5",
    "verdict=block",
    "latency_ms!=null",
    "latency!=5000",
    "categories=override,exfiltration",
    "timestamp_utc>=2026-11-24T14:00:00Z",
    "endpoint=null",
    "repeated>10",
    "claimed_kid=kid1*",
    "tokens_output=1",
    "stream=true",
    "ttft_ms>1000",
    "pii=phone",
    "pii=pho*",
    "pii!=phone",
    "pii=email,phone",
    "pii.count>=3",
    "charged_usd>0.5",
    "severity=high",
    "detector!=detector_1",
    "incident=null",
    "finding.score>=10.5",
    "tags=owasp-llm*",
    "categories=exfiltration",
};
const char* kMeasures[] = {"count",
                           "requests",
                           "sum:tokens_input",
                           "min:cost_usd",
                           "max:cost_usd",
                           "mean:latency_ms",
                           "distinct:ip",
                           "distinct:model",
                           "max:timestamp_utc",
                           "sum:tokens_output",
                           "sum:charged_usd",
                           "max:finding.score",
                           "sum:pii.count",
                           "min:injection.score"};
constexpr Column kGroupBy[] = {Column::kKey,     Column::kIp,     Column::kGeo, Column::kStatus,
                               Column::kModel,   Column::kKind,   Column::kAsn, Column::kError,
                               Column::kVerdict, Column::kStream, Column::kPii, Column::kDetector};

AggregateSpec random_spec(std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return random() % n; };
  AggregateSpec spec;
  for (std::size_t n = below(4); n > 0; --n) {
    auto condition = parse_condition(kConditions[below(std::size(kConditions))]);
    EXPECT_TRUE(condition) << condition.error().what;
    if (condition) spec.selection.conditions.push_back(std::move(*condition));
  }
  const UtcTime noon = *parse_utc("2026-11-24T12:00:00Z");
  if (below(3) == 0) spec.selection.since = noon + std::chrono::minutes(below(300));
  if (below(3) == 0) spec.selection.until = noon + std::chrono::minutes(below(900));
  spec.selection.all_intents = below(3) == 0;
  for (std::size_t n = below(3); n > 0; --n) {
    spec.group_by.push_back(kGroupBy[below(std::size(kGroupBy))]);
  }
  if (below(3) == 0) spec.bucket = std::chrono::minutes(1 + below(400));
  spec.measures.clear();
  for (std::size_t n = 1 + below(4); n > 0; --n) {
    spec.measures.push_back(*parse_measure(kMeasures[below(std::size(kMeasures))]));
  }
  return spec;
}

std::string shown(const AggregateSpec& spec, std::vector<AggregateRow> rows) {
  AggregateAnswer answer;
  answer.rows = std::move(rows);
  return aggregate_csv(spec, answer);
}

TEST(Aggregate, EveryFieldOfTheLineHasAColumnButThoseThatAreNeverTwiceTheSame) {
  const std::set<std::string_view> without = {
      "request_id", "upstream_request_id", "detail", "seq", "crc", "synced"};
  for (const EventField& field : event_fields()) {
    const std::string members = std::string(field.name) + ".";
    bool has = false;
    for (std::size_t c = 0; c < kColumns; ++c) {
      const ColumnRow& row = row_of(static_cast<Column>(c));
      EXPECT_EQ(static_cast<std::size_t>(row.column), c);
      has = has || row.name == field.name || row.name.starts_with(members);
    }
    EXPECT_NE(has, without.contains(field.name)) << field.name;
  }
}

TEST(Aggregate, AnyQuestionHasTheAnswerOfTheLines) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    MemoryDisk disk;
    std::vector<Event> events = random_events(seed, 3'000);
    put_log(disk, events, 700);
    const Oracle oracle(events);
    auto builder = ColumnBuilder::open(disk, "/j", {.map = false, .file_rows_max = 400 * seed});
    ASSERT_TRUE(builder) << builder.error().what;
    ASSERT_TRUE((*builder)->catch_up(events.size()));
    const auto snapshot = (*builder)->snapshot();
    ASSERT_TRUE(snapshot);
    EXPECT_EQ(snapshot->end_seq, events.size() + 1);
    EXPECT_TRUE(snapshot->missing.empty());
    std::mt19937_64 random(seed);
    for (int i = 0; i < 100; ++i) {
      const AggregateSpec spec = random_spec(random);
      const auto answer = aggregate(*snapshot, spec, 1 + i % 3);
      ASSERT_TRUE(answer) << answer.error().what;
      ASSERT_EQ(shown(spec, answer->rows), shown(spec, oracle.answer(spec)))
          << "seed " << seed << " question " << i;
    }
  }
}

TEST(Aggregate, ManyBlocksAreAsOneAndZonesSkipMost) {
  MemoryDisk disk;
  std::vector<Event> events(3 * kBlockRows / 2);
  const UtcTime noon = *parse_utc("2026-11-24T12:00:00Z");
  for (std::size_t i = 0; i < events.size(); ++i) {
    events[i].timestamp_utc = noon + std::chrono::milliseconds(i);
    events[i].api_key_id = i < kBlockRows ? "early" : "late";
    events[i].tokens_input = static_cast<std::int64_t>(i);
  }
  ColumnWriter writer(1);
  for (const Event& event : events) writer.append(event);
  auto file = ColumnFile::from_bytes(writer.encode(), "test");
  ASSERT_TRUE(file) << file.error().what;
  const ColumnSnapshot snapshot{
      .files = {*file}, .end_seq = events.size() + 1, .until = {}, .open = {}, .missing = {}};
  AggregateSpec spec{.measures = {*parse_measure("count"), *parse_measure("max:tokens_input")}};
  spec.selection.conditions = {*parse_condition("key=late")};
  const auto answer = aggregate(snapshot, spec);
  ASSERT_TRUE(answer) << answer.error().what;
  ASSERT_EQ(answer->rows.size(), 1u);
  EXPECT_EQ(answer->rows[0].values[0], kBlockRows / 2);
  EXPECT_EQ(answer->rows[0].values[1], events.size() - 1);
  EXPECT_EQ(answer->count.blocks, 1u);
  EXPECT_EQ(answer->count.blocks_skipped, 1u);
}

TEST(Aggregate, TopIsTheGreatestByTheFirstMeasure) {
  MemoryDisk disk;
  std::vector<Event> events = random_events(9, 500);
  put_log(disk, events, 500);
  auto builder = ColumnBuilder::open(disk, "/j", {.map = false});
  ASSERT_TRUE((*builder)->catch_up(500));
  AggregateSpec spec{.group_by = {Column::kIp}, .measures = {*parse_measure("count")}, .top = 3};
  const auto answer = aggregate(*(*builder)->snapshot(), spec);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->rows.size(), 3u);
  EXPECT_GT(answer->groups, 3u);
  EXPECT_GE(answer->rows[0].values[0], answer->rows[1].values[0]);
  EXPECT_GE(answer->rows[1].values[0], answer->rows[2].values[0]);
}

TEST(Aggregate, CsvHoldsWhatASpreadsheetWouldRunOrBreak) {
  AggregateSpec spec{.group_by = {Column::kModel}, .measures = {*parse_measure("count")}};
  AggregateAnswer answer;
  for (const char* model : {"plain", "=1+1", "+x", "-x", "@x", "a,b", "say \"hi\"", "two\nlines"}) {
    answer.rows.push_back({.bucket = {}, .groups = {model}, .values = {1}});
  }
  answer.rows.push_back({.bucket = {}, .groups = {std::nullopt}, .values = {1}});
  EXPECT_EQ(aggregate_csv(spec, answer),
            "model,count\r\nplain,1\r\n\"'=1+1\",1\r\n\"'+x\",1\r\n\"'-x\",1\r\n\"'@x\",1\r\n"
            "\"a,b\",1\r\n\"say \"\"hi\"\"\",1\r\n\"two\nlines\",1\r\n,1\r\n");
}

TEST(Aggregate, WrongQuestionsAreRefusedInWords) {
  for (const char* wrong : {"", "status", "=200", "statu=200", "status=abc", "ip=nowhere",
                            "model<x", "cost_usd=-1", "timestamp_utc>yesterday", "score=2"}) {
    const auto condition = parse_condition(wrong);
    EXPECT_FALSE(condition) << wrong;
    if (!condition) EXPECT_EQ(condition.error().code, Code::kInvalid) << wrong;
  }
  for (const char* wrong : {"", "sum", "sum:ip", "distinct:cost_usd", "median:cost_usd", "count:ip",
                            "sum:timestamp_utc"}) {
    EXPECT_FALSE(parse_measure(wrong)) << wrong;
  }
  const ColumnSnapshot none;
  EXPECT_FALSE(aggregate(none, {.group_by = {Column::kCost}}));
  EXPECT_FALSE(aggregate(none, {.group_by = {Column::kIp, Column::kIp, Column::kIp}}));
}

}  // namespace
}  // namespace sallyport::audit
