// SPDX-License-Identifier: Apache-2.0
#include "audit/query.h"

#include <gtest/gtest.h>

#include "audit/journal.h"
#include "audit/memory_disk.h"
#include "audit/segment.h"
#include "audit/verify.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

const UtcTime kNoon = *parse_utc("2026-11-24T12:00:00.000Z");

Event request(std::string id, std::optional<std::string> key, int status,
              std::chrono::minutes after) {
  Event event;
  event.timestamp_utc = kNoon + after;
  event.kind = Kind::kRequest;
  event.request_id = std::move(id);
  event.api_key_id = std::move(key);
  event.status = status;
  event.endpoint = "POST /v1/chat/completions";
  event.model = "gpt-4o-mini";
  event.ip = "203.0.113.7";
  return event;
}

// What happened in the table below, oldest first: an open intent, a finished request with its
// intent, a stranger who claims a key, a look at the models, an administrator.
std::vector<Event> story() {
  Event open = request("open", "app", 0, 0min);
  open.kind = Kind::kIntent;
  open.status.reset();
  Event intent = open;
  intent.request_id = "done";
  intent.timestamp_utc += 1min;
  Event done = request("done", "app", 200, 2min);
  done.kid = "kid000000001";
  Event stranger = request("stranger", std::nullopt, 401, 3min);
  stranger.claimed_kid = "kid000000001";
  stranger.ip = "198.51.100.9";
  stranger.model.reset();
  Event models = request("models", "ops", 503, 4min);
  models.endpoint = "GET /v1/models";
  models.model.reset();
  models.ip = "2001:db8::1";
  Event admin;
  admin.timestamp_utc = kNoon + 5min;
  admin.kind = Kind::kAdmin;
  admin.action = "key_revoke";
  admin.api_key_id = "app";
  return {open, intent, done, stranger, models, admin};
}

struct Case {
  const char* why;
  std::function<void(QuerySpec&)> ask;
  std::vector<std::uint64_t> seqs;  // 1 open, 2 intent of 3, 3 done, 4 stranger, 5 models, 6 admin
};
const Case kCases[] = {
    {"everything but intents that are over", [](QuerySpec&) {}, {6, 5, 4, 3, 1}},
    {"oldest first", [](QuerySpec& q) { q.order = Order::kOldestFirst; }, {1, 3, 4, 5, 6}},
    {"a key by its stable name", [](QuerySpec& q) { q.key = "app"; }, {6, 3, 1}},
    {"a key by its credential, claimed too", [](QuerySpec& q) { q.key = "kid000000001"; }, {4, 3}},
    {"a credential alone", [](QuerySpec& q) { q.kid = "kid000000001"; }, {4, 3}},
    {"a key is not a part of a name", [](QuerySpec& q) { q.key = "ap"; }, {}},
    {"an address", [](QuerySpec& q) { q.ip = "198.51.100.9"; }, {4}},
    {"a network", [](QuerySpec& q) { q.ip = "203.0.113.0/24"; }, {3, 1}},
    {"another spelling of an address", [](QuerySpec& q) { q.ip = "2001:DB8:0:0::1"; }, {5}},
    {"a status, and what may still become it", [](QuerySpec& q) { q.status = "401"; }, {4, 1}},
    {"a class of status", [](QuerySpec& q) { q.status = "5xx"; }, {5, 1}},
    {"what is open", [](QuerySpec& q) { q.status = "open"; }, {1}},
    {"an endpoint by its path", [](QuerySpec& q) { q.endpoint = "/v1/chat"; }, {3, 1, 4}},
    {"an endpoint by method and path", [](QuerySpec& q) { q.endpoint = "GET /v1/"; }, {5}},
    {"a model", [](QuerySpec& q) { q.model = "gpt-4o-mini"; }, {3, 1}},
    {"a family of models", [](QuerySpec& q) { q.model = "gpt-*"; }, {3, 1}},
    {"a part of a model's name is none", [](QuerySpec& q) { q.model = "gpt"; }, {}},
    {"intents, also those that are over", [](QuerySpec& q) { q.kind = Kind::kIntent; }, {2, 1}},
    {"requests, also those under way", [](QuerySpec& q) { q.kind = Kind::kRequest; }, {5, 4, 3, 1}},
    {"acts of administrators", [](QuerySpec& q) { q.kind = Kind::kAdmin; }, {6}},
    {"one request", [](QuerySpec& q) { q.request_id = "done"; }, {3}},
    {"since is included", [](QuerySpec& q) { q.period.since = kNoon + 4min; }, {6, 5}},
    {"until is excluded", [](QuerySpec& q) { q.period.until = kNoon + 2min; }, {1}},
    {"the newest of many", [](QuerySpec& q) { q.limit = 2; }, {6, 5}},
    {"filters narrow each other",
     [](QuerySpec& q) {
       q.key = "app";
       q.status = "2xx";
       q.period.since = kNoon + 1min;
     },
     {3}},
};

class QueryTest : public ::testing::Test {
 protected:
  void write(const std::vector<Event>& events, std::size_t segment_bytes = 64u << 20) {
    ManualClock clock(kNoon);
    Config config{.path = "/j"};
    config.segment_bytes = segment_bytes;
    auto journal =
        Journal::open(config, clock, disk_, {.allocate_bytes = 4096, .segment_bytes_min = 0});
    ASSERT_TRUE(journal);
    for (const Event& event : events) (*journal)->record(event, Durability::kWritten, {});
    (*journal)->stop();
  }
  std::vector<std::uint64_t> ask(const QuerySpec& spec) {
    std::vector<std::uint64_t> seqs;
    answer_ = query(disk_, spec, [&](const Event& event, std::string_view) {
      seqs.push_back(event.seq);
      return true;
    });
    EXPECT_TRUE(answer_);
    return seqs;
  }

  MemoryDisk disk_;
  Result<QueryAnswer> answer_;
};

TEST_F(QueryTest, TheTable) {
  write(story());
  for (const Case& c : kCases) {
    QuerySpec spec{.journal = "/j"};
    c.ask(spec);
    std::vector<std::uint64_t> expected = c.seqs;
    if (spec.order == Order::kNewestFirst) std::ranges::sort(expected, std::greater());
    EXPECT_EQ(ask(spec), expected) << c.why;
  }
}

TEST_F(QueryTest, WrongQuestionsAreRefused) {
  write(story());
  const auto none = [](const Event&, std::string_view) { return true; };
  for (const char* status : {"", "20", "2000", "6xx", "xx", "abc", "4x4", "099"}) {
    QuerySpec spec{.journal = "/j"};
    spec.status = status;
    const auto answer = query(disk_, spec, none);
    ASSERT_FALSE(answer) << status;
    EXPECT_EQ(answer.error().code, Code::kInvalid);
  }
  QuerySpec spec{.journal = "/j"};
  spec.ip = "here";
  EXPECT_FALSE(query(disk_, spec, none));
}

TEST_F(QueryTest, TheLimitTellsThatThereIsMore) {
  write(story());
  QuerySpec spec{.journal = "/j"};
  spec.limit = 5;
  ask(spec);
  EXPECT_FALSE(answer_->more);
  spec.limit = 4;
  ask(spec);
  EXPECT_TRUE(answer_->more);
  spec.limit = 0;
  EXPECT_EQ(ask(spec).size(), 5u);
}

TEST_F(QueryTest, SegmentsOutsideThePeriodAreNotRead) {
  std::vector<Event> events;
  for (int i = 0; i < 1'000; ++i) {
    events.push_back(request("r" + std::to_string(i), "app", 200, std::chrono::minutes(i)));
  }
  write(events, 64u << 10);
  ASSERT_GT(list_segments(disk_, "/j")->size(), 4u);
  QuerySpec spec{.journal = "/j"};
  spec.period = {kNoon + 500min, kNoon + 510min};
  spec.limit = 0;
  EXPECT_EQ(ask(spec).size(), 10u);
  EXPECT_LT(answer_->read, 400u);
}

TEST_F(QueryTest, AQueryBesideTheWriterSeesWholeLinesOnly) {
  write(story());
  const std::string path = "/j/seg/" + segment_name(1);
  const std::string whole = disk_.bytes(path);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    disk_.put(path, whole.substr(0, cut) + std::string(100, '\0'));
    const auto answer = query(disk_, {.journal = "/j"}, [](const Event&, std::string_view line) {
      EXPECT_TRUE(check_line(line));
      return true;
    });
    ASSERT_TRUE(answer) << cut;
    const auto lines = std::count(whole.begin(), whole.begin() + static_cast<long>(cut), '\n');
    EXPECT_EQ(answer->read, static_cast<std::uint64_t>(lines)) << cut;
  }
}

TEST_F(QueryTest, NoJournalIsNotFound) {
  MemoryDisk empty;
  PosixFileSystem files;
  const auto answer =
      query(files, {.journal = "/nowhere"}, [](const Event&, std::string_view) { return true; });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kNotFound);
}

struct Damage {
  const char* why;
  std::vector<Event> events;
  bool ok;
};

TEST(VerifyTest, TellsWhatIsWrong) {
  const UtcTime time = kNoon;
  const auto event = [&](Kind kind, std::string id, std::chrono::minutes after) {
    Event e = request(std::move(id), "app", 200, after);
    e.kind = kind;
    e.timestamp_utc = time + after;
    return e;
  };
  const Damage kDamages[] = {
      {"a whole log", {event(Kind::kIntent, "a", 0min), event(Kind::kRequest, "a", 1min)}, true},
      {"a refused request has no intent", {event(Kind::kRequest, "a", 0min)}, true},
      {"an open intent is no damage", {event(Kind::kIntent, "a", 0min)}, true},
      {"lines without request",
       {event(Kind::kAdmin, "", 0min), event(Kind::kAdmin, "", 0min)},
       true},
      {"time goes back", {event(Kind::kAdmin, "", 1min), event(Kind::kAdmin, "", 0min)}, false},
      {"two outcomes",
       {event(Kind::kIntent, "a", 0min), event(Kind::kRequest, "a", 0min),
        event(Kind::kRequest, "a", 0min)},
       false},
      {"two intents", {event(Kind::kIntent, "a", 0min), event(Kind::kIntent, "a", 0min)}, false},
      {"an outcome before its intent",
       {event(Kind::kRequest, "a", 0min), event(Kind::kIntent, "a", 0min)},
       false},
  };
  for (const Damage& damage : kDamages) {
    std::string bytes;
    std::uint64_t seq = 0;
    for (const Event& e : damage.events) {
      const std::size_t start = bytes.size();
      append_event_open(bytes, e);
      close_line(bytes, start, {.seq = ++seq, .synced = {}});
      bytes += '\n';
    }
    MemoryDisk disk;
    disk.put("/j/seg/" + segment_name(1), bytes);
    const auto report = verify(disk, "/j");
    ASSERT_TRUE(report);
    EXPECT_EQ(report->ok(), damage.ok) << damage.why;
    EXPECT_EQ(report->records, damage.events.size());
  }
}

}  // namespace
}  // namespace sallyport::audit
