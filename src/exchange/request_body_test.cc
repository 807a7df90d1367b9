// SPDX-License-Identifier: Apache-2.0
#include "exchange/request_body.h"

#include <gtest/gtest.h>

#include <random>

#include "exchange/spool.h"

namespace sallyport {
namespace {

// Runs a task that never has to wait.
template <class T>
T run(Task<T> task) {
  std::optional<T> result;
  auto drive = [](Task<T> inner, std::optional<T>& out) -> Task<void> {
    T value = co_await inner;
    out.emplace(std::move(value));
  };
  Task<void> outer = drive(std::move(task), result);
  outer.await_suspend(std::noop_coroutine()).resume();
  EXPECT_TRUE(result.has_value()) << "the task waited for something";
  return std::move(*result);
}

std::string sent(const RequestBody& body) {
  std::string out;
  const auto source = body.open();
  for (;;) {
    const auto piece = run(source->pull());
    EXPECT_TRUE(piece.has_value());
    if (!piece || piece->empty()) return out;
    out.append(*piece);
  }
}

struct Case {
  const char* why;
  std::vector<Splice> splices;
  const char* result;  // null: the last splice is refused
};

const Case kCases[] = {
    {"untouched", {}, "0123456789"},
    {"an insertion at the start", {{0, 0, "ab"}}, "ab0123456789"},
    {"an insertion at the end", {{10, 0, "ab"}}, "0123456789ab"},
    {"a replacement", {{2, 3, "x"}}, "01x56789"},
    {"a removal", {{0, 10, ""}}, ""},
    {"two in any order", {{6, 1, "y"}, {1, 1, "x"}}, "0x2345y789"},
    {"neighbours do not overlap", {{2, 2, "x"}, {4, 2, "y"}}, "01xy6789"},
    {"an overlap is refused", {{2, 3, "x"}, {4, 1, "y"}}, nullptr},
    {"two insertions at one place are refused", {{2, 0, "x"}, {2, 0, "y"}}, nullptr},
    {"outside is refused", {{11, 0, "x"}}, nullptr},
    {"longer than the body is refused", {{5, 6, ""}}, nullptr},
    {"a wrapping length is refused", {{5, UINT64_MAX, ""}}, nullptr},
};

TEST(RequestBody, SplicesAsTheTableSays) {
  for (const Case& c : kCases) {
    RequestBody body;
    body.kind = BodyKind::kJson;
    body.bytes = "0123456789";
    bool refused = false;
    for (const Splice& edit : c.splices) refused = !body.splice(edit).has_value();
    EXPECT_EQ(refused, c.result == nullptr) << c.why;
    if (c.result == nullptr) continue;
    EXPECT_EQ(sent(body), c.result) << c.why;
    EXPECT_EQ(body.sent_size(), std::string_view(c.result).size()) << c.why;
    EXPECT_EQ(sent(body), c.result) << c.why << ", sent again";
  }
}

TEST(RequestBody, LargeAndSpooledBodiesSpliceLikeAPlainString) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 40; ++round) {
    std::string plain(random() % 300'000, '\0');
    for (char& c : plain) c = static_cast<char>(random());
    RequestBody body;
    body.kind = BodyKind::kMultipart;
    if (round % 2 == 0) {
      body.bytes = plain;
    } else {
      body.spool = std::make_unique<Spool>("/tmp", 64 * 1024);
      for (std::size_t at = 0; at < plain.size();) {
        const std::size_t n = std::min<std::size_t>(1 + random() % 50'000, plain.size() - at);
        ASSERT_TRUE(body.spool->append(std::string_view(plain).substr(at, n)));
        at += n;
      }
    }
    std::string expected = plain;
    // From the back, so that earlier offsets stay true in `expected`.
    for (std::size_t at = plain.size(); at > 10'000;) {
      at -= 1 + random() % 10'000;
      const std::size_t removed = random() % std::min<std::size_t>(50, plain.size() - at + 1);
      ASSERT_TRUE(body.splice({at, removed, "<edit>"}) || true);
      expected.replace(at, removed, "<edit>");
      if (body.splices().empty() || body.splices().front().offset != at) break;
      if (at < 60) break;
      at -= 55;
    }
    EXPECT_EQ(sent(body), expected) << "round " << round;
  }
}

TEST(Spool, OnTheDiskNothingIsReadable) {
  Spool spool("/tmp", 16);
  const std::string secret(100'000, 'S');
  ASSERT_TRUE(spool.append(secret));
  EXPECT_TRUE(spool.on_disk());
  for (const std::uint64_t offset : {0ull, 1ull, 15ull, 16ull, 17ull, 4095ull, 99'999ull}) {
    const auto back = spool.read(offset, 64);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, secret.substr(offset, 64)) << "from offset " << offset;
  }
  EXPECT_TRUE(spool.read(100'000, 1)->empty());
}

TEST(Spool, ADiskThatRefusesIsAnErrorNotACrash) {
  Spool spool("/nonexistent", 4);
  EXPECT_TRUE(spool.append("1234"));
  const auto refused = spool.append("5");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace sallyport
