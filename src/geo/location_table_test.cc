// SPDX-License-Identifier: Apache-2.0
#include "geo/location_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "geo/mmdb_writer_for_test.h"

namespace sallyport::geo {
namespace {

const UtcTime kNow{std::chrono::seconds(1'790'000'000)};

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "geo_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string put(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

std::string place(const Geography& geography, std::string_view address) {
  const Location found = geography.locate(ip(address));
  return found.country.value_or("-") + " " + (found.asn ? std::to_string(*found.asn) : "-") + " " +
         found.network.value_or("-");
}

struct Case {
  const char* address;
  const char* place;
};

TEST(LocationTable, MaxMindFilesOfIpv6) {
  const Folder folder;
  MmdbWriter countries(6);
  countries.add("192.0.2.0", 24, mmdb::country("TW"))
      .add("198.51.100.128", 25, mmdb::country("US"))
      .add("203.0.113.7", 32,
           mmdb::map({{"registered_country", mmdb::map({{"iso_code", mmdb::text("JP")}})}}))
      .add("2001:db8::", 32, mmdb::country("DE"))
      .add("2001:db9::1", 128, mmdb::country("FR"));
  MmdbWriter networks(6);
  networks.add("192.0.2.0", 25, mmdb::network(3462, "Data Communication Business Group"))
      .add("2001:db8:1::", 48, mmdb::network(4'200'000'000, std::string(63, 'n') + "\xc3\xa9"));
  const auto table =
      LocationTable::load({.country = folder.put("c.mmdb", countries.bytes(1'780'000'000)),
                           .network = folder.put("n.mmdb", networks.bytes(1'700'000'000, "ASN"))},
                          kNow);
  ASSERT_TRUE(table) << table.error().what;
  const Case cases[] = {
      {"192.0.1.255", "- - -"},
      {"192.0.2.0", "TW 3462 Data Communication Business Group"},
      {"192.0.2.128", "TW - -"},
      {"192.0.3.0", "- - -"},
      {"::ffff:192.0.2.128", "TW - -"},
      {"198.51.100.127", "- - -"},
      {"198.51.100.128", "US - -"},
      {"203.0.113.7", "JP - -"},
      {"2001:db8::", "DE - -"},
      {"2001:db8:1::5",
       "DE 4200000000 nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"},
      {"2001:db9::1", "FR - -"},
      {"2001:db9::2", "- - -"},
      {"0.0.0.0", "- - -"},
      {"255.255.255.255", "- - -"},
      {"::", "- - -"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "- - -"},
  };
  for (const Case& c : cases) EXPECT_EQ(place(**table, c.address), c.place) << c.address;
  ASSERT_EQ((*table)->sources().size(), 2U);
  EXPECT_EQ((*table)->sources()[0].kind, "Test-Country");
  EXPECT_EQ((*table)->country_built(), UtcTime(std::chrono::seconds(1'780'000'000)));
}

TEST(LocationTable, MaxMindFileOfIpv4AndOfItsEnds) {
  const Folder folder;
  MmdbWriter low(4);
  low.add("0.0.0.0", 1, mmdb::country("AU")).add("128.0.0.0", 1, mmdb::country("CA"));
  const auto table = LocationTable::load(
      {.country = folder.put("c.mmdb", low.bytes(1'780'000'000)), .network = {}}, kNow);
  ASSERT_TRUE(table) << table.error().what;
  for (const Case& c :
       {Case{"0.0.0.0", "AU - -"}, Case{"127.255.255.255", "AU - -"}, Case{"128.0.0.0", "CA - -"},
        Case{"255.255.255.255", "CA - -"}, Case{"2001:db8::1", "- - -"}}) {
    EXPECT_EQ(place(**table, c.address), c.place) << c.address;
  }
}

TEST(LocationTable, CsvOfTorGeoipdb) {
  const Folder folder;
  const std::string path =
      folder.put("geoip",
                 "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n16777216,16777471,AU\n"
                 "16777472,16778239,CN\n16778240,16779263,??\n3221225984,3221226239,TW\n");
  auto table = LocationTable::load({.country = path, .network = {}}, kNow);
  ASSERT_TRUE(table) << table.error().what;
  EXPECT_EQ(place(**table, "1.0.0.255"), "AU - -");
  EXPECT_EQ(place(**table, "1.0.1.0"), "CN - -");
  EXPECT_EQ(place(**table, "1.0.4.0"), "- - -");
  EXPECT_EQ(place(**table, "192.0.2.1"), "TW - -");
  EXPECT_EQ(place(**table, "2001:200::1"), "- - -");
  EXPECT_EQ(format_utc((*table)->country_built().value()), "2026-06-25T04:33:59.000Z");

  folder.put("geoip6", "2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP\n");
  table = LocationTable::load({.country = path, .network = {}}, kNow);
  ASSERT_TRUE(table);
  EXPECT_EQ(place(**table, "2001:200::1"), "JP - -");
  EXPECT_EQ(place(**table, "2001:201::"), "- - -");
}

TEST(LocationTable, NothingConfiguredKnowsNothing) {
  const auto table = LocationTable::load({.country = {}, .network = {}}, kNow);
  ASSERT_TRUE(table);
  EXPECT_EQ(place(**table, "192.0.2.1"), "- - -");
  EXPECT_FALSE((*table)->country_built());
}

TEST(LocationTable, AConfiguredFileThatIsMissingIsAnError) {
  for (const char* path : {"/nowhere/c.mmdb", "/nowhere/geoip", "/", "/dev/null"}) {
    const auto table = LocationTable::load({.country = path, .network = {}}, kNow);
    ASSERT_FALSE(table) << path;
    EXPECT_TRUE(table.error().what.contains(path)) << table.error().what;
  }
}

struct Refused {
  const char* why;
  std::string text;
};

TEST(CountryCsv, RefusesWhatIsMalformed) {
  const Refused cases[] = {
      {"nothing", ""},
      {"only comments", "# geoip\n"},
      {"no country", "1,2\n"},
      {"too many members", "1,2,AU,x\n"},
      {"quotes", "\"1\",\"2\",\"AU\"\n"},
      {"no number", "1.0.0.0,1.0.0.255,AU\n"},
      {"above 32 bits", "1,4294967296,AU\n"},
      {"the end before the beginning", "5,2,AU\n"},
      {"overlap", "1,5,AU\n5,9,CN\n"},
      {"not ascending", "10,20,AU\n1,5,CN\n"},
      {"small letters", "1,2,au\n"},
      {"three letters", "1,2,AUS\n"},
      {"carriage return", "1,2,AU\r\n"},
      {"a long line", "1,2,AU" + std::string(300, ' ') + "\n"},
  };
  for (const Refused& c : cases) {
    const auto database = parse_country_csv(c.text, {});
    ASSERT_FALSE(database) << c.why;
    EXPECT_EQ(database.error().code, Code::kCorrupt) << c.why;
  }
  EXPECT_FALSE(parse_country_csv({}, "1,2,AU\n")) << "IPv4 in the file of IPv6";
  EXPECT_EQ(parse_country_csv("1,2,AU\n3,x,AU\n", {}).error().what,
            "IPv4 line 2 cannot be read, or is not in ascending order");
}

TEST(MmdbFile, RefusesWhatIsDamaged) {
  const Folder folder;
  MmdbWriter good(6);
  good.add("192.0.2.0", 24, mmdb::country("TW")).add("2001:db8::", 32, mmdb::country("DE"));
  const std::string bytes = good.bytes(1'780'000'000);
  ASSERT_TRUE(read_mmdb(folder.put("good.mmdb", bytes)));

  MmdbWriter loop(4);
  loop.add("192.0.2.0", 24, mmdb::country("TW")).link(1, 0, 1);
  MmdbWriter wild(4);
  wild.add("192.0.2.0", 24, mmdb::country("TW")).link(1, 0, 5'000'000);
  MmdbWriter lower(4);
  lower.add("192.0.2.0", 24, mmdb::country("tw"));
  MmdbWriter number(4);
  number.add("192.0.2.0", 24, mmdb::map({{"country", mmdb::uint32(5)}}));
  MmdbWriter typed(4);
  typed.add("192.0.2.0", 24, mmdb::map({{"autonomous_system_number", mmdb::text("AS5")}}));
  const Refused cases[] = {
      {"nothing", ""},
      {"text", "16777216,16777471,AU\n"},
      {"a tree that bites its tail", loop.bytes(1)},
      {"a record far behind the end", wild.bytes(1)},
      {"a country in small letters", lower.bytes(1)},
      {"a number for a text", typed.bytes(1)},
  };
  for (const Refused& c : cases) {
    EXPECT_FALSE(read_mmdb(folder.put("bad.mmdb", c.text))) << c.why;
  }
  (void)read_mmdb(folder.put("bad.mmdb", number.bytes(1)));  // either way, no crash

  for (std::size_t size = 0; size < bytes.size(); size += 5) {
    (void)read_mmdb(folder.put("cut.mmdb", bytes.substr(0, size)));
  }
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    (void)read_mmdb(folder.put("changed.mmdb", changed));
  }
}

// A tree of 128 levels whose two sides are the same has 2^128 leaves.
TEST(MmdbFile, SharedBranchesDoNotMultiply) {
  const Folder folder;
  MmdbWriter tree(6);
  tree.add("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128, mmdb::country("TW"));
  for (std::size_t node = 0; node < 127; ++node) tree.link(node, 0, static_cast<int>(node) + 1);
  EXPECT_EQ(read_mmdb(folder.put("wide.mmdb", tree.bytes(1))).error().code, Code::kCorrupt);
}

// Where Debian's package is installed, the whole of it is read.
TEST(LocationTable, ReadsWhatDebianShips) {
  if (!std::filesystem::exists("/usr/share/tor/geoip")) GTEST_SKIP() << "tor-geoipdb is not here";
  const auto table = LocationTable::load({}, kNow);
  ASSERT_TRUE(table) << table.error().what;
  EXPECT_GT((*table)->sources()[0].ranges, 100'000U);
}

}  // namespace
}  // namespace sallyport::geo
