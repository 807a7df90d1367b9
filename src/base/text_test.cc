// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(Text, NumbersAreDigitsWithinSixtyFourBits) {
  EXPECT_EQ(parse_uint("0"), 0u);
  EXPECT_EQ(parse_uint("007"), 7u);
  EXPECT_EQ(parse_uint("18446744073709551615"), 18446744073709551615u);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616",
                          "184467440737095516150"}) {
    EXPECT_FALSE(parse_uint(bad)) << bad;
  }
}

TEST(Text, TrimsOnlyBlanksAndTabs) {
  EXPECT_EQ(trim_ows(" \t a b\t "), "a b");
  EXPECT_EQ(trim_ows(" \t "), "");
  EXPECT_EQ(trim_ows("\va\n"), "\va\n");
}

TEST(Text, AsciiCaseOnly) {
  EXPECT_TRUE(equal_ascii_nocase("Content-Length", "cONTENT-lENGTH"));
  EXPECT_FALSE(equal_ascii_nocase("k", "\xe2\x84\xaa"));  // the Kelvin sign
  EXPECT_FALSE(equal_ascii_nocase("ab", "abc"));
  EXPECT_EQ(lower_ascii("A\xc3\x84Z[@"), "a\xc3\x84z[@");
}

TEST(Text, EncodingsComeBackAtEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(base64_decode(base64_encode(bytes)), bytes) << i;
    ASSERT_EQ(base64url_decode(base64url_encode(bytes)), bytes) << i;
    ASSERT_EQ(from_hex(to_hex(bytes)), bytes) << i;
    bytes.push_back(static_cast<char>(i * 151));
  }
}

TEST(Text, Base64HasOneSpellingForEachValue) {
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  for (const char* bad : {"Zg", "Zg=", "Zg===", "Zh==", "Zg==\n", "Z g=", "====", "Zg=a", "-_8="}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
  for (const char* bad : {"Zg==", "Zh", "Z", "+/8", "Zg "}) {
    EXPECT_FALSE(base64url_decode(bad)) << bad;
  }
}

TEST(Text, HexIsStrict) {
  EXPECT_EQ(to_hex(std::string_view("\0\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(from_hex("00fF"), std::string("\0\xff", 2));
  for (const char* bad : {"0", "0g", "0x", " 00", "000"}) EXPECT_FALSE(from_hex(bad)) << bad;
}

TEST(Text, Crc32cKnownValues) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  // In pieces it is the same as at once.
  const std::string_view text = "the quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text)) << cut;
  }
}

}  // namespace
}  // namespace sallyport
