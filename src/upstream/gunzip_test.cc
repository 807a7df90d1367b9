// SPDX-License-Identifier: Apache-2.0
#include "upstream/gunzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <utility>

#include "net/raw_peer_for_test.h"

namespace sallyport::upstream {
namespace {

// Gives `bytes` in pieces of `size`.
class Pieces final : public net::BodySource {
 public:
  Pieces(std::string bytes, std::size_t size) : bytes_(std::move(bytes)), size_(size) {}
  Task<Result<std::string_view>> pull() override {
    const std::string_view piece = std::string_view(bytes_).substr(at_, size_);
    at_ += piece.size();
    co_return piece;
  }

 private:
  std::string bytes_;
  std::size_t size_;
  std::size_t at_ = 0;
};

std::string deflated(const std::string& text, int window_bits) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string gzip(const std::string& text) { return deflated(text, 15 + 16); }

struct Decoded {
  std::string text;
  std::size_t piece_max = 0;
  std::string error;
};

Task<void> decode_all(GunzipBody& body, Decoded& out) {
  for (;;) {
    const Result<std::string_view> piece = co_await body.pull();
    if (!piece) out.error = name(piece.error().code);
    if (!piece || piece->empty()) co_return;
    out.text += *piece;
    out.piece_max = std::max(out.piece_max, piece->size());
  }
}

Decoded decode(std::string bytes, std::size_t size) {
  net::Loop loop;
  GunzipBody body(std::make_unique<Pieces>(std::move(bytes), size));
  Decoded out;
  net::run_on(loop, decode_all(body, out));
  return out;
}

std::string text_of(std::size_t size) {
  std::string text;
  for (unsigned i = 0; text.size() < size; ++i) text += std::to_string(i * 2'654'435'761u);
  text.resize(size);
  return text;
}

TEST(GunzipBody, SameTextAtAnySegmentation) {
  for (const std::size_t length : {0u, 1u, 100u, 16'384u, 16'385u, 200'000u}) {
    const std::string text = text_of(length);
    for (const std::size_t size : {1u, 7u, 4'096u, 1'000'000u}) {
      const Decoded out = decode(gzip(text), size);
      EXPECT_EQ(out.error, "") << length << " in pieces of " << size;
      EXPECT_TRUE(out.text == text) << length << " in pieces of " << size;
      EXPECT_LE(out.piece_max, 16'384u);
    }
  }
}

struct Bad {
  const char* why;
  std::string bytes;
};

TEST(GunzipBody, RefusesWhatIsNotOneCleanMember) {
  const std::string good = gzip("hello");
  std::string broken = good;
  broken[broken.size() - 6] = static_cast<char>(broken[broken.size() - 6] ^ 1);
  const Bad bad[] = {
      {"nothing", ""},
      {"plain text", "hello"},
      {"zlib's own format", deflated("hello", 15)},
      {"raw deflate", deflated("hello", -15)},
      {"cut off", good.substr(0, good.size() - 1)},
      {"a byte behind it", good + "x"},
      {"a second member", good + good},
      {"a wrong checksum", broken},
  };
  for (const Bad& c : bad) {
    for (const std::size_t size : {1u, 1'000u}) {
      EXPECT_EQ(decode(c.bytes, size).error, "corrupt") << c.why << ", in pieces of " << size;
    }
  }
}

TEST(GunzipBody, ABombIsCutShort) {
  const Decoded out = decode(gzip(std::string(50'000'000, '0')), 1'024);
  EXPECT_EQ(out.error, "corrupt");
  EXPECT_LT(out.text.size(), 2'000'000u);
}

}  // namespace
}  // namespace sallyport::upstream
