// SPDX-License-Identifier: Apache-2.0
#include "notify/address_check.h"

#include <gtest/gtest.h>

#include "notify/retry_after.h"

namespace sallyport::notify {
namespace {

TEST(AddressCheck, OnlyThePublicInternetIsPublic) {
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.0.0.1",
                           "127.9.9.9",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.0.2.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "239.255.255.250",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:10.0.0.1",
                           "::ffff:127.0.0.1",
                           "::7f00:1",
                           "64:ff9b::a9fe:a9fe",
                           "64:ff9b::e000:1",
                           "64:ff9b:1::1",
                           "100::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:7f00:1::",
                           "2002:a9fe:a9fe::1",
                           "fc00::1",
                           "fd12::1",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_FALSE(is_public(*address)) << text;
    EXPECT_FALSE(address_check({}, true)(*address)) << text;
  }
  for (const char* text : {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
                           "172.15.0.1", "172.32.0.1", "192.167.0.1", "223.255.255.255",
                           "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"}) {
    EXPECT_TRUE(is_public(*IpAddress::parse(text))) << text;
  }
}

TEST(AddressCheck, AllowOpensItsNetworkAndNoOther) {
  const std::vector<Cidr> allow{*Cidr::parse("10.0.0.0/8")};
  const auto encrypted = address_check(allow, true), plain = address_check(allow, false);
  EXPECT_TRUE(encrypted(*IpAddress::parse("10.1.2.3")));
  EXPECT_TRUE(plain(*IpAddress::parse("10.1.2.3")));
  EXPECT_FALSE(encrypted(*IpAddress::parse("192.168.0.1")));
  EXPECT_TRUE(encrypted(*IpAddress::parse("1.1.1.1")));
  EXPECT_FALSE(plain(*IpAddress::parse("1.1.1.1"))) << "plain text goes to `allow` alone";
}

struct HostCase {
  const char* why;
  const char* host;
  const char* allow;
  bool encrypted, fits;
};

TEST(AddressCheck, WhatCanBeSaidBeforeResolving) {
  const HostCase cases[] = {
      {"a name over TLS is checked when it is resolved", "siem.example", "", true, true},
      {"plain text needs an allow", "siem.example", "", false, false},
      {"a private number", "10.0.0.1", "", true, false},
      {"the metadata service", "169.254.169.254", "", true, false},
      {"an allowed number", "10.0.0.1", "10.0.0.0/8", false, true},
      {"another network is allowed", "127.0.0.1", "10.0.0.0/8", false, false},
  };
  for (const HostCase& test : cases) {
    std::vector<Cidr> allow;
    if (*test.allow) allow.push_back(*Cidr::parse(test.allow));
    EXPECT_EQ(check_host(test.host, allow, test.encrypted).has_value(), test.fits) << test.why;
  }
}

TEST(RetryAfter, SecondsOrADate) {
  using std::chrono::milliseconds;
  const UtcTime now = *parse_utc("1994-11-06T08:49:07Z");
  EXPECT_EQ(parse_retry_after("30", now), milliseconds(30'000));
  EXPECT_EQ(parse_retry_after(" 0 ", now), milliseconds(1));
  EXPECT_EQ(parse_retry_after("999999999999", now), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), milliseconds(30'000));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), milliseconds(1));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 2094 08:00:00 GMT", now), kRetryAfterMax);
  for (const char* bad : {"", "soon", "-1", "1.5", "Sun, 06 ovN 1994 08:49:37 GMT",
                          "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 96 Nov 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_retry_after(bad, now)) << bad;
  }
}

}  // namespace
}  // namespace sallyport::notify
