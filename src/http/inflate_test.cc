// SPDX-License-Identifier: Apache-2.0
#include "http/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace sallyport::http {
namespace {

std::string deflated(const std::string& text, int window_bits) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string gzip(const std::string& text) { return deflated(text, 15 + 16); }

struct Case {
  const char* why;
  std::string compressed;
  std::optional<Code> error;
};

TEST(Inflate, OneCleanMemberOrNothing) {
  const std::string text = "{\"model\":\"m\",\"input\":\"hello hello hello\"}";
  const std::string good = gzip(text);
  const Case cases[] = {
      {"one member", good, std::nullopt},
      {"cut off", good.substr(0, good.size() - 1), Code::kInvalid},
      {"a second member", good + good, Code::kInvalid},
      {"a trailing byte", good + "x", Code::kInvalid},
      {"zlib wrapper", deflated(text, 15), Code::kInvalid},
      {"raw deflate", deflated(text, -15), Code::kInvalid},
      {"plain text", text, Code::kInvalid},
      {"a damaged checksum",
       good.substr(0, good.size() - 8) + "\x01\x02\x03\x04" + good.substr(good.size() - 4),
       Code::kInvalid},
  };
  for (const Case& c : cases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
      Inflate inflate(1 << 20);
      std::string out;
      Result<void> result;
      for (std::size_t at = 0; at < c.compressed.size() && result; at += step) {
        result = inflate.feed(std::string_view(c.compressed).substr(at, step), out);
      }
      if (result) result = inflate.finish();
      EXPECT_EQ(result.has_value(), !c.error.has_value()) << c.why;
      if (result) {
        EXPECT_EQ(out, text) << c.why;
      } else if (c.error) {
        EXPECT_EQ(result.error().code, *c.error) << c.why;
      }
    }
  }
}

TEST(Inflate, ABombIsStoppedByItsRatioLongBeforeItsSize) {
  const std::string bomb = gzip(std::string(200 << 20, '\0'));
  ASSERT_LT(bomb.size(), 300'000u);
  Inflate inflate(1ull << 30);
  std::string out;
  Result<void> result;
  for (std::size_t at = 0; at < bomb.size() && result; at += 16'384) {
    result = inflate.feed(std::string_view(bomb).substr(at, 16'384), out);
  }
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kExhausted);
  EXPECT_LT(out.size(), 32u << 20) << "a bomb may not cost more than 32 MiB";
}

TEST(Inflate, TheSizeLimitHolds) {
  Inflate inflate(1000);
  std::string out;
  const auto result = inflate.feed(gzip(std::string(1001, 'x')), out);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kExhausted);
}

}  // namespace
}  // namespace sallyport::http
