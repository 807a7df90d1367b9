// SPDX-License-Identifier: Apache-2.0
#include "keys/key_format.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/text.h"
#include "keys/key_mac.h"

namespace sallyport::keys {
namespace {

struct Vector {
  const char* key;
  const char* kid;
  const char* mac;  // under the pepper 00 01 .. 1f
};

const Vector kVectors[] = {
    {"sk-sp1-000000000000-000000000000000000000000000000004UNacm", "000000000000",
     "608886282655dd7b3d7fa11b51aa5084a656838d494562f66eb4554105db986b"},
    {"sk-sp1-zzzzzzzzzzzz-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz29m5e1", "zzzzzzzzzzzz",
     "e83b0c5b0251d7f63e9ce7e26184afae0a613b0eeb5ed5ecf9ace1e86873b30c"},
    {"sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU", "AbCdEfGhIjKl",
     "3f05577bffbc44ea5cfd7f6c72c9f44fbe393291f8484029b3f42eb7ed5827d1"},
    {"sk-sp1-OA3gbEkUmALh-vZ1G48KBGIx3asgFiKBLz4fXAWCFc2ho00fqbk", "OA3gbEkUmALh",
     "ec50ff3ba09eaf08dd6aebfdc84273027c1fcf087cd9dab3d11752e0f595c4fc"},
    {"sk-sp1-SsUriwaoHgt9-HRP190sCOKoCodw9CJ2W25kBLNSn4wjF42zKgA", "SsUriwaoHgt9",
     "61bd99a933069104505d9fa445a23fe33f2f52199d60f6a45b1760240c6b7851"},
};

struct Refused {
  const char* why;
  std::string_view key;
  FormatFault fault;
};

using enum FormatFault;
using namespace std::string_view_literals;

const Refused kRefused[] = {
    {"one secret character changed", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvnxYz0123456789aBcDeFgH3P46UU",
     kBadChecksum},
    {"kid transposed", "sk-sp1-bACdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU", kBadChecksum},
    {"crc over the secret only", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH1LSssr",
     kBadChecksum},
    {"crc without the prefix", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH2gNYVy",
     kBadChecksum},
    {"another alphabet", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3p46uu",
     kBadChecksum},
    {"crc not padded", "sk-sp1-OA3gbEkUmALh-vZ1G48KBGIx3asgFiKBLz4fXAWCFc2hofqbk", kBadFormat},
    {"a line feed behind", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU\n",
     kBadFormat},
    {"a blank behind", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU ", kBadFormat},
    {"a blank before", " sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU", kBadFormat},
    {"upper-case prefix", "SK-SP1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU", kBadFormat},
    {"a NUL inside",
     "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz\0"
     "123456789aBcDeFgH3P46UU"sv,
     kBadFormat},
    {"57 characters", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46U", kBadFormat},
    {"59 characters", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU0", kBadFormat},
    {"a full-width digit",
     "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz\uff10"
     "3456789aBcDeFgH3P46UU",
     kBadFormat},
    {"percent-encoded", "sk%2Dsp1%2DAbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU",
     kBadFormat},
    {"a hyphen in the secret", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0-23456789aBcDeFgH3P46UU",
     kBadFormat},
    {"the hyphen missing", "sk-sp1-AbCdEfGhIjKl0MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU",
     kBadFormat},
    {"a crc above 2^32 - 1", "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgHzzzzzz",
     kBadChecksum},
    {"a provider's key", "sk-proj-AbCdEfGhIjKlMnOpQrStT3BlbkFJvWxYz0123456789aBcDeFg", kBadFormat},
    {"a derived token", "sk-spd1-AbCdEfGhIjKl-0000000000000001.aWF0PTE3NjM4NTYwMDA", kBadFormat},
    {"nothing", "", kBadFormat},
};

TEST(KeyFormat, AcceptsEveryPublishedVector) {
  Secret pepper(
      from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").value());
  KeyMac mac = KeyMac::make(pepper).value();
  for (const Vector& vector : kVectors) {
    const ParsedKey parsed = parse_key(vector.key);
    EXPECT_EQ(parsed.fault, kNone) << vector.key;
    EXPECT_EQ(parsed.kid, vector.kid);
    const Mac value = mac.compute(vector.key).value();
    EXPECT_EQ(to_hex({reinterpret_cast<const char*>(value.data()), value.size()}), vector.mac);
    EXPECT_TRUE(is_public_kid(vector.kid)) << "published keys are worth nothing here";
  }
}

TEST(KeyFormat, RefusesWhatIsNotAKeyAndNamesNoKid) {
  for (const Refused& c : kRefused) {
    const ParsedKey parsed = parse_key(c.key);
    EXPECT_EQ(parsed.fault, c.fault) << c.why;
    EXPECT_TRUE(parsed.kid.empty()) << c.why;
  }
}

TEST(KeyFormat, EverySingleChangedCharacterIsNoticed) {
  const std::string good = kVectors[3].key;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = good;
      changed[at] = static_cast<char>(byte);
      if (changed == good) continue;
      EXPECT_NE(parse_key(changed).fault, kNone) << "position " << at << " byte " << byte;
    }
  }
}

TEST(KeyFormat, MintedKeysParseAndDiffer) {
  std::set<std::string> kids;
  for (int i = 0; i < 500; ++i) {
    const Secret key = mint_key();
    const ParsedKey parsed = parse_key(key.reveal());
    ASSERT_EQ(parsed.fault, kNone);
    kids.emplace(parsed.kid);
  }
  EXPECT_EQ(kids.size(), 500u);
}

TEST(KeyFormat, DrawsAgainWhenAKeyCouldBeMistaken) {
  // The first draw has the provider's marker in its secret, the second a public kid, the third is
  // fine.
  std::vector<std::string> draws = {"aaaaaaaaaaaa", "0123456789T3BlbkFJ01234567890123",
                                    "zzzzzzzzzzzz", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
                                    "aaaaaaaaaaab", "01234567890123456789012345678901"};
  std::size_t next = 0;
  const Secret key = mint_key([&](std::size_t length) {
    EXPECT_EQ(draws[next].size(), length);
    return draws[next++];
  });
  EXPECT_EQ(parse_key(key.reveal()).kid, "aaaaaaaaaaab");
  EXPECT_EQ(next, draws.size());
}

TEST(KeyFormat, TheRedactedFormHasNeitherSecretNorChecksum) {
  EXPECT_EQ(redacted_key("AbCdEfGhIjKl"), "sk-sp1-AbCdEfGhIjKl-***");
}

TEST(KeyMac, WantsAPepperOf32Bytes) {
  const Secret pepper(std::string(31, 'x'));
  EXPECT_EQ(KeyMac::make(pepper).error().code, Code::kInvalid);
}

TEST(KeyMac, CopiesAgreeAndPeppersAreToldApart) {
  const Secret pepper(std::string(32, 'x'));
  const Secret other(std::string(32, 'y'));
  KeyMac one = KeyMac::make(pepper).value();
  KeyMac two = one.copy().value();
  KeyMac three = KeyMac::make(other).value();
  EXPECT_TRUE(equal(one.compute("text").value(), two.compute("text").value()));
  EXPECT_TRUE(equal(one.compute("text").value(), one.compute("text").value())) << "starts afresh";
  EXPECT_FALSE(equal(one.compute("text").value(), three.compute("text").value()));
  EXPECT_EQ(one.pepper_id(), two.pepper_id());
  EXPECT_NE(one.pepper_id(), three.pepper_id());
}

}  // namespace
}  // namespace sallyport::keys
