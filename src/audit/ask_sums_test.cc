// SPDX-License-Identifier: Apache-2.0
// The sums of a file say what its rows say: whatever is asked, the answer is the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "audit/ask.h"
#include "audit/column_writer.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

const UtcTime kNow = *parse_utc("2026-11-24T14:05:00Z");

template <class T>
T one_of(std::mt19937_64& random, std::initializer_list<T> all) {
  return all.begin()[random() % all.size()];
}

Event random_event(std::mt19937_64& random, UtcTime at) {
  Event event;
  event.timestamp_utc = at;
  event.kind = random() % 12 == 0 ? one_of(random, {Kind::kIntent, Kind::kAdmin}) : Kind::kRequest;
  if (random() % 8 != 0) event.api_key_id = "key" + std::to_string(random() % 9);
  event.kid = "kid" + std::to_string(random() % 9);
  if (random() % 9 == 0) event.claimed_kid = "kid" + std::to_string(random() % 9);
  event.ip = random() % 4 == 0
                 ? "2001:db8:" + std::to_string(random() % 3) + "::" + std::to_string(random() % 5)
                 : "10." + std::to_string(random() % 4) + ".0." + std::to_string(random() % 6);
  if (random() % 3 != 0) event.geo = one_of(random, {"DE", "FR", "US"});
  if (random() % 2 == 0) event.asn = static_cast<std::int64_t>(64'500 + random() % 4);
  event.model = one_of(random, {"gpt-4o", "gpt-4o-mini", "gpt-5-pro"});
  event.status = one_of(random, {200, 200, 200, 201, 401, 403, 429, 500});
  if (random() % 4 == 0) {  // somebody who is refused, and one of three had success now and then
    const std::uint64_t who = random() % 3;
    event.ip = "10.9.0." + std::to_string(who);
    event.status = who == 0 && random() % 9 == 0 ? 200 : 401;
  }
  if (*event.status == 200) {
    event.upstream_status = 200;
    if (random() % 5 != 0)
      event.cost_usd = NanoUsd{static_cast<std::int64_t>(random() % 9'000'000)};
  }
  if (random() % 6 == 0) {
    event.injection = Injection{.score = 0.5,
                                .verdict = one_of(random, {"pass", "alert", "block"}),
                                .categories = {},
                                .role = "user"};
  }
  return event;
}

// Nobody sees a place for the first time in the window's last days only: some keys come late.
std::vector<Event> random_log(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Event> events;
  const std::int64_t minutes = 3 * 24 * 60;
  for (std::int64_t i = 0; i < 3'000; ++i) {
    const UtcTime at = kNow - 1ms - std::chrono::minutes(minutes) * (3'000 - i) / 3'000;
    events.push_back(random_event(random, at));
    if (i < 2'000 && events.back().api_key_id == "key3") events.back().api_key_id = "key4";
  }
  return events;
}

enum class Sums { kNone, kAll, kSome };

ColumnSnapshot snapshot_of(const std::vector<Event>& events, Sums sums, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  ColumnSnapshot out;
  for (std::size_t i = 0; i < events.size();) {
    ColumnWriter writer(i + 1);
    for (std::size_t n = 150 + random() % 250; n > 0 && i < events.size(); --n) {
      writer.append(events[i++]);
    }
    std::string bytes = writer.encode();
    const bool with = sums == Sums::kAll || (sums == Sums::kSome && i % 2 == 0);
    if (with) bytes = with_sums(std::move(bytes));
    out.files.push_back(*ColumnFile::from_bytes(std::move(bytes), "test"));
    EXPECT_EQ(out.files.back()->sums()->has_value(), with);
  }
  out.end_seq = events.size() + 1;
  out.until = events.back().timestamp_utc;
  return out;
}

AskSpec random_spec(std::mt19937_64& random) {
  AskSpec spec{.at = kNow - std::chrono::minutes(random() % 600)};
  spec.since = one_of<std::chrono::milliseconds>(random, {5min, 47min, 6h, 1111s});
  spec.baseline = one_of<std::chrono::milliseconds>(random, {336h, 40h, 25h, 100'007s});
  if (random() % 3 == 0) spec.key = "key" + std::to_string(random() % 10);
  if (random() % 2 == 0) {
    spec.questions = {
        one_of(random, {Question::kKeys, Question::kIps, Question::kCost, Question::kInjection})};
  }
  return spec;
}

TEST(AskSums, SayWhatTheRowsSay) {
  std::size_t findings = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const std::vector<Event> events = random_log(seed);
    const ColumnSnapshot rows = snapshot_of(events, Sums::kNone, seed);
    const ColumnSnapshot sums = snapshot_of(events, Sums::kAll, seed + 100);
    const ColumnSnapshot mixed = snapshot_of(events, Sums::kSome, seed + 200);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 30; ++i) {
      const AskSpec spec = random_spec(random);
      const auto expected = ask(rows, spec, 1);
      ASSERT_TRUE(expected) << expected.error().what;
      findings += expected->keys.size() + expected->ips.size();
      const std::string json = ask_json(*expected);
      for (const ColumnSnapshot* other : {&rows, &sums, &mixed}) {
        for (const std::size_t threads : {1, 2, 3}) {
          const auto answer = ask(*other, spec, threads);
          ASSERT_TRUE(answer) << answer.error().what;
          const std::string said = ask_json(*answer);
          const auto at = std::ranges::mismatch(said, json).in1 - said.begin();
          const std::size_t from = static_cast<std::size_t>(at) - std::min<std::size_t>(at, 200);
          ASSERT_TRUE(said == json) << said.substr(from, 250) << "\ninstead of\n"
                                    << json.substr(from, 250) << "\nseed " << seed << ", question "
                                    << i << ", " << threads << " threads";
        }
      }
    }
  }
  EXPECT_GT(findings, 20u) << "there was something to say";
}

TEST(AskSums, OfFarTooManyPairsThereAreNone) {
  ColumnWriter writer(1);
  Event event;
  event.timestamp_utc = kNow;
  event.status = 200;
  for (std::uint32_t i = 0; i < kSumsEntriesMax / 3; ++i) {
    event.api_key_id = "key" + std::to_string(i % 1'000);
    event.ip = "10." + std::to_string(i / 65'536) + "." + std::to_string(i / 256 % 256) + "." +
               std::to_string(i % 256);
    event.asn = i;
    event.model = event.ip;
    writer.append(event);
  }
  const std::string bytes = writer.encode();
  EXPECT_EQ(with_sums(bytes), bytes);
}

TEST(AskSums, DamageIsRefusedWhereverItIs) {
  const std::vector<Event> events = random_log(9);
  ColumnWriter writer(1);
  for (std::size_t i = 0; i < 400; ++i) writer.append(events[i]);
  const std::string plain = writer.encode();
  const std::string good = with_sums(plain);
  ASSERT_GT(good.size(), plain.size());
  for (std::size_t at = plain.size(); at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    const auto file = ColumnFile::from_bytes(std::move(bad), "test");
    ASSERT_TRUE(!file || !(*file)->sums()) << at;
    // The same with a checksum that fits: no code or end beyond what there is.
    bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    ColumnHeader header{};
    std::memcpy(&header, bad.data(), sizeof header);
    header.sums_crc = crc32c(std::string_view(bad).substr(plain.size()));
    header.header_crc =
        crc32c({reinterpret_cast<const char*>(&header), offsetof(ColumnHeader, header_crc)});
    std::memcpy(bad.data(), &header, sizeof header);
    const auto forged = ColumnFile::from_bytes(std::move(bad), "test");
    if (!forged) continue;
    ColumnSnapshot snapshot;
    snapshot.files = {*forged};
    (void)ask(snapshot, {.at = kNow}, 1);
  }
}

}  // namespace
}  // namespace sallyport::audit
