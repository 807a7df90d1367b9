// SPDX-License-Identifier: Apache-2.0
#include "meter/bpe.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sallyport::meter {
namespace {

using Ids = std::vector<std::uint32_t>;

// The rule as it is defined, slow and plain: join the two neighbours of the lowest rank, leftmost
// first, until none are left.
Ids oracle(const Ranks& ranks, std::string_view piece) {
  const auto find = [&](std::string_view text) {
    return ranks.find(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  if (find(piece) != kNoToken) return {find(piece)};
  std::vector<std::string> parts;
  for (const char c : piece) parts.emplace_back(1, c);
  for (;;) {
    std::uint32_t lowest = kNoToken;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::uint32_t rank = find(parts[i] + parts[i + 1]);
      if (rank < lowest) {
        lowest = rank;
        at = i;
      }
    }
    if (lowest == kNoToken) break;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  Ids ids;
  for (const std::string& part : parts) ids.push_back(find(part));
  return ids;
}

std::string random_piece(std::mt19937& random, std::size_t size) {
  constexpr std::string_view kAlphabets[] = {"ab",
                                             "etaoinshrdlu",
                                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                             " \n\t",
                                             "\xe4\xb8\xad\xe6\x96\x87",
                                             "=-_*#/",
                                             "ACGT"};
  const std::string_view alphabet = kAlphabets[random() % std::size(kAlphabets)];
  std::string piece;
  while (piece.size() < size) piece += alphabet[random() % alphabet.size()];
  return piece;
}

TEST(Bpe, EveryWayIsTheRule) {
  // Small limits send short pieces through the ways of long ones; the last leaves the windows
  // hardly anything in common, so that they have to give up.
  const BpeLimits ways[] = {{}, {.scan_max = 4}, {4, 140, 40}, {4, 132, 20}, {4, 8, 2}, {4, 5, 1}};
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const Ranks& ranks = token_table().ranks[static_cast<std::size_t>(round % 2)];
    const std::string piece = random_piece(random, 1 + random() % 300);
    const Ids want = oracle(ranks, piece);
    for (const BpeLimits& limits : ways) {
      Ids ids{7};
      const std::uint64_t count = encode_piece(ranks, piece, &ids, limits);
      ids.erase(ids.begin());
      ASSERT_EQ(ids, want) << "window " << limits.window << " of: " << piece;
      ASSERT_EQ(count, want.size());
      ASSERT_EQ(encode_piece(ranks, piece, nullptr, limits), want.size());
    }
  }
}

TEST(Bpe, RunsOfOneCharacter) {
  for (const char* unit : {"a", " ", "=", "\xe4\xb8\xad", "ab"}) {
    std::string piece;
    while (piece.size() < 450) piece += unit;
    for (const Ranks& ranks : token_table().ranks) {
      Ids ids;
      encode_piece(ranks, piece, &ids, {64, 200, 60});
      EXPECT_EQ(ids, oracle(ranks, piece)) << unit;
    }
  }
}

TEST(Bpe, NothingIsNothing) { EXPECT_EQ(encode_piece(token_table().ranks[0], "", nullptr), 0u); }

}  // namespace
}  // namespace sallyport::meter
