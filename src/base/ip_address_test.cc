// SPDX-License-Identifier: Apache-2.0
#include "base/ip_address.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

std::string shown(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->text() : "refused";
}

TEST(IpAddress, OneSourceHasOneSpelling) {
  struct Case {
    std::string_view text;
    const char* shown;
  };
  const Case kCases[] = {
      {"203.0.113.9", "203.0.113.9"},
      {"::ffff:203.0.113.9", "203.0.113.9"},
      {"::FFFF:cb00:7109", "203.0.113.9"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::", "::"},
      {"203.0.113.09", "refused"},
      {"203.0.113", "refused"},
      {"203.0.113.256", "refused"},
      {"0xcb.0.113.9", "refused"},
      {"3405803785", "refused"},
      {"203.0.113.9 ", "refused"},
      {" 203.0.113.9", "refused"},
      {std::string_view("203.0.113.9\0", 12), "refused"},
      {"fe80::1%eth0", "refused"},
      {"[::1]", "refused"},
      {"2001:db8::1::2", "refused"},
      {"", "refused"},
      {"localhost", "refused"},
  };
  for (const Case& c : kCases) EXPECT_EQ(shown(c.text), c.shown) << c.text;
  EXPECT_EQ(IpAddress::v4(0xcb007109), IpAddress::parse("203.0.113.9"));
}

TEST(IpAddress, KnowsWhatIsNotOnTheInternet) {
  struct Case {
    const char* text;
    bool is_private;
    bool is_loopback;
  };
  const Case kCases[] = {
      {"127.0.0.1", true, true},
      {"127.255.255.255", true, true},
      {"::1", true, true},
      {"10.255.0.1", true, false},
      {"172.16.0.1", true, false},
      {"172.31.255.255", true, false},
      {"172.32.0.1", false, false},
      {"192.168.1.1", true, false},
      {"169.254.169.254", true, false},
      {"100.64.0.1", true, false},
      {"100.128.0.1", false, false},
      {"0.0.0.0", true, false},
      {"::", true, false},
      {"fd00::1", true, false},
      {"fe80::1", true, false},
      {"febf::1", true, false},
      {"fec0::1", false, false},
      {"64:ff9b::10.0.0.1", true, false},
      {"64:ff9b::8.8.8.8", false, false},
      {"8.8.8.8", false, false},
      {"2001:4860:4860::8888", false, false},
  };
  for (const Case& c : kCases) {
    const auto address = IpAddress::parse(c.text);
    ASSERT_TRUE(address) << c.text;
    EXPECT_EQ(address->is_private(), c.is_private) << c.text;
    EXPECT_EQ(address->is_loopback(), c.is_loopback) << c.text;
  }
}

TEST(Cidr, ContainsWhatItSays) {
  struct Case {
    const char* range;
    const char* address;
    bool inside;
  };
  const Case kCases[] = {
      {"10.0.0.0/8", "10.255.255.255", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/9", "10.127.0.1", true},
      {"10.0.0.0/9", "10.128.0.1", false},
      {"10.1.2.3/8", "10.9.9.9", true},
      {"203.0.113.9", "203.0.113.9", true},
      {"203.0.113.9", "203.0.113.8", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"::/0", "203.0.113.9", false},
      {"::ffff:10.0.0.0/104", "10.3.4.5", true},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
      {"::1/128", "::1", true},
      {"::1/128", "::2", false},
  };
  for (const Case& c : kCases) {
    const auto range = Cidr::parse(c.range);
    ASSERT_TRUE(range) << c.range;
    EXPECT_EQ(range->contains(*IpAddress::parse(c.address)), c.inside) << c.range << c.address;
  }
}

TEST(Cidr, ShowsItselfAndRefusesTheRest) {
  EXPECT_EQ(Cidr::parse("10.1.2.3/8")->text(), "10.0.0.0/8");
  EXPECT_EQ(Cidr::parse("203.0.113.9")->text(), "203.0.113.9/32");
  EXPECT_EQ(Cidr::parse("2001:db8::/32")->text(), "2001:db8::/32");
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/8/8",
                          "::/129", "/8", "10.0.0/8", "10.0.0.0/8 ", "::/0128"}) {
    EXPECT_FALSE(Cidr::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace sallyport
