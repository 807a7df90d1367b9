// SPDX-License-Identifier: Apache-2.0
#include "http/multipart.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

const std::string kPart =
    "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n";
const std::string kFile =
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n"
    "Content-Type: text/plain\r\n\r\nline\r\n--a\r\n--\r\nmore\r\n";

struct Case {
  const char* why;
  std::string body;
  const char* reason;  // "": well formed
};

const Case kCases[] = {
    {"one field", kPart + "--b--\r\n", ""},
    {"the last line end may be missing", kPart + "--b--", ""},
    {"a file with look-alike delimiters", kFile + kPart + "--b--\r\n", ""},
    {"an empty value", "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--b--", ""},
    {"cut off", kPart, "cut"},
    {"cut off inside the delimiter", kPart + "--b-", "cut"},
    {"no part at all", "--b--\r\n", "multipart_empty"},
    {"a preamble", "hello\r\n" + kPart + "--b--", "multipart_preamble"},
    {"an epilogue", kPart + "--b--\r\nx", "multipart_trailing_bytes"},
    {"a second document behind the end", kPart + "--b--\r\n" + kPart + "--b--",
     "multipart_trailing_bytes"},
    {"another boundary with the same start", "--bb\r\n", "multipart_boundary"},
    {"transport padding", "--b \r\n", "multipart_boundary"},
    {"bare LF", "--b\nContent-Disposition: form-data; name=x\n\n1\n--b--", "multipart_boundary"},
    {"bare LF in the part head", "--b\r\nContent-Disposition: form-data; name=x\n\r\n1\r\n--b--",
     "multipart_line_end"},
    {"no disposition", "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--",
     "multipart_disposition"},
    {"not form-data", "--b\r\nContent-Disposition: attachment; name=x\r\n\r\nx\r\n--b--",
     "multipart_disposition"},
    {"no name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "multipart_disposition"},
    {"two names", "--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--b--",
     "multipart_disposition"},
    {"filename*",
     "--b\r\nContent-Disposition: form-data; name=a; filename*=UTF-8''x\r\n\r\nx\r\n--b--",
     "multipart_disposition"},
    {"nested multipart",
     "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; "
     "boundary=c\r\n\r\nx\r\n--b--",
     "multipart_nested"},
    {"transfer encoding",
     "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\nx\r\n--b--",
     "multipart_transfer_encoding"},
    {"folded part header", "--b\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nx\r\n--b--",
     "multipart_disposition"},
    {"the same field twice", kPart + kPart + "--b--", "multipart_field_twice"},
    {"an array field twice",
     "--b\r\nContent-Disposition: form-data; "
     "name=\"image[]\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; "
     "name=\"image[]\"\r\n\r\n2\r\n--b--",
     ""},
    {"a part head without end", "--b\r\n" + std::string(9000, 'x'),
     "multipart_part_head_too_large"},
};

std::string outcome(const std::string& body, std::size_t step) {
  Multipart form("b");
  for (std::size_t at = 0; at < body.size(); at += step) {
    if (!form.feed(std::string_view(body).substr(at, step))) return form.reason();
  }
  return form.complete() ? "" : "cut";
}

TEST(Multipart, ReadsAsTheTableSaysAtAnySegmentation) {
  for (const Case& c : kCases) {
    for (const std::size_t step :
         {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100'000}}) {
      EXPECT_EQ(outcome(c.body, step), c.reason) << c.why << ", " << step << " bytes at a time";
    }
  }
}

TEST(Multipart, RemembersTextFieldsAndNotFiles) {
  Multipart form("b");
  ASSERT_TRUE(form.feed(kFile + kPart + "--b--\r\n"));
  EXPECT_EQ(form.fields().at("model"), "whisper-1");
  EXPECT_FALSE(form.fields().contains("file"));
  EXPECT_EQ(form.parts(), 2u);
}

struct Boundary {
  const char* parameters;
  const char* boundary;  // null: refused
};

const Boundary kBoundaries[] = {
    {"; boundary=abc", "abc"},
    {";boundary=\"a b\"", nullptr},
    {"; boundary=\"a:b\"", "a:b"},
    {"; BOUNDARY=abc", "abc"},
    {"; charset=utf-8; boundary=abc", "abc"},
    {"", nullptr},
    {"; boundary=", nullptr},
    {"; boundary=a; boundary=b", nullptr},
    {"; boundary=a b", nullptr},
    {"; boundary=\"abc", nullptr},
    {"; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x", nullptr},
};

TEST(Multipart, BoundariesAsTheTableSays) {
  for (const Boundary& b : kBoundaries) {
    const auto boundary = multipart_boundary(b.parameters);
    EXPECT_EQ(boundary.value_or("(none)"), b.boundary == nullptr ? "(none)" : b.boundary)
        << b.parameters;
  }
}

}  // namespace
}  // namespace sallyport::http
