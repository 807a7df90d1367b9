// SPDX-License-Identifier: Apache-2.0
// Request heads: tables of what passes and what is refused, each row at every segmentation.
#include "net/http1_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/http1_characters.h"

namespace sallyport::net {
namespace {

using namespace std::string_literals;

constexpr std::size_t kHeadBytesMax = 64 * 1024;

// What a connection would do with `bytes` that arrive in pieces ending at `cuts` and at the end.
std::string outcome_cut(const std::string& bytes, const std::vector<std::size_t>& cuts,
                        RequestHead& head) {
  HeadScanner scanner(kHeadBytesMax);
  HeadScanner::State state = HeadScanner::State::kMore;
  for (std::size_t i = 0; i <= cuts.size() && state == HeadScanner::State::kMore; ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    state = scanner.scan(std::string_view(bytes).substr(0, end));
  }
  std::optional<HeadError> error;
  if (state == HeadScanner::State::kMore) return "more";
  if (state == HeadScanner::State::kBad) {
    error = scanner.error();
  } else {
    const std::size_t size = scanner.size() - scanner.start();
    error = parse_request_head(std::string_view(bytes).substr(scanner.start(), size), head);
  }
  return error ? std::to_string(error->status) + " " + error->reason : "ok";
}

// The outcome in one piece, after checking that no other segmentation differs.
std::string outcome(const std::string& bytes, RequestHead& head) {
  const std::string whole = outcome_cut(bytes, {}, head);
  RequestHead other;
  std::vector<std::size_t> each_byte;
  for (std::size_t i = 1; i < bytes.size(); ++i) each_byte.push_back(i);
  EXPECT_EQ(outcome_cut(bytes, each_byte, other), whole) << "byte by byte: " << bytes;
  if (bytes.size() < 2048) {
    for (std::size_t i = 1; i < bytes.size(); ++i) {
      EXPECT_EQ(outcome_cut(bytes, {i}, other), whole) << "cut at " << i << ": " << bytes;
    }
  }
  return whole;
}

std::string outcome(const std::string& bytes) {
  RequestHead head;
  return outcome(bytes, head);
}

// A good POST with one more field.
std::string with_field(const std::string& field) {
  return "POST /v1/x HTTP/1.1\r\nHost: gate\r\n" + field + "\r\n\r\n";
}
std::string with_length(const std::string& value) { return with_field("Content-Length:" + value); }

struct Case {
  const char* why;
  std::string bytes;
  const char* expected;
};

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(outcome(c.bytes), c.expected) << c.why;
}

TEST(RequestHead, AcceptsWhatTheGrammarAllows) {
  check({
      {"plain", "GET /v1/models HTTP/1.1\r\nHost: gate\r\n\r\n", "ok"},
      {"one leading CRLF", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "ok"},
      {"no blank after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", "ok"},
      {"blanks and tabs around a value", "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", "ok"},
      {"tab inside a value", with_field("X-A: b\tc"), "ok"},
      {"empty value", with_field("X-A:"), "ok"},
      {"obs-text in a value", with_field("X-A: \xc3\xa9\xff"), "ok"},
      {"every token character in a name", with_field("!#$%&'*+-.^_`|~09aZ: b"), "ok"},
      {"names in any case", "GET / HTTP/1.1\r\nhOST: a\r\ncONTENT-lENGTH: 1\r\n\r\n", "ok"},
      {"the coding in any case", with_field("tRANSFER-eNCODING: ChunKed"), "ok"},
      {"HTTP/1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", "ok"},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "ok"},
      {"a long name", with_field(std::string(40, 'X') + ": b"), "ok"},
      {"expectation with a chunked body",
       with_field("Transfer-Encoding: chunked\r\nExpect: 100-continue"), "ok"},
      {"expectation in HTTP/1.0",
       "POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", "ok"},
      {"expectation with a body", with_field("Content-Length: 3\r\nExpect: 100-Continue"), "ok"},
      {"a cookie twice", with_field("Cookie: a=b\r\nCookie: c=d"), "ok"},
      {"look-alikes are other fields", with_field("Transfer_Encoding: x\r\nContent_Length: y"),
       "ok"},
      {"coding words in another value", with_field("X-A: Transfer-Encoding: chunked"), "ok"},
      {"connection names end-to-end fields", with_field("Connection: Host, Authorization"), "ok"},
      {"empty list elements", with_field("Connection: , close,, "), "ok"},
      {"upgrade is handled as absent", with_field("Connection: Upgrade\r\nUpgrade: h2c"), "ok"},
      {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "ok"},
      {"every method we know", "PATCH /v1/x HTTP/1.1\r\nHost: a\r\n\r\n", "ok"},
      {"incomplete", "GET / HTTP/1.1\r\nHost: a\r\n\r", "more"},
      {"nothing yet", "", "more"},
      {"half a leading CRLF", "\r", "more"},
  });
}

TEST(RequestHead, FillsEveryPart) {
  const std::string bytes =
      "\r\nPOST http://Gate:80/v1/a?b=c&d HTTP/1.1\r\nhost: gate\r\nContent-Length: 12\r\n"
      "Expect: 100-continue\r\nConnection: Keep-Alive , close\r\n\r\nleft over";
  RequestHead head;
  ASSERT_EQ(outcome(bytes, head), "ok");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/v1/a");
  EXPECT_EQ(head.query, "b=c&d");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.authority, "Gate:80");
  EXPECT_EQ(head.host, "gate");
  EXPECT_EQ(head.minor, 1);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_FALSE(head.chunked);
  EXPECT_FALSE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  ASSERT_EQ(head.header_count, 4u);
  EXPECT_EQ(head.find("CONTENT-length"), "12");
  EXPECT_EQ(head.find("absent"), std::nullopt);

  // A second head in the same object inherits nothing.
  const std::string second = "GET / HTTP/1.0\r\n\r\n";
  ASSERT_EQ(outcome(second, head), "ok");
  EXPECT_EQ(head.header_count, 0u);
  EXPECT_EQ(head.content_length, std::nullopt);
  EXPECT_EQ(head.host, "");
  EXPECT_EQ(head.authority, "");
  EXPECT_FALSE(head.has_query);
  EXPECT_FALSE(head.expect_continue);
}

TEST(RequestHead, KeepsTheConnectionAsTheVersionSays) {
  const struct {
    const char* version;
    const char* field;
    bool keep;
  } cases[] = {
      {"1.1", "", true},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "Connection: x-a, CLOSE\r\n", false},
      {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
      {"1.1", "Connection: closed\r\n", true},
      {"1.0", "", false},
      {"1.0", "Connection: keep-alive\r\n", true},
      {"1.0", "Connection: close, keep-alive\r\n", false},
  };
  for (const auto& c : cases) {
    RequestHead head;
    ASSERT_EQ(outcome("GET / HTTP/"s + c.version + "\r\nHost: a\r\n" + c.field + "\r\n", head),
              "ok");
    EXPECT_EQ(head.keep_alive, c.keep) << c.version << " " << c.field;
  }
}

TEST(RequestHead, RefusesLineEndTricks) {
  check({
      {"bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bare_lf"},
      {"bare LF ends a field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400 bare_lf"},
      {"LF LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bare_lf"},
      {"a leading LF", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_lf"},
      {"CR in a value", with_field("X-A: b\rc"), "400 bare_cr"},
      {"CR CR LF", with_field("X-A: b\r"), "400 bare_cr"},
      {"CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_cr"},
      {"CR and another byte at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX", "400 bare_cr"},
      {"two blank lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 blank_lines"},
      {"only blank lines", "\r\n\r\n\r\n\r\n", "400 blank_lines"},
      {"NUL in a value", with_field("X-A: b\0c"s), "400 control_character"},
      {"ESC in a value", with_field("X-A: \x1b[2J"), "400 control_character"},
      {"DEL in a value", with_field("X-A: \x7f"), "400 control_character"},
      {"vertical tab in a name", with_field("X\vA: b"), "400 control_character"},
      {"form feed before a length", with_length("\f5"), "400 control_character"},
      {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, "400 control_character"},
  });
}

TEST(RequestHead, RefusesOtherProtocolsAtTheFirstByteOrLine) {
  check({
      {"TLS hello", "\x16\x03\x01"s, "400 not_http"},
      {"one byte of TLS", "\x16"s, "400 not_http"},
      {"PROXY version 2", "\r\n\r\n\0\r\nQUIT\n"s, "400 blank_lines"},
      {"PROXY version 1", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "400 request_line_invalid"},
      {"the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 version_unsupported"},
      {"HTTP/0.9", "GET /\r\n", "400 request_line_invalid"},
      {"a high byte", "\xff", "400 not_http"},
      {"a leading blank", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 not_http"},
      {"a leading tab", "\tGET", "400 not_http"},
      {"endless letters", std::string(kTargetBytesMax + 66, 'A'), "400 not_http"},
  });
}

TEST(RequestHead, RefusesRequestLines) {
  const std::string end = "\r\nHost: a\r\n\r\n";
  check({
      {"two blanks", "GET  / HTTP/1.1" + end, "400 version_invalid"},
      {"two blanks before the version", "GET /  HTTP/1.1" + end, "400 version_invalid"},
      {"trailing blank", "GET / HTTP/1.1 " + end, "400 request_line_invalid"},
      {"tab as separator", "GET\t/ HTTP/1.1" + end, "400 request_line_invalid"},
      {"tab in the target", "GET /\t HTTP/1.1" + end, "400 path_character_invalid"},
      {"no target", "GET HTTP/1.1" + end, "400 request_line_invalid"},
      {"no method", "/ HTTP/1.1" + end, "400 not_http"},
      {"one word", "GET" + end, "400 request_line_invalid"},
      {"lower case version", "GET / http/1.1" + end, "400 version_invalid"},
      {"HTTP/1.10", "GET / HTTP/1.10" + end, "400 version_invalid"},
      {"HTTP/01.1", "GET / HTTP/01.1" + end, "400 version_invalid"},
      {"HTTP/1", "GET / HTTP/1" + end, "400 version_invalid"},
      {"HTTP/1.", "GET / HTTP/1." + end, "400 version_invalid"},
      {"HTTP/1,1", "GET / HTTP/1,1" + end, "400 version_invalid"},
      {"a letter for the major", "GET / HTTP/x.1" + end, "400 version_invalid"},
      {"a letter for the minor", "GET / HTTP/1.x" + end, "400 version_invalid"},
      {"HTTP/1.2", "GET / HTTP/1.2" + end, "505 version_unsupported"},
      {"HTTP/0.9 in words", "GET / HTTP/0.9" + end, "505 version_unsupported"},
      {"HTTP/2.0", "GET / HTTP/2.0" + end, "505 version_unsupported"},
      {"method with a delimiter", "GE(T / HTTP/1.1" + end, "400 method_invalid"},
      {"method of 33 bytes", std::string(33, 'A') + " / HTTP/1.1" + end, "400 method_invalid"},
      {"high byte in the method", "G\xc3\x89T / HTTP/1.1" + end, "400 method_invalid"},
      {"lower case method", "get / HTTP/1.1" + end, "501 method_unsupported"},
      {"unknown method", "FETCH / HTTP/1.1" + end, "501 method_unsupported"},
      {"TRACE", "TRACE / HTTP/1.1" + end, "501 method_unsupported"},
      {"CONNECT", "CONNECT a:443 HTTP/1.1" + end, "501 method_unsupported"},
  });
}

TEST(RequestHead, RefusesFieldLines) {
  check({
      {"blank before the colon", with_field("Content-Length : 5"), "400 field_name_blank"},
      {"tab before the colon", with_field("X-A\t: b"), "400 field_name_blank"},
      {"no colon", with_field("garbage"), "400 field_without_colon"},
      {"empty name", with_field(": b"), "400 field_name_invalid"},
      {"delimiter in a name", with_field("X(A: b"), "400 field_name_invalid"},
      {"high byte in a name", with_field("X\xc3\xa9: b"), "400 field_name_invalid"},
      {"folded line", with_field("X-A: b\r\n c"), "400 obs_fold"},
      {"folded by a tab", with_field("X-A: b\r\n\tc: d"), "400 obs_fold"},
      {"blank line of blanks", with_field("X-A: b\r\n "), "400 obs_fold"},
      {"blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 obs_fold"},
      {"folded Transfer-Encoding", with_field("Transfer-Encoding:\r\n chunked"), "400 obs_fold"},
      {"Authorization twice", with_field("Authorization: a\r\nAuthorization: a"),
       "400 field_duplicate"},
      {"Content-Type twice", with_field("Content-Type: a\r\ncontent-TYPE: b"),
       "400 field_duplicate"},
      {"Content-Encoding twice", with_field("Content-Encoding: gzip\r\nContent-Encoding: gzip"),
       "400 field_duplicate"},
      {"Expect twice", with_field("Expect: 100-continue\r\nExpect: 100-continue"),
       "400 field_duplicate"},
      {"unknown expectation", with_field("Content-Length: 1\r\nExpect: 100-continue, x"),
       "417 expect_unsupported"},
      {"empty expectation", with_field("Content-Length: 1\r\nExpect:"), "417 expect_unsupported"},
      {"expectation without a body", with_field("Expect: 100-continue"), "417 expect_unsupported"},
      {"expectation of a GET",
       "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
       "417 expect_unsupported"},
      {"expectation of a HEAD",
       "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
       "417 expect_unsupported"},
      {"a bad member first", with_field("Connection: a b, close"), "400 connection_invalid"},
      {"Connection is no list of tokens", with_field("Connection: a b"), "400 connection_invalid"},
  });
}

TEST(RequestHead, RefusesAmbiguousFraming) {
  for (const char* value : {"",
                            " ",
                            "+5",
                            "-5",
                            "5 5",
                            "5,5",
                            "5, 6",
                            "5,",
                            "0x5",
                            "5.0",
                            "5e0",
                            "05",
                            "00",
                            "5;a=b",
                            "\"5\"",
                            "5_0",
                            "\xa0"
                            "5",
                            "\xef\xbc\x95",
                            "9223372036854775808",
                            "18446744073709551616",
                            "18446744073709551621",
                            "99999999999999999999999999"}) {
    EXPECT_EQ(outcome(with_length(value)), "400 content_length_invalid") << value;
  }
  for (const char* value :
       {"", "identity", "gzip", "chunked, chunked", "gzip, chunked", "chunked,", ",chunked",
        "\"chunked\"", "chunked;q=1", "xchunked", "chunked identity", "chunkedx", "chunk"}) {
    EXPECT_EQ(outcome(with_field("Transfer-Encoding: "s + value)), "400 te_invalid") << value;
  }
  check({
      {"the greatest length", with_length("9223372036854775807"), "ok"},
      {"zero", with_length("0"), "ok"},
      {"two lengths", with_field("Content-Length: 5\r\nContent-Length: 6"),
       "400 content_length_duplicate"},
      {"the same twice", with_field("Content-Length: 5\r\ncontent-length: 5"),
       "400 content_length_duplicate"},
      {"both", with_field("Content-Length: 5\r\nTransfer-Encoding: chunked"), "400 te_with_cl"},
      {"both the other way round", with_field("Transfer-Encoding: x\r\nContent-Length: 5"),
       "400 te_with_cl"},
      {"two codings", with_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
       "400 te_duplicate"},
      {"a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400 te_in_http10"},
  });
}

TEST(RequestHead, RefusesHosts) {
  const auto with_host = [](const std::string& fields) {
    return "GET / HTTP/1.1\r\n" + fields + "\r\n";
  };
  check({
      {"missing", with_host(""), "400 host_missing"},
      {"two", with_host("Host: a\r\nHost: a\r\n"), "400 host_duplicate"},
      {"another host than the target's", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
       "400 target_host_differs"},
      {"bad in HTTP/1.0 too", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", "400 host_invalid"},
  });
  for (const char* host :
       {"a", "a:1", "a.b.c", "a.b.", "a_b", "a-b:65535", "127.0.0.1:8080", "[::1]", "[::1]:80"}) {
    EXPECT_EQ(outcome(with_host("Host: "s + host + "\r\n")), "ok") << host;
  }
  for (const char* host : {"",        "a, b",      "a,b",
                           "u@a",     "u:p@a",     "a/b",
                           "a?b",     "a#b",       "a b",
                           "a\tb",    "\xc3\xa9",  "a:",
                           ":80",     "a:x",       "a:0",
                           "a:65536", "a:123456",  "a:80:80",
                           "a:-1",    "[",         "[]",
                           "[::1",    "::1",       "[::1]x",
                           "[::1]:",  "[1.2.3.4]", "[fe80::1%25eth0]",
                           "[::g]",   ".",         ".a",
                           "a..b",    "a%2eb",     "http://a",
                           "a;b",     "<a>",       "a\\b"}) {
    EXPECT_EQ(outcome(with_host("Host: "s + host + "\r\n")), "400 host_invalid") << host;
  }
  EXPECT_EQ(outcome(with_host("Host: " + std::string(256, 'a') + "\r\n")), "400 host_invalid");
}

TEST(RequestHead, RefusesSizesAtTheirLimit) {
  const auto target = [](std::size_t bytes) {
    return "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(outcome(target(kTargetBytesMax)), "ok");
  EXPECT_EQ(outcome(target(kTargetBytesMax + 1)), "414 target_too_long");
  EXPECT_EQ(outcome(target(kTargetBytesMax + 100)), "414 target_too_long");

  std::string fields;
  for (std::size_t i = 1; i < kHeadersMax; ++i) fields += "X: y\r\n";
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"), "ok");
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n" + fields + "\r\n"),
            "431 fields_too_many");

  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const auto head = [&](std::size_t bytes) {
    return start + std::string(bytes - start.size() - 4, 'a') + "\r\n\r\n";
  };
  EXPECT_EQ(outcome(head(kHeadBytesMax)), "ok");
  EXPECT_EQ(outcome(head(kHeadBytesMax + 1)), "431 head_too_large");
  EXPECT_EQ(outcome(start + std::string(kHeadBytesMax, ' ')), "431 head_too_large");
}

// What the scanner would never hand over is refused all the same.
TEST(RequestHead, TrustsNothingOfTheScanner) {
  const std::string line = "GET / HTTP/1.1\r\n";
  const Case cases[] = {
      {"nothing", "", "request_line_invalid"},
      {"no line end", "GET / HTTP/1.1", "request_line_invalid"},
      {"one word", "GET\r\n\r\n", "request_line_invalid"},
      {"no end of the head", line, "field_without_colon"},
      {"a name without an end", line + "X-A", "field_without_colon"},
      {"a value without an end", line + "X-A: b", "field_value_invalid"},
      {"a control character in a value", line + "X-A: b\x01\r\n\r\n", "field_value_invalid"},
      {"CR at the very end", line + "X-A: b\r", "bare_cr"},
      {"CR without LF", line + "X-A: b\rc\r\n\r\n", "bare_cr"},
      {"half an empty line", line + "X-A: b\r\n\r", "bare_cr"},
      {"bytes behind the empty line", line + "X-A: b\r\n\r\nX", "bare_cr"},
  };
  for (const Case& c : cases) {
    RequestHead head;
    const auto error = parse_request_head(c.bytes, head);
    ASSERT_TRUE(error) << c.why;
    EXPECT_STREQ(error->reason, c.expected) << c.why;
  }
}

// A buffer of exactly the limit must not wait for a byte that has no room.
TEST(HeadScanner, RefusesAFullBufferWithoutAnEnd) {
  HeadScanner scanner(64);
  EXPECT_EQ(scanner.scan("GET / HTTP/1.1\r\nA: " + std::string(44, 'a')),
            HeadScanner::State::kMore);
  EXPECT_EQ(scanner.scan("GET / HTTP/1.1\r\nA: " + std::string(45, 'a')), HeadScanner::State::kBad);
  EXPECT_EQ(scanner.error().status, 431);
  scanner.reset();
  EXPECT_EQ(scanner.scan("GET /" + std::string(59, 'a')), HeadScanner::State::kBad);
  EXPECT_EQ(scanner.error().status, 414);
}

TEST(HeadScanner, TellsWhereTheNextMessageBegins) {
  const std::string bytes = "\r\nGET / HTTP/1.1\r\n\r\nGET /next";
  HeadScanner scanner(kHeadBytesMax);
  ASSERT_EQ(scanner.scan(bytes), HeadScanner::State::kDone);
  EXPECT_EQ(scanner.start(), 2u);
  EXPECT_EQ(bytes.substr(scanner.size()), "GET /next");
}

// The vector search against the definition, at every place in a vector and in the rest behind it.
TEST(Characters, FindsEachControlAtEachPlace) {
  for (std::size_t size = 1; size < 50; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, 'a');
        text[at] = static_cast<char>(byte);
        const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
        ASSERT_EQ(find_control(text), control ? at : size) << size << " " << at << " " << byte;
      }
    }
  }
}

TEST(Characters, TokensAreTheOnesOfTheGrammar) {
  const std::string_view symbols = "!#$%&'*+-.^_`|~";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool expected = (byte < 128 && isalnum(byte)) || (c != 0 && symbols.contains(c));
    EXPECT_EQ(is_token({&c, 1}), expected) << byte;
  }
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
}

}  // namespace
}  // namespace sallyport::net
