// SPDX-License-Identifier: Apache-2.0
#include "base/aead.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

const std::string kKey(32, 'k');

TEST(Aead, WhatWasSealedOpens) {
  const Secret key(kKey);
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 4'096u}) {
    const std::string plain(size, 'p');
    const auto sealed = aead_seal(key, plain, "about");
    ASSERT_TRUE(sealed);
    EXPECT_EQ(sealed->size(), size + kAeadExtraBytes);
    const auto opened = aead_open(key, *sealed, "about");
    ASSERT_TRUE(opened) << size;
    EXPECT_TRUE(*opened == Secret(plain));
  }
}

TEST(Aead, NeverTheSameBytesTwice) {
  const Secret key(kKey);
  EXPECT_NE(*aead_seal(key, "same", ""), *aead_seal(key, "same", ""));
}

TEST(Aead, AnyChangeIsFoundOut) {
  const Secret key(kKey);
  const std::string sealed = *aead_seal(key, "203.0.113.9", "ip");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(aead_open(key, changed, "ip")) << i;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(aead_open(key, sealed.substr(0, size), "ip")) << size;
  }
  EXPECT_FALSE(aead_open(key, sealed, "geo"));
  EXPECT_FALSE(aead_open(Secret(std::string(32, 'x')), sealed, "ip"));
  EXPECT_FALSE(aead_seal(Secret("short"), "x", ""));
  EXPECT_FALSE(aead_open(Secret("short"), sealed, "ip"));
}

}  // namespace
}  // namespace sallyport
