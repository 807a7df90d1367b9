// SPDX-License-Identifier: Apache-2.0
#include "geo/placed_recorder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::geo {
namespace {

class Kept final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    events.push_back(std::move(event));
    if (done) done(events.size());
  }
  bool accepting() const override { return false; }
  bool keeps() const override { return false; }
  std::uint64_t durable_seq() const override { return 7; }
  void wake() override { ++woken; }
  std::vector<Event> events;
  int woken = 0;
};

class Map final : public Geography {
 public:
  Location locate(const IpAddress& address) const override {
    if (address != *IpAddress::parse("203.0.113.7")) return {};
    return {.country = "TW", .asn = 64500, .network = "Example Net"};
  }
};

TEST(PlacedRecorder, SaysWhereAnAddressIs) {
  const struct {
    const char* why;
    std::string ip;
    std::optional<std::string> geo, expected;
  } kCases[] = {
      {"known", "203.0.113.7", {}, "TW"},
      {"known, as IPv6", "::ffff:203.0.113.7", {}, "TW"},
      {"unknown", "192.0.2.1", {}, {}},
      {"no address", "", {}, {}},
      {"not an address", "unknown", {}, {}},
      {"said already, by somebody who knows better", "203.0.113.7", "VN", "VN"},
  };
  for (const auto& c : kCases) {
    Kept kept;
    const Map map;
    PlacedRecorder recorder(kept, map);
    Event event;
    event.ip = c.ip;
    event.geo = c.geo;
    recorder.record(event, Durability::kWritten, {});
    recorder.record_soon(event, Durability::kWritten, {});
    recorder.record_twice(event, {}, {});
    ASSERT_EQ(kept.events.size(), 3U);
    for (const Event& seen : kept.events) {
      EXPECT_EQ(seen.geo, c.expected) << c.why;
      EXPECT_EQ(seen.asn.has_value(), c.expected == "TW") << c.why;
      EXPECT_EQ(seen.network.has_value(), c.expected == "TW") << c.why;
    }
  }
}

TEST(PlacedRecorder, AnswersAsTheOneBehindIt) {
  Kept kept;
  const Map map;
  PlacedRecorder recorder(kept, map);
  EXPECT_FALSE(recorder.accepting());
  EXPECT_FALSE(recorder.keeps());
  EXPECT_EQ(recorder.durable_seq(), 7U);
  recorder.wake();
  EXPECT_EQ(kept.woken, 1);
}

}  // namespace
}  // namespace sallyport::geo
