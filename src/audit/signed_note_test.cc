// SPDX-License-Identifier: Apache-2.0
#include "audit/signed_note.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "audit/checkpoint.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

// Keys of tests: their seeds are counted up.
std::shared_ptr<const Secret> seed(char from) {
  std::string bytes(32, '\0');
  for (char& c : bytes) c = from++;
  return std::make_shared<const Secret>(bytes);
}

const std::string kLog = "log.example/sallyport";
const std::string kText =
    "log.example/sallyport\n70000\nGkzfy2Y3SgwNy+9JrL1JdtE+6GT7PLJB/JQ8rQTwL34=\n";
const std::string kSignature =
    "— log.example/sallyport "
    "iSNT9QkqaYWUmCn73slfRQ15j38lQyjooTB411YEx55ZXVKU1J323Xb6gAoAl3dC65a3eRHxRVZwMhfIvUkbcbCsCgc="
    "\n";
const std::string kCosignature =
    "— witness.example/w1 "
    "IDJKvgAAAABpVbkAG9OtqPBpQ9HFbhgh4aDUoP2Gwyv8uAZK3FslQ2ThkhgyJrjmjvnjmm+Dl++"
    "ufIAVF9+jgV7mSYDhT11HMM5iBg==\n";

SigningKey log_key() { return SigningKey::make(kLog, seed(0)).value(); }
VerifierKey witness_key() {
  return VerifierKey::parse(
             "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X")
      .value();
}

TEST(SignedNote, IsMadeByteForByteAsOthersMakeIt) {
  const SigningKey key = log_key();
  EXPECT_EQ(key.verifier().text(),
            "log.example/sallyport+892353f5+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4");
  EXPECT_EQ(key.sign(kText), kSignature);
  const auto verified = verify_note(kText + "\n" + kSignature, {key.verifier()});
  ASSERT_TRUE(verified) << verified.error().what;
  EXPECT_EQ(verified->text, kText);
}

TEST(SignedNote, ACosignatureTellsItsTime) {
  const auto verified =
      verify_note(kText + "\n" + kSignature + kCosignature, {log_key().verifier(), witness_key()});
  ASSERT_TRUE(verified) << verified.error().what;
  EXPECT_EQ(verified->by.size(), 2u);
  ASSERT_EQ(verified->cosigned_at.size(), 1u);
  EXPECT_EQ(verified->cosigned_at[0].time_since_epoch(), std::chrono::seconds(1767225600));
}

struct NoteRow {
  const char* what;
  std::string note;
  bool accepted;
};

TEST(SignedNote, WhatIsAcceptedAndWhatIsNot) {
  const std::string good = kText + "\n" + kSignature;
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  const std::string stranger = SigningKey::make("other.example", seed(7)).value().sign(kText);
  std::string flipped = kSignature;
  flipped[60] = flipped[60] == 'A' ? 'B' : 'A';
  const NoteRow rows[] = {
      {"as it is", good, true},
      {"a stranger's signature before", kText + "\n" + stranger + kSignature, true},
      {"a stranger's signature behind", good + stranger, true},
      {"only a stranger's", kText + "\n" + stranger, false},
      {"the last newline missing", good.substr(0, good.size() - 1), false},
      {"a hyphen for the dash", replaced("— ", "- "), false},
      {"no empty line", replaced("=\n\n", "=\n"), false},
      {"a carriage return", replaced("70000\n", "70000\r\n"), false},
      {"a NUL", replaced("70000", std::string("70") + '\0' + "00"), false},
      {"a tab", replaced("70000", "70\t00"), false},
      {"one byte of the text", replaced("70000", "70001"), false},
      {"one bit of the signature", kText + "\n" + flipped, false},
      {"the id of the key", replaced("iSNT9Q", "iSNT9A"), false},
      {"malformed UTF-8", replaced("70000", "7000\xff"), false},
      {"no signature at all", kText + "\n", false},
      {"nothing", "", false},
  };
  for (const NoteRow& row : rows) {
    EXPECT_EQ(verify_note(row.note, {log_key().verifier()}).has_value(), row.accepted) << row.what;
  }
}

TEST(SignedNote, AVerifierKeyIsReadStrictly) {
  const std::string good = log_key().verifier().text();
  EXPECT_EQ(VerifierKey::parse(good)->text(), good);
  for (const std::string& bad : {
           std::string(), std::string("name"), good.substr(1), good + "A",
           std::string("a b+892353f5+AQ=="),
           "log.example/sallyport+892353f4+" + good.substr(31),  // the id of another key
       }) {
    EXPECT_FALSE(VerifierKey::parse(bad)) << bad;
  }
  EXPECT_FALSE(SigningKey::make("has space", seed(0)));
  EXPECT_FALSE(SigningKey::make("", seed(0)));
  EXPECT_FALSE(SigningKey::make("name", std::make_shared<const Secret>("short")));
}

TEST(Checkpoint, HasOneSpelling) {
  const auto checkpoint = Checkpoint::parse(kText);
  ASSERT_TRUE(checkpoint) << checkpoint.error().what;
  EXPECT_EQ(checkpoint->origin, kLog);
  EXPECT_EQ(checkpoint->size, 70'000u);
  EXPECT_EQ(checkpoint->text(), kText);
  const std::string root = kText.substr(kText.find("Gk"));
  for (const std::string& bad :
       {std::string(), kLog + "\n", kLog + "\n070000\n" + root, kLog + "\n-1\n" + root,
        kLog + "\n70000\nGkzf\n", kText + "more\n", "\n70000\n" + root, kLog + "\n\n" + root,
        kText.substr(0, kText.size() - 1)}) {
    EXPECT_FALSE(Checkpoint::parse(bad)) << bad;
  }
}

TEST(ProofFile, ReadsWhatItWrites) {
  ProofFile file{.index = 65'536, .proof = {leaf_hash("a"), leaf_hash("b")}, .checkpoint = {}};
  file.checkpoint = kText + "\n" + kSignature;
  const auto read = ProofFile::parse(file.text());
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->index, file.index);
  EXPECT_EQ(read->proof, file.proof);
  EXPECT_EQ(read->checkpoint, file.checkpoint);
  EXPECT_EQ(read->text(), file.text());

  std::string extra = file.text();
  extra.insert(extra.find("index"), "extra AAAA\n");
  EXPECT_TRUE(ProofFile::parse(extra)) << "what is not authenticated is passed over";
  for (const std::string& bad : {std::string(), std::string("c2sp.org/tlog-proof@v2\nindex 1\n\n"),
                                 std::string("c2sp.org/tlog-proof@v1\nindex 01\n\n"),
                                 std::string("c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n"),
                                 std::string("c2sp.org/tlog-proof@v1\nindex 1\n")}) {
    EXPECT_FALSE(ProofFile::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace sallyport::audit
