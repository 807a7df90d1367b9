// SPDX-License-Identifier: Apache-2.0
#include "net/sse.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace sallyport::net {
namespace {

struct Seen {
  std::string raw;
  std::string type;
  std::string data;
  bool partial = false;
  friend bool operator==(const Seen&, const Seen&) = default;
  friend void PrintTo(const Seen& seen, std::ostream* out) {
    *out << testing::PrintToString(seen.raw) << " type=" << seen.type
         << " data=" << testing::PrintToString(seen.data) << (seen.partial ? " partial" : "");
  }
};

constexpr std::size_t kMax = 1 << 20;

// Pieces of one event over the limit are put together again.
class Reader {
 public:
  explicit Reader(std::size_t event_bytes_max) : splitter_(event_bytes_max) {}

  void feed(std::string_view bytes) {
    splitter_.feed(bytes);
    SseEvent event;
    while (splitter_.next(event)) {
      if (!mid_event_) seen_.emplace_back();
      seen_.back().raw.append(event.raw);
      seen_.back().type = event.type;
      seen_.back().data.append(event.data);
      seen_.back().partial = event.partial;
      mid_event_ = !event.last;
    }
  }
  std::vector<Seen> seen() const { return seen_; }
  bool unfinished() const { return !splitter_.unfinished().empty(); }

 private:
  SseSplitter splitter_;
  std::vector<Seen> seen_;
  bool mid_event_ = false;
};

std::vector<Seen> whole(std::string_view stream, std::size_t event_bytes_max = kMax) {
  Reader reader(event_bytes_max);
  reader.feed(stream);
  return reader.seen();
}

// Byte by byte, and cut in two at every offset.
void expect_same_at_any_cut(std::string_view stream, std::size_t event_bytes_max) {
  const std::vector<Seen> expected = whole(stream, event_bytes_max);
  Reader bytes(event_bytes_max);
  for (std::size_t i = 0; i < stream.size(); ++i) bytes.feed(stream.substr(i, 1));
  EXPECT_EQ(bytes.seen(), expected) << "byte by byte: " << testing::PrintToString(stream);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Reader two(event_bytes_max);
    two.feed(stream.substr(0, cut));
    two.feed(stream.substr(cut));
    ASSERT_EQ(two.seen(), expected) << "cut at " << cut << ": " << testing::PrintToString(stream);
  }
}

struct Case {
  const char* why;
  std::string_view stream;
  std::vector<Seen> events;
};

const Case kCases[] = {
    {"one event", "data: a\n\n", {{"data: a\n\n", "", "a"}}},
    {"with a type", "event: x\ndata: a\n\n", {{"event: x\ndata: a\n\n", "x", "a"}}},
    {"the type may come last", "data: a\nevent: x\n\n", {{"data: a\nevent: x\n\n", "x", "a"}}},
    {"the last type counts", "event: x\nevent: y\n\n", {{"event: x\nevent: y\n\n", "y", ""}}},
    {"CR LF", "data: a\r\n\r\n", {{"data: a\r\n\r\n", "", "a"}}},
    {"CR, known when the next byte comes", "data: a\r\rd", {{"data: a\r\r", "", "a"}}},
    {"mixed line ends",
     "data: a\rdata: b\r\ndata: c\n\n",
     {{"data: a\rdata: b\r\ndata: c\n\n", "", "a\nb\nc"}}},
    {"CR LF is one end, LF CR two",
     "data: a\n\rdata: b\r\n\n",
     {{"data: a\n\r", "", "a"}, {"data: b\r\n\n", "", "b"}}},
    {"lines of data are joined by LF",
     "data: a\ndata:\ndata: b\n\n",
     {{"data: a\ndata:\ndata: b\n\n", "", "a\n\nb"}}},
    {"a field without a colon is empty", "data\ndata\n\n", {{"data\ndata\n\n", "", "\n"}}},
    {"one blank after the colon goes",
     "data:a\ndata:  b\n\n",
     {{"data:a\ndata:  b\n\n", "", "a\n b"}}},
    {"a tab is no blank", "data:\ta\n\n", {{"data:\ta\n\n", "", "\ta"}}},
    {"colons in the value stay", "data: a: b\n\n", {{"data: a: b\n\n", "", "a: b"}}},
    {"a comment is no data", ": ping\n\n", {{": ping\n\n", "", ""}}},
    {"a comment inside an event", ": x\ndata: a\n: y\n\n", {{": x\ndata: a\n: y\n\n", "", "a"}}},
    {"other fields are passed on unread",
     "id: 7\nretry: 1\ndata: a\n\n",
     {{"id: 7\nretry: 1\ndata: a\n\n", "", "a"}}},
    {"field names are exact",
     "Data: a\ndata : b\n data: c\ndatax: d\n\n",
     {{"Data: a\ndata : b\n data: c\ndatax: d\n\n", "", ""}}},
    {"blank lines between events stand alone",
     "data: a\n\n\ndata: b\n\n",
     {{"data: a\n\n", "", "a"}, {"\n", "", ""}, {"data: b\n\n", "", "b"}}},
    {"a byte order mark may open the stream",
     "\xef\xbb\xbf"
     "data: a\n\ndata: b\n\n",
     {{"\xef\xbb\xbf"
       "data: a\n\n",
       "", "a"},
      {"data: b\n\n", "", "b"}}},
    {"a later mark belongs to the name",
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\n",
     {{"data: a\n\n", "", "a"},
      {"\xef\xbb\xbf"
       "data: b\n\n",
       "", ""}}},
    {"UTF-8 and NUL are only bytes",
     {"data: \xf0\x9f\x98\x80\0\n\n", 13},
     {{{"data: \xf0\x9f\x98\x80\0\n\n", 13}, "", {"\xf0\x9f\x98\x80\0", 5}}}},
    {"other line separators are none",
     "data: a\xe2\x80\xa8\x0b\x0c\xc2\x85"
     "b\n\n",
     {{"data: a\xe2\x80\xa8\x0b\x0c\xc2\x85"
       "b\n\n",
       "",
       "a\xe2\x80\xa8\x0b\x0c\xc2\x85"
       "b"}}},
    {"an unfinished event is no event", "data: a\n\ndata: b\n", {{"data: a\n\n", "", "a"}}},
    {"nothing", "", {}},
};

TEST(SseSplitter, EventsAreWhatTheStandardSays) {
  for (const Case& c : kCases) EXPECT_EQ(whole(c.stream), c.events) << c.why;
}

TEST(SseSplitter, AnySegmentationGivesTheSameEvents) {
  for (const Case& c : kCases) expect_same_at_any_cut(c.stream, kMax);
}

TEST(SseSplitter, AnEventOverTheLimitIsPassedOnUnreadAtAnyCut) {
  const std::string_view kStreams[] = {
      "data: 0123456789\n\ndata: a\n\n",
      "data: a\n\ndata: 0123456789\n\n",
      "data: 0123456789\r\n\r\ndata: a\n\n",
      "data: 0123456789\r\rdata: a\n\n",
      "data: 01\ndata: 23\ndata: 4\n\ndata: a\n\n",
      "data: 0123456789\n\r\ndata: a\n\n",
      "event: x\ndata: 012345678901234\n\ndata: a\n\n",
      "event: 0123456789\r\ndata: 1\n\n",
      "data: 01234\n\ndata: a\n\n",
      "data: 0123\r\n\r\ndata: a\n\n",
  };
  for (const std::string_view stream : kStreams) {
    for (std::size_t limit = 8; limit < 24; ++limit) {
      expect_same_at_any_cut(stream, limit);
      std::string together;
      for (const Seen& event : whole(stream, limit)) {
        together += event.raw;
        EXPECT_EQ(event.partial, event.raw.size() > limit) << stream;
        if (event.partial) EXPECT_EQ(event.data, "") << stream;
      }
      EXPECT_EQ(together, stream);
    }
  }
}

TEST(SseSplitter, AnEventOverTheLimitStillTellsItsType) {
  const std::string_view stream = "event: done\ndata: 0123456789\n\nevent: y\n\n";
  const std::vector<Seen> seen = whole(stream, 15);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].type, "done");
  EXPECT_EQ(seen[1].type, "y");
  EXPECT_EQ(whole("data: 0123456789\nevent: done\n\n", 15)[0].type, "") << "not on its first line";
}

TEST(SseSplitter, MemoryStaysFlatInAnEndlessEvent) {
  SseSplitter splitter(1000);
  const std::string piece(400, 'x');
  SseEvent event;
  std::size_t given = 0;
  for (int i = 0; i < 1000; ++i) {
    splitter.feed(piece);
    while (splitter.next(event)) {
      EXPECT_TRUE(event.partial);
      EXPECT_FALSE(event.last);
      given += event.raw.size();
    }
    EXPECT_LE(splitter.unfinished().size(), 1000u);
  }
  EXPECT_EQ(given, 400'000u);
  EXPECT_FALSE(splitter.unfinished().empty()) << "such an event has not ended";
}

TEST(SseSplitter, TellsABrokenStreamFromACleanEnd) {
  const struct {
    std::string_view stream;
    bool unfinished;
  } kStreams[] = {
      {"", false},       {"data: a\n\n", false}, {"data: a\r\n\r\n", false}, {"data: a\n", true},
      {"data: a", true}, {"data: a\n\nd", true}, {"data: a\n\n\r", true}};
  for (const auto& s : kStreams) {
    Reader reader(kMax);
    reader.feed(s.stream);
    EXPECT_EQ(reader.unfinished(), s.unfinished) << testing::PrintToString(s.stream);
  }
}

TEST(SseSplitter, OneLineOfDataIsAViewIntoTheRawBytes) {
  const std::string stream = "event: x\ndata: {\"a\":1}\n\n";
  SseSplitter splitter;
  splitter.feed(stream);
  SseEvent event;
  ASSERT_TRUE(splitter.next(event));
  EXPECT_EQ(event.raw.data(), stream.data()) << "nothing was copied";
  EXPECT_EQ(event.data.data(), stream.data() + 15);
}

TEST(SseSplitter, LinearInBareCarriageReturns) {
  // Looking for an LF from every CR would take minutes here.
  std::string stream;
  for (int i = 0; i < 500'000; ++i) stream += "d\r";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(whole(stream + "\r\n", 2 << 20).size(), 1u);
  EXPECT_EQ(whole(std::string(1 << 20, '\r') + "\n").size(), std::size_t{1 << 20});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace sallyport::net
