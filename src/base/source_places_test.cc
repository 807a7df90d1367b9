// SPDX-License-Identifier: Apache-2.0
#include "base/source_places.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport {
namespace {

IpAddress at(const char* text) { return *IpAddress::parse(text); }

TEST(SourcePlaces, OneSourceCannotTakeThemAll) {
  SourcePlaces places(5, 2);
  std::vector<SourcePlaces::Place> held;
  const struct {
    const char* why;
    const char* source;
    bool given;
  } kCases[] = {
      {"the first", "192.0.2.1", true},
      {"and the second of a source", "192.0.2.1", true},
      {"but no third", "192.0.2.1", false},
      {"others have theirs", "2001:db8:0:1::1", true},
      {"a /64 is one source", "2001:db8:0:1:ffff::2", true},
      {"whatever it calls itself", "2001:db8:0:1::3", false},
      {"the neighbour is another", "2001:db8:0:2::1", true},
      {"until all are taken", "198.51.100.7", false},
  };
  for (const auto& c : kCases) {
    auto place = places.take(at(c.source));
    EXPECT_EQ(place.has_value(), c.given) << c.why;
    if (place) held.push_back(std::move(*place));
  }
  held.clear();
  EXPECT_TRUE(places.take(at("192.0.2.1"))) << "they come back";
}

TEST(SourcePlaces, APlaceMayOutliveThem) {
  auto places = std::make_unique<SourcePlaces>(1, 1);
  auto place = places->take(at("192.0.2.1"));
  places.reset();
  EXPECT_TRUE(place);
}

}  // namespace
}  // namespace sallyport
