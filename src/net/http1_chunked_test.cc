// SPDX-License-Identifier: Apache-2.0
// The chunked decoder: tables at every segmentation, and random bodies against a slow reading of
// the grammar that sees the whole message at once.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "net/http1_characters.h"
#include "net/http1_head.h"

namespace sallyport::net {
namespace {

using namespace std::string_literals;

struct Decoded {
  std::string state;  // more, done, bad
  std::string body;
  std::size_t used = 0;
  friend bool operator==(const Decoded&, const Decoded&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Decoded& d) {
    return out << d.state << " '" << d.body << "' " << d.used;
  }
};

// Feeds `bytes` in pieces of the sizes `next_piece` gives, as a connection would.
template <class NextPiece>
Decoded decode(std::string_view bytes, NextPiece next_piece) {
  ChunkedDecoder decoder;
  Decoded out{"more", "", 0};
  std::size_t arrived = 0;
  while (out.state == "more" && arrived < bytes.size()) {
    arrived = std::min(arrived + next_piece(), bytes.size());
    while (out.used < arrived && out.state == "more") {
      const auto step = decoder.step(bytes.substr(out.used, arrived - out.used));
      out.used += step.consumed;
      out.body += step.data;
      if (step.state == ChunkedDecoder::Step::kDone) out.state = "done";
      if (step.state == ChunkedDecoder::Step::kBad) out.state = "bad";
    }
  }
  return out;
}

Decoded decode_everyhow(const std::string& bytes) {
  const Decoded whole = decode(bytes, [&] { return bytes.size(); });
  EXPECT_EQ(decode(bytes, [] { return 1u; }), whole) << bytes;
  for (std::size_t cut = 1; cut < bytes.size() && bytes.size() < 1024; ++cut) {
    bool first = true;
    const auto next = [&] { return std::exchange(first, false) ? cut : bytes.size(); };
    EXPECT_EQ(decode(bytes, next), whole) << "cut at " << cut << ": " << bytes;
  }
  return whole;
}

// The oracle: recursive descent over the whole text, one rule a function, no limits but the size's.
class Oracle {
 public:
  explicit Oracle(std::string_view text) : text_(text) {}

  Decoded run() {
    for (;;) {
      const std::uint64_t size = chunk_size();
      while (good_ && take(';')) extension();
      expect("\r\n");
      if (!good_) return result("bad");
      if (size == 0) break;
      for (std::uint64_t i = 0; i < size && good_; ++i) body_ += any();
      expect("\r\n");
    }
    while (good_ && !ended() && peek() != '\r') trailer_line();
    expect("\r\n");
    return result(good_ ? "done" : "bad");
  }

 private:
  bool ended() const { return at_ >= text_.size(); }
  char peek() const { return ended() ? '\0' : text_[at_]; }
  char any() {
    if (ended()) {
      good_ = false;
      more_ = true;
      return 0;
    }
    return text_[at_++];
  }
  bool take(char c) {
    if (ended() || peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view word) {
    for (const char c : word) {
      if (good_ && any() != c) good_ = false;
    }
  }
  std::uint64_t chunk_size() {
    std::uint64_t size = 0;
    std::size_t digits = 0;
    while (!ended() && isxdigit(static_cast<unsigned char>(peek()))) {
      size = size * 16 + std::stoul(std::string(1, any()), nullptr, 16);
      if (++digits > 15 || size > 0xffffffff) good_ = false;
    }
    need(digits > 0);
    return size;
  }
  void token() {
    std::size_t begin = at_;
    while (!ended() && is_token_char(peek())) ++at_;
    need(at_ > begin);
  }
  void extension() {
    token();
    if (!good_ || !take('=')) return;
    if (!take('"')) return token();
    while (good_ && !take('"')) {
      if (take('\\') && ended()) return need(false);
      text_byte();
    }
  }
  void text_byte() {
    const auto byte = static_cast<unsigned char>(any());
    if (good_ && ((byte < 0x20 && byte != '\t') || byte == 0x7f)) good_ = false;
  }
  void trailer_line() {
    const std::size_t begin = at_;
    token();
    const std::string name = lower_of(text_.substr(begin, at_ - begin));
    if (name == "content-length" || name == "host") good_ = false;  // what the test generates
    expect(":");
    while (good_ && peek() != '\r') text_byte();
    expect("\r\n");
  }
  static std::string lower_of(std::string_view text) {
    std::string out;
    for (const char c : text) out += ascii_lower(c);
    return out;
  }
  void need(bool condition) {
    if (condition || !good_) return;
    good_ = false;
    more_ = ended();
  }
  Decoded result(const char* state) { return {more_ ? "more" : state, body_, at_}; }

  std::string_view text_;
  std::size_t at_ = 0;
  bool good_ = true;
  bool more_ = false;
  std::string body_;
};

TEST(Chunked, WellFormedBodies) {
  const struct {
    const char* why;
    std::string bytes;
    std::string body;
    std::size_t left;
  } cases[] = {
      {"nothing", "0\r\n\r\n", "", 0},
      {"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", 0},
      {"hexadecimal in either case", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
       "01234567890123456789", 0},
      {"zeros in front, zeros at the end", "0005\r\nhello\r\n000\r\n\r\n", "hello", 0},
      {"line ends inside data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", 0},
      {"extension", "5;a;b=c;d=\"e\\\"f;\"\r\nhello\r\n0;x\r\n\r\n", "hello", 0},
      {"trailers are dropped", "0\r\nX-A: b\r\nX-C:\r\n\r\n", "", 0},
      {"a long trailer name", "0\r\nX-Trailer-Of-More-Than-Thirty-Two-Bytes: b\r\n\r\n", "", 0},
      {"the next message is left", "0\r\n\r\nGET /", "", 5},
  };
  for (const auto& c : cases) {
    const Decoded got = decode_everyhow(c.bytes);
    EXPECT_EQ(got, (Decoded{"done", c.body, c.bytes.size() - c.left})) << c.why;
    EXPECT_EQ(Oracle(c.bytes).run(), got) << c.why;
  }
}

TEST(Chunked, RefusedBodies) {
  const std::string end = "\r\nhello\r\n0\r\n\r\n";
  const std::string last = "0\r\n";
  const std::string cases[] = {
      // sizes
      "+5" + end,
      "-5" + end,
      "0x5" + end,
      " 5" + end,
      "5 " + end,
      "\t5" + end,
      "5\t" + end,
      "5_" + end,
      "" + end,
      "5,5" + end,
      "\"5\"" + end,
      "g" + end,
      "5.0" + end,
      "5h" + end,
      "0000000000000005" + end,
      "FFFFFFFFFFFFFFFF" + end,
      "8000000000000000" + end,
      "10000000000000005" + end,
      "100000005" + end,
      ";a" + end,
      // extensions
      "5;" + end,
      "5;;a" + end,
      "5;a=" + end,
      "5;a=b c" + end,
      "5; a" + end,
      "5 ;a" + end,
      "5;a =b" + end,
      "5;a= b" + end,
      "5;=b" + end,
      "5;a=\"b" + end,
      "5;a=\"b\"c" + end,
      "5;a=b\"c\"" + end,
      "5;a\nb" + end,
      "5;a\rb" + end,
      "5;a\0b"s + end,
      "5;a=\"\x01\"" + end,
      "5;a=\"\n\"" + end,
      "5;a=\"\\\r\"" + end,
      "5;a=\x80" + end,
      "5;a=b=c" + end,
      "5;" + std::string(257, 'a') + end,
      // line ends
      "5\nhello\r\n0\r\n\r\n",
      "5\rhello\r\n0\r\n\r\n",
      "5\r\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello0\r\n\r\n",
      "5\r\nhello\r0\r\n\r\n",
      "5\r\nhello!\r\n0\r\n\r\n",
      "5\r\nhell\r\n0\r\n\r\n",
      "5\r\nhello\r\n\r\n0\r\n\r\n",
      "5\r\nhello\r\n0\n\r\n",
      "5\r\nhello\r\n0\r\n\n",
      "0\r\n\rX",
      "0\r\n\r\r",
      // trailers
      last + "Content-Length: 5\r\n\r\n",
      last + "transfer-ENCODING: chunked\r\n\r\n",
      last + "Host: a\r\n\r\n",
      last + "Authorization: a\r\n\r\n",
      last + "Content-Type: a\r\n\r\n",
      last + "X-Forwarded-For: a\r\n\r\n",
      last + "api-key: a\r\n\r\n",
      last + "Trailer: a\r\n\r\n",
      last + "X-A : b\r\n\r\n",
      last + "X-A\r\n\r\n",
      last + ": b\r\n\r\n",
      last + " X: b\r\n\r\n",
      last + "X: b\r\n c\r\n\r\n",
      last + "X: b\0\r\n\r\n"s,
      last + "X: b\n\r\n",
      last + "X: b\rc\r\n\r\n",
      last + "GET / HTTP/1.1\r\n\r\n",
      last + "X: " + std::string(8192, 'a') + "\r\n\r\n",
  };
  for (const std::string& bytes : cases) {
    EXPECT_EQ(decode_everyhow(bytes).state, "bad") << bytes;
  }
}

TEST(Chunked, ExtensionsAreBoundedOverTheBody) {
  std::string bytes;
  for (int i = 0; i < 16; ++i) bytes += "1;" + std::string(255, 'a') + "\r\nx\r\n";
  EXPECT_EQ(decode_everyhow(bytes + "0\r\n\r\n").state, "done");
  for (int i = 0; i < 16; ++i) bytes += "1;a\r\nx\r\n";
  bytes += "1;" + std::string(16, 'a') + "\r\nx\r\n";
  EXPECT_EQ(decode_everyhow(bytes + "0\r\n\r\n").state, "bad");
}

TEST(Chunked, EveryTruncationIsUnfinished) {
  const std::string bytes = "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_everyhow(bytes.substr(0, size)).state, "more") << size;
  }
}

TEST(Chunked, StaysBrokenAndStaysDone) {
  ChunkedDecoder broken;
  EXPECT_EQ(broken.step("x").state, ChunkedDecoder::Step::kBad);
  EXPECT_EQ(broken.step("0\r\n\r\n").state, ChunkedDecoder::Step::kBad);
  ChunkedDecoder done;
  EXPECT_EQ(done.step("0\r\n\r\n").state, ChunkedDecoder::Step::kDone);
  const auto step = done.step("0\r\n\r\n");
  EXPECT_EQ(step.state, ChunkedDecoder::Step::kDone);
  EXPECT_EQ(step.consumed, 0u);
}

TEST(Chunked, TellsWhatIsStillToCome) {
  ChunkedDecoder decoder;
  decoder.step("ffffffff\r\n");
  EXPECT_EQ(decoder.pending_bytes(), 0xffffffffu);
  decoder.step("hello");
  EXPECT_EQ(decoder.pending_bytes(), 0xfffffffau);
}

TEST(Chunked, PrefixesReadBack) {
  std::array<char, 20> room;
  EXPECT_EQ(chunk_prefix(0, room), "0\r\n");
  EXPECT_EQ(chunk_prefix(0x1a2b, room), "1a2b\r\n");
  EXPECT_EQ(chunk_prefix(~std::size_t{0}, room), "ffffffffffffffff\r\n");
}

// A random message, then perhaps one byte replaced, removed or doubled.
std::string random_message(std::mt19937_64& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const char* const extensions[] = {"", "", "", ";a", ";a=b", ";a=\"b;\\\"\"", ";a;b=c"};
  std::string bytes;
  for (std::size_t chunks = below(4); chunks > 0; --chunks) {
    std::string data(1 + below(20), 'x');
    for (char& c : data)
      c = static_cast<char>(below(8) == 0 ? "\r\n;0"[below(4)] : 'a' + below(26));
    char size[16];
    snprintf(size, sizeof size, below(2) != 0 ? "%zx" : "%03zX", data.size());
    bytes += size + std::string(extensions[below(7)]) + "\r\n" + data + "\r\n";
  }
  const char* const trailers[] = {"", "", "X-A: b\r\n", "host: a\r\n", "Content-Lengthy: 1\r\n"};
  bytes += "0"s + extensions[below(7)] + "\r\n" + trailers[below(5)] + "\r\n";
  const std::size_t at = below(bytes.size());
  switch (below(4)) {
    case 0:
      bytes[at] = "\r\n ;=\"\\0a:\t\0\xff"[below(14)];
      break;
    case 1:
      bytes.erase(at, 1);
      break;
    case 2:
      bytes.insert(at, 1, bytes[at]);
      break;
    default:
      break;
  }
  return bytes;
}

TEST(Chunked, AgreesWithTheGrammarOnRandomMessages) {
  std::mt19937_64 random(20261124);
  std::size_t good = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = random_message(random);
    const Decoded expected = Oracle(bytes).run();
    const Decoded got = decode(bytes, [&] { return 1 + random() % 9; });
    ASSERT_EQ(got.state, expected.state) << bytes;
    if (got.state != "done") continue;
    ++good;
    ASSERT_EQ(got, expected) << bytes;
  }
  EXPECT_GT(good, 4000u);  // the generator must not only make rubbish
}

}  // namespace
}  // namespace sallyport::net
