// SPDX-License-Identifier: Apache-2.0
#include "keys/derive_root.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::keys {
namespace {

const Secret kKey("0123456789abcdef0123456789abcdef");
const Secret kRoot(std::string(32, 'r'));

TEST(RootWrap, ComesBackUnderItsKidOnly) {
  const auto wrap = RootWrap::make(kKey);
  ASSERT_TRUE(wrap);
  const auto wrapped = wrap->wrap(kRoot, "AbCdEfGhIjKl");
  ASSERT_TRUE(wrapped);
  EXPECT_FALSE(wrapped->contains("rrrr"));
  EXPECT_TRUE(*wrap->unwrap(*wrapped, "AbCdEfGhIjKl") == kRoot);
  EXPECT_EQ(wrap->unwrap(*wrapped, "AbCdEfGhIjKm").error().code, Code::kCorrupt);
  EXPECT_NE(*wrap->wrap(kRoot, "AbCdEfGhIjKl"), *wrapped) << "a nonce is never used twice";
}

TEST(RootWrap, AnyDamageIsNoticed) {
  const auto wrap = RootWrap::make(kKey);
  const std::string wrapped = *wrap->wrap(kRoot, "AbCdEfGhIjKl");
  for (std::size_t at = 0; at < wrapped.size(); ++at) {
    std::string changed = wrapped;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(wrap->unwrap(changed, "AbCdEfGhIjKl").error().code, Code::kCorrupt) << at;
    EXPECT_FALSE(wrap->unwrap(wrapped.substr(0, at), "AbCdEfGhIjKl")) << at;
  }
  EXPECT_FALSE(wrap->unwrap(wrapped + "x", "AbCdEfGhIjKl"));
  const auto other = RootWrap::make(Secret("another key of at least 32 bytes of text"));
  EXPECT_EQ(other->unwrap(wrapped, "AbCdEfGhIjKl").error().code, Code::kCorrupt);
}

TEST(RootWrap, ShortKeysAreRefused) {
  EXPECT_EQ(RootWrap::make(Secret("0123456789abcdef0123456789abcde")).error().code, Code::kInvalid);
  EXPECT_FALSE(RootWrap::make(kKey)->wrap(Secret("short"), "AbCdEfGhIjKl"));
}

}  // namespace
}  // namespace sallyport::keys
