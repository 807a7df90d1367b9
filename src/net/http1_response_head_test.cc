// SPDX-License-Identifier: Apache-2.0
// Heads of answers from a hostile or broken upstream.
#include <gtest/gtest.h>

#include <string>

#include "net/http1_head.h"

namespace sallyport::net {
namespace {

using namespace std::string_literals;

std::string outcome_in_pieces(const std::string& bytes, std::size_t piece, ResponseHead& head) {
  HeadScanner scanner(64 * 1024);
  HeadScanner::State state = HeadScanner::State::kMore;
  for (std::size_t end = 0; end < bytes.size() && state == HeadScanner::State::kMore;) {
    end = std::min(end + piece, bytes.size());
    state = scanner.scan(std::string_view(bytes).substr(0, end));
  }
  if (state == HeadScanner::State::kMore) return "more";
  if (state == HeadScanner::State::kBad) return scanner.error().reason;
  const std::size_t size = scanner.size() - scanner.start();
  const auto error =
      parse_response_head(std::string_view(bytes).substr(scanner.start(), size), head);
  if (!error) return "ok";
  EXPECT_EQ(error->status, 502) << error->reason;
  return error->reason;
}

std::string outcome(const std::string& bytes, ResponseHead& head) {
  ResponseHead other;
  const std::string whole = outcome_in_pieces(bytes, bytes.size(), head);
  EXPECT_EQ(outcome_in_pieces(bytes, 1, other), whole) << bytes;
  EXPECT_EQ(outcome_in_pieces(bytes, 7, other), whole) << bytes;
  return whole;
}

struct Case {
  const char* why;
  std::string bytes;
  const char* expected;
};

TEST(ResponseHead, OneRowAClass) {
  const Case cases[] = {
      {"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"},
      {"no phrase", "HTTP/1.1 200 \r\n\r\n", "ok"},
      {"no phrase and no blank", "HTTP/1.1 200\r\n\r\n", "ok"},
      {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "ok"},
      {"HTTP/1.0", "HTTP/1.0 404 Not Found\r\n\r\n", "ok"},
      {"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
       "ok"},
      {"phrase in another language", "HTTP/1.1 200 d\xc3\xa9j\xc3\xa0\r\n\r\n", "ok"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
       "content_length_duplicate"},
      {"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n",
       "content_length_invalid"},
      {"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
       "content_length_invalid"},
      {"length that wraps", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\n",
       "content_length_invalid"},
      {"length and coding",
       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "te_with_cl"},
      {"coding and length",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", "te_with_cl"},
      {"two codings",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       "te_duplicate"},
      {"coded twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "te_invalid"},
      {"coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       "te_in_http10"},
      {"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "obs_fold"},
      {"bare LF", "HTTP/1.1 200 OK\nX: a\r\n\r\n", "bare_lf"},
      {"bare CR", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "bare_cr"},
      {"NUL", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"s, "control_character"},
      {"blank before the colon", "HTTP/1.1 200 OK\r\nX : a\r\n\r\n", "field_name_blank"},
      {"no colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n", "field_without_colon"},
      {"HTTP/0.9", "<html>", "not_http"},
      {"HTTP/0.9 that begins with a letter", "hello world\r\n", "request_line_invalid"},
      {"lower case", "http/1.1 200 OK\r\n\r\n", "status_line_invalid"},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "status_line_invalid"},
      {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", "status_line_invalid"},
      {"two digits", "HTTP/1.1 20 OK\r\n\r\n", "status_line_invalid"},
      {"four digits", "HTTP/1.1 2000 OK\r\n\r\n", "status_line_invalid"},
      {"below 100", "HTTP/1.1 099 OK\r\n\r\n", "status_line_invalid"},
      {"above 599", "HTTP/1.1 600 OK\r\n\r\n", "status_line_invalid"},
      {"too short", "HTTP/1.1 20\r\n\r\n", "status_line_invalid"},
      {"no blank behind the version", "HTTP/1.1-200 OK\r\n\r\n", "status_line_invalid"},
      {"a letter among the digits", "HTTP/1.1 2x0 OK\r\n\r\n", "status_line_invalid"},
      {"Connection is no list", "HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n", "connection_invalid"},
      {"a sign", "HTTP/1.1 +20 OK\r\n\r\n", "status_line_invalid"},
      {"two blanks", "HTTP/1.1  200 OK\r\n\r\n", "status_line_invalid"},
      {"a tab", "HTTP/1.1 200\tOK\r\n\r\n", "status_line_invalid"},
      {"leading blank", " HTTP/1.1 200 OK\r\n\r\n", "not_http"},
      {"incomplete", "HTTP/1.1 200 OK\r\nX: a\r\n", "more"},
  };
  for (const Case& c : cases) {
    ResponseHead head;
    EXPECT_EQ(outcome(c.bytes, head), c.expected) << c.why;
  }
}

TEST(ResponseHead, FillsEveryPart) {
  ResponseHead head;
  const std::string slow =
      "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 7\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(outcome(slow, head), "ok");
  EXPECT_EQ(head.status, 429);
  EXPECT_EQ(head.find("retry-after"), "3");
  EXPECT_EQ(head.content_length, 7u);
  EXPECT_FALSE(head.keep_alive);
  const std::string old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n";
  ASSERT_EQ(outcome(old, head), "ok");
  EXPECT_EQ(head.minor, 0);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.content_length, std::nullopt);
  EXPECT_EQ(head.find("retry-after"), std::nullopt);
}

TEST(ResponseHead, ThousandsOfFieldsAreRefused) {
  std::string bytes = "HTTP/1.1 200 OK\r\n";
  for (std::size_t i = 0; i <= kHeadersMax; ++i) bytes += "X: y\r\n";
  ResponseHead head;
  EXPECT_EQ(outcome(bytes + "\r\n", head), "fields_too_many");
}

TEST(ResponseHead, TrustsNothingOfTheScanner) {
  ResponseHead head;
  EXPECT_STREQ(parse_response_head("HTTP/1.1 200 OK", head)->reason, "status_line_invalid");
  EXPECT_STREQ(parse_response_head("HTTP/1.1 200 O\x01K\r\n\r\n", head)->reason,
               "status_line_invalid");
  EXPECT_STREQ(parse_response_head("HTTP/1.1 200 OK\r\nX: y\r\n", head)->reason,
               "field_without_colon");
}

TEST(ReasonPhrase, EveryStatusHasOne) {
  for (int status = 100; status < 600; ++status) {
    EXPECT_TRUE(is_field_value(reason_phrase(status)));
    EXPECT_FALSE(reason_phrase(status).empty());
  }
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
}

}  // namespace
}  // namespace sallyport::net
