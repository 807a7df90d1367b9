// SPDX-License-Identifier: Apache-2.0
#include "net/http1_target.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::net {
namespace {

std::string outcome(std::string_view target, std::string_view method = "GET") {
  RequestHead head;
  head.method = method;
  const auto error = parse_target(target, head);
  return error ? error->reason : "ok";
}

TEST(Target, NormalPathsPass) {
  for (const char* target : {
           "/",
           "/v1/models",
           "/v1/files/file-abc/content",
           "/v1/models/ft:gpt-4o:org::abc",
           "/v1/models/ft%3Agpt-4o%3aorg",
           "/v1/models/gpt-4.1-mini-2025-04-14",
           "/v1/a%20b",
           "/v1/.well-known/..x/...y",
           "/v1/a@b!$&'()*+,=~_-",
           "/v1/files?after=a&limit=2&order=desc",
           "/v1/x?include[]=a&b=%2e%2e/../%25&c=\"{|}\"",
           "/v1/x?",
           "/v1/x?a?b/c",
       }) {
    EXPECT_EQ(outcome(target), "ok") << target;
  }
}

struct Refused {
  const char* target;
  const char* reason;
};

TEST(Target, PathsWithASecondReadingAreRefused) {
  const Refused cases[] = {
      {"/.", "path_dot_segment"},
      {"/..", "path_dot_segment"},
      {"/v1/../admin", "path_dot_segment"},
      {"/v1/./models", "path_dot_segment"},
      {"/v1/models/..", "path_dot_segment"},
      {"/v1/.../x", "path_dot_segment"},
      {"/v1/models.", "path_dot_segment"},
      {"/v1/%2e%2e/admin", "path_escape_ambiguous"},
      {"/v1/.%2E/admin", "path_escape_ambiguous"},
      {"/v1/%252e%252e/admin", "path_escape_ambiguous"},
      {"/v1/%25", "path_escape_ambiguous"},
      {"/v1/..;/admin", "path_escape_ambiguous"},
      {"/v1/..;a=b/admin", "path_escape_ambiguous"},
      {"/v1/models;a=b", "path_escape_ambiguous"},
      {"/v1/..%3b/admin", "path_escape_ambiguous"},
      {"/v1/..\\admin", "path_character_invalid"},
      {"/v1\\models", "path_character_invalid"},
      {"/v1/..%5cadmin", "path_escape_ambiguous"},
      {"/v1%2fmodels", "path_escape_ambiguous"},
      {"/v1%2Fmodels", "path_escape_ambiguous"},
      {"/v1/%6dodels", "path_escape_ambiguous"},
      {"/v1/a%7Eb", "path_escape_ambiguous"},
      {"/v1/a%3fb", "path_escape_ambiguous"},
      {"/v1/a%23b", "path_escape_ambiguous"},
      {"/v1/a%00", "path_escape_ambiguous"},
      {"/v1/a%0d%0ab", "path_escape_ambiguous"},
      {"/v1/a%7f", "path_escape_ambiguous"},
      {"/v1/%c3%a9", "path_escape_ambiguous"},
      {"/v1/%c0%ae%c0%ae/x", "path_escape_ambiguous"},
      {"/v1/%ef%bc%8e%ef%bc%8e/x", "path_escape_ambiguous"},
      {"/v1/%u002e", "path_escape_invalid"},
      {"/v1/%", "path_escape_invalid"},
      {"/v1/%2", "path_escape_invalid"},
      {"/v1/%zz", "path_escape_invalid"},
      {"/v1/%2 /x", "path_escape_invalid"},
      {"//v1/models", "path_empty_segment"},
      {"/v1//models", "path_empty_segment"},
      {"/v1/models/", "path_empty_segment"},
      {"//", "path_empty_segment"},
      {"/v1/\xc3\xa9", "path_character_invalid"},
      {"/v1/a\x01", "path_character_invalid"},
      {"/v1/<a>", "path_character_invalid"},
      {"/v1/{a}", "path_character_invalid"},
      {"/v1/a\"b", "path_character_invalid"},
      {"/v1/a^b`c|d", "path_character_invalid"},
      {"/v1/[a]", "path_character_invalid"},
  };
  for (const Refused& c : cases) EXPECT_EQ(outcome(c.target), c.reason) << c.target;
}

TEST(Target, QueriesAreVisibleAndWellEscaped) {
  const Refused cases[] = {
      {"/?a=%", "query_invalid"},        {"/?a=%4", "query_invalid"},
      {"/?a=%zz", "query_invalid"},      {"/?a=%00", "query_invalid"},
      {"/?a=%0d%0a", "query_invalid"},   {"/?a=%7f", "query_invalid"},
      {"/?a=\xc3\xa9", "query_invalid"}, {"/?a#b", "target_fragment"},
      {"/a#b", "target_fragment"},       {"/?a\tb", "query_invalid"},
  };
  for (const Refused& c : cases) EXPECT_EQ(outcome(c.target), c.reason) << c.target;
}

TEST(Target, PartsAreCheckedOnTheirOwnToo) {
  EXPECT_STREQ(check_query("a#b")->reason, "target_fragment");
  EXPECT_STREQ(check_path("v1")->reason, "target_form_invalid");
  EXPECT_FALSE(is_authority("[" + std::string(60, '1') + "]"));
}

TEST(Target, OtherForms) {
  const Refused cases[] = {
      {"", "target_form_invalid"},
      {"v1/models", "target_form_invalid"},
      {"*", "target_form_invalid"},
      {"*/x", "target_form_invalid"},
      {"a:443", "target_form_invalid"},
      {"@a/x", "target_form_invalid"},
      {".a/x", "target_form_invalid"},
      {":80/x", "target_form_invalid"},
      {"ftp://a/x", "target_form_invalid"},
      {"file:///etc/passwd", "target_form_invalid"},
      {"http:/a", "target_form_invalid"},
      {"http:a", "target_form_invalid"},
      {"?a=b", "target_form_invalid"},
      {"http://", "target_authority_invalid"},
      {"http:///x", "target_authority_invalid"},
      {"http://u@a/x", "target_authority_invalid"},
      {"http://a\\@b/x", "target_authority_invalid"},
      {"http://a:0/x", "target_authority_invalid"},
      {"http://a,b/x", "target_authority_invalid"},
      {"http://a#b", "target_fragment"},
      {"http://a/../x", "path_dot_segment"},
      {"http://a//x", "path_empty_segment"},
      {"https://a/x", "ok"},
      {"HTTP://a:8080/x?y", "ok"},
      {"http://[::1]:8080/x", "ok"},
      {"http://a", "ok"},
      {"http://a?b", "ok"},
  };
  for (const Refused& c : cases) EXPECT_EQ(outcome(c.target), c.reason) << c.target;
  EXPECT_EQ(outcome("*", "OPTIONS"), "ok");
}

TEST(Target, AbsoluteFormIsTakenApart) {
  RequestHead head;
  head.method = "GET";
  ASSERT_FALSE(parse_target("http://gate.example:8080?b=c", head));
  EXPECT_EQ(head.authority, "gate.example:8080");
  EXPECT_EQ(head.path, "/");
  EXPECT_EQ(head.query, "b=c");
}

TEST(Target, AuthoritiesCompareWithoutCaseAndDefaultPort) {
  EXPECT_TRUE(same_authority("A.b", "a.B:80"));
  EXPECT_TRUE(same_authority("a:443", "a"));
  EXPECT_FALSE(same_authority("a:8080", "a"));
  EXPECT_FALSE(same_authority("a", "b"));
}

// Every byte, plain and escaped, against the rule written out once more.
TEST(Target, EachByteOfAPathHasOneVerdict) {
  const std::string_view plain = "-_~!$&'()*+,=:@";
  const std::string_view escaped = " \"<>[]^`{|}!$&'()*+,=:@";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool letter = byte < 128 && isalnum(byte);
    const bool good = letter || (byte > 0 && plain.contains(c)) || c == '.';
    if (c != '?' && c != '/' && c != '%') {
      EXPECT_EQ(!check_path(std::string("/a") + c + "b"), good) << byte;
    }
    char escape[8];
    snprintf(escape, sizeof escape, "%%%02x", byte);
    EXPECT_EQ(!check_path(std::string("/a") + escape + "b"), byte > 0 && escaped.contains(c))
        << byte;
  }
}

}  // namespace
}  // namespace sallyport::net
