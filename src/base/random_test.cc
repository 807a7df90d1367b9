// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string_view>

namespace sallyport {
namespace {

TEST(Random, Base62HasItsLengthAndAlphabet) {
  for (const std::size_t length : {0u, 1u, 12u, 32u, 1000u}) {
    const std::string text = random_base62(length);
    EXPECT_EQ(text.size(), length);
    EXPECT_EQ(text.find_first_not_of(kBase62), std::string::npos) << text;
  }
}

TEST(Random, EveryCharacterIsAboutAsLikely) {
  std::array<int, 128> counts{};
  for (const char c : random_base62(62'000)) ++counts[static_cast<std::size_t>(c)];
  // 1,000 each expected, standard deviation 32: seven of them either side never happens by chance.
  // The bias of a plain modulo (1,250 against 1,000 for the first eight) would be seen.
  for (const char c : std::string_view(kBase62)) {
    EXPECT_NEAR(counts[static_cast<std::size_t>(c)], 1000, 220) << c;
  }
}

TEST(Random, RequestIdsAreFresh) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = make_request_id();
    EXPECT_EQ(id.size(), 28u);
    EXPECT_TRUE(id.starts_with("req_"));
    EXPECT_TRUE(seen.insert(id).second) << id;
  }
}

TEST(Random, AChildDoesNotRepeatItsParent) {
  make_request_id();  // the reserve is filled before the fork
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string id = make_request_id();
    _exit(write(ends[1], id.data(), id.size()) == 28 ? 0 : 1);
  }
  ASSERT_GT(child, 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::array<char, 28> theirs{};
  ASSERT_EQ(read(ends[0], theirs.data(), theirs.size()), 28);
  close(ends[0]);
  close(ends[1]);
  EXPECT_NE(std::string(theirs.data(), theirs.size()), make_request_id());
}

}  // namespace
}  // namespace sallyport
