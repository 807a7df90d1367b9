// SPDX-License-Identifier: Apache-2.0
#include "vault/field_sealer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sallyport::vault {
namespace {

class MemoryStore final : public SubjectKeyStore {
 public:
  Result<std::optional<StoredSecret>> of_owner(std::string_view owner) override {
    return find([&](const StoredSecret& row) { return row.owner == owner; });
  }
  Result<std::optional<StoredSecret>> of_id(std::string_view id) override {
    return find([&](const StoredSecret& row) { return row.id == id; });
  }
  Result<StoredSecret> put_new(const StoredSecret& secret) override {
    if (broken) return fail(Code::kUnavailable, "the disk is full");
    rows.push_back(secret);
    return secret;
  }
  Result<std::size_t> forget(std::string_view owner) override {
    return std::erase_if(rows, [&](const StoredSecret& row) { return row.owner == owner; });
  }
  Result<std::size_t> forget_days_before(std::string_view day) override {
    return std::erase_if(rows, [&](const StoredSecret& row) { return is_before(row, day); });
  }
  Result<std::optional<std::string>> oldest_day() override {
    std::optional<std::string> oldest;
    for (const StoredSecret& row : rows) {
      if (!row.owner.starts_with("day:")) continue;
      const std::string day = row.owner.substr(4);
      if (!oldest || day < *oldest) oldest = day;
    }
    return oldest;
  }
  Result<void> wipe_traces() override { return {}; }
  std::vector<StoredSecret> rows;
  bool broken = false;

 private:
  static bool is_before(const StoredSecret& row, std::string_view day) {
    return row.owner.starts_with("day:") && std::string_view(row.owner).substr(4) < day;
  }
  template <class Is>
  Result<std::optional<StoredSecret>> find(Is is) {
    if (broken) return fail(Code::kUnavailable, "the disk is full");
    for (const StoredSecret& row : rows) {
      if (is(row)) return row;
    }
    return std::nullopt;
  }
};

class FieldSealerTest : public ::testing::Test {
 protected:
  std::unique_ptr<SubjectKeys> keys() {
    return std::move(*SubjectKeys::make(Secret(std::string(32, 'r')), store_));
  }
  static Event call(const char* key, const char* time = "2026-11-25T22:30:00.000Z") {
    Event event;
    event.timestamp_utc = *parse_utc(time);
    if (key != nullptr) event.api_key_id = key;
    event.ip = "203.0.113.9";
    event.geo = "VN";
    event.network = "Example Net";
    return event;
  }
  MemoryStore store_;
  std::unique_ptr<SubjectKeys> keys_ = keys();
  FieldSealer sealer_{{"ip", "geo"}, *keys_};
};

TEST_F(FieldSealerTest, SealsWhatThePolicyNamesAndOpensItAgain) {
  Event event = call("user_42");
  sealer_.seal(event);
  EXPECT_TRUE(event.ip.starts_with("sealed:1:")) << event.ip;
  EXPECT_TRUE(event.geo->starts_with("sealed:1:")) << *event.geo;
  EXPECT_EQ(event.network, "Example Net");
  EXPECT_FALSE(event.ip.contains("user_42")) << "nothing tells whose it is";
  EXPECT_LE(event.ip.size(), 256u) << "a field of the log holds it";
  const std::unique_ptr<SubjectKeys> later = keys();  // after a restart
  FieldSealer reader({}, *later);
  reader.open(event);
  EXPECT_EQ(event.ip, "203.0.113.9");
  EXPECT_EQ(event.geo, "VN");
}

TEST_F(FieldSealerTest, TheSameAddressLooksDifferentEachTime) {
  Event one = call("a"), two = call("a");
  sealer_.seal(one);
  sealer_.seal(two);
  EXPECT_NE(one.ip, two.ip);
}

TEST_F(FieldSealerTest, WhatIsSealedIsNotSealedTwice) {
  Event event = call("a");
  sealer_.seal(event);
  const std::string once = event.ip;
  event.timestamp_utc += std::chrono::hours(48);  // an outcome of a start after a crash
  sealer_.seal(event);
  EXPECT_EQ(event.ip, once);
}

TEST_F(FieldSealerTest, ASubjectIsForgottenAlone) {
  Event gone = call("user_42"), kept = call("user_43"), nobody = call(nullptr);
  for (Event* event : {&gone, &kept, &nobody}) sealer_.seal(*event);
  EXPECT_EQ(keys_->forget_subject("user_42").value(), 1u);
  EXPECT_EQ(keys_->forget_subject("user_42").value(), 0u);
  for (Event* event : {&gone, &kept, &nobody}) sealer_.open(*event);
  EXPECT_EQ(gone.ip, "erased");
  EXPECT_EQ(kept.ip, "203.0.113.9");
  EXPECT_EQ(nobody.ip, "203.0.113.9");
  Event again = call("user_42");  // it goes on, under a new secret
  sealer_.seal(again);
  sealer_.open(again);
  EXPECT_EQ(again.ip, "203.0.113.9");
}

TEST_F(FieldSealerTest, AnAdministratorsActIsNotTheKeysToForget) {
  Event act = call("user_42");
  act.kind = Kind::kAdmin;
  act.actor = "mai";
  sealer_.seal(act);
  EXPECT_EQ(keys_->forget_subject("user_42").value(), 0u);
  Event other = act;
  sealer_.open(other);
  EXPECT_EQ(other.ip, "203.0.113.9");
  Event exchange = call("ci_7");
  exchange.kind = Kind::kAdmin;
  exchange.actor = "identity:github";
  sealer_.seal(exchange);
  EXPECT_EQ(keys_->forget_subject("ci_7").value(), 1u) << "it came for this key";
  EXPECT_EQ(keys_->forget_subject("actor:mai").value(), 1u);
  sealer_.open(act);
  EXPECT_EQ(act.ip, "erased");
}

TEST_F(FieldSealerTest, ADayIsForgottenWhole) {
  Event old = call("a", "2026-11-24T23:59:59.999Z"), fresh = call("a", "2026-11-25T00:00:00.000Z");
  sealer_.seal(old);
  sealer_.seal(fresh);
  const UtcTime day = *parse_utc("2026-11-25T12:00:00.000Z");
  EXPECT_EQ(keys_->oldest_day().value(), parse_utc("2026-11-24T00:00:00.000Z"));
  EXPECT_EQ(keys_->forget_days_before(day).value(), 1u);
  EXPECT_EQ(keys_->oldest_day().value(), parse_utc("2026-11-25T00:00:00.000Z"));
  sealer_.open(old);
  sealer_.open(fresh);
  EXPECT_EQ(old.ip, "erased");
  EXPECT_EQ(fresh.ip, "203.0.113.9");
}

TEST_F(FieldSealerTest, NothingIsWrittenInTheClearWhenTheStoreFails) {
  store_.broken = true;
  Event event = call("a");
  sealer_.seal(event);
  EXPECT_EQ(event.ip, "withheld");
  EXPECT_EQ(sealer_.withheld(), 2u);
  store_.broken = false;
  Event next = call("a");
  sealer_.seal(next);
  EXPECT_TRUE(next.ip.starts_with("sealed:1:")) << "it recovers by itself";
}

TEST_F(FieldSealerTest, AnotherRootKeyOpensNothing) {
  Event event = call("a");
  sealer_.seal(event);
  const auto other = SubjectKeys::make(Secret(std::string(32, 'x')), store_);
  ASSERT_FALSE(other) << "found out at the start, not at each record";
  EXPECT_EQ(other.error().code, Code::kDenied);
  EXPECT_FALSE(SubjectKeys::make(Secret("short"), store_));
}

TEST_F(FieldSealerTest, WhatIsNoSealedFieldOpensAsErased) {
  Event sealed = call("a");
  sealer_.seal(sealed);
  const std::string good = sealed.ip;
  for (const std::string& text :
       {std::string("sealed:1:"), std::string("sealed:1:x"), std::string("sealed:1:x:y:z"),
        good.substr(0, good.size() - 1), good + "A", "sealed:1:" + std::string(200, ':')}) {
    Event event;
    event.ip = text;
    sealer_.open(event);
    EXPECT_EQ(event.ip, "erased") << text;
  }
  Event moved;  // an address is not a country
  moved.geo = good;
  sealer_.open(moved);
  EXPECT_EQ(moved.geo, "erased");
}

TEST_F(FieldSealerTest, ManySubjectsAreBounded) {
  for (std::size_t i = 0; i < 3 * SubjectKeys::kCachedMax / 2; i += 500) {
    Event event = call(("k" + std::to_string(i)).c_str());
    sealer_.seal(event);
    sealer_.open(event);
    EXPECT_EQ(event.ip, "203.0.113.9");
  }
}

}  // namespace
}  // namespace sallyport::vault
