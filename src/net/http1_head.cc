// SPDX-License-Identifier: Apache-2.0
// Two passes over a head: the scanner finds its end and refuses what no grammar allows while bytes
// are still coming; the parser then reads complete lines and needs no state. The parser trusts
// nothing the scanner promised: given other bytes it refuses them.
#include "net/http1_head.h"

#include <algorithm>

#include "net/http1_characters.h"
#include "net/http1_fields.h"
#include "net/http1_refusals.h"
#include "net/http1_target.h"

namespace sallyport::net {

namespace {

constexpr std::size_t kStartLineBytesMax = kTargetBytesMax + 64;
constexpr std::size_t kMethodBytesMax = 32;
constexpr std::string_view kMethods[] = {"GET",   "POST",   "HEAD",   "PUT",
                                         "PATCH", "DELETE", "OPTIONS"};

// A request line ends with a version and a status line begins with one. Checked when the line ends,
// so that a PROXY line or HTTP/0.9 is refused although its sender sends nothing more.
bool has_version(std::string_view line) {
  const std::size_t blank = line.rfind(' ');
  if (blank == std::string_view::npos) return false;
  return equal_lower(line.substr(blank + 1).substr(0, 5), "http/") ||
         equal_lower(line.substr(0, 5), "http/");
}

std::optional<HeadError> parse_version(std::string_view text, int& minor) {
  if (text == "HTTP/1.1" || text == "HTTP/1.0") {
    minor = text[7] - '0';
    return std::nullopt;
  }
  const bool well_formed = text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) &&
                           text[6] == '.' && is_digit(text[7]);
  return well_formed ? refused::kVersion : refused::kVersionSyntax;
}

std::optional<HeadError> parse_request_line(std::string_view line, RequestHead& out) {
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return refused::kRequestLine;
  const std::size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return refused::kRequestLine;
  out.method = line.substr(0, first);
  if (!is_token(out.method) || out.method.size() > kMethodBytesMax) return refused::kMethodSyntax;
  if (const auto error = parse_version(line.substr(second + 1), out.minor)) return error;
  if (std::ranges::find(kMethods, out.method) == std::end(kMethods)) return refused::kMethod;
  return parse_target(line.substr(first + 1, second - first - 1), out);
}

// Fields that may stand once only, by their place in the array of a head's findings.
enum Singleton : std::size_t {
  kHostField,
  kContentLengthField,
  kTransferEncodingField,
  kExpectField,
  kAuthorizationField,
  kContentTypeField,
  kContentEncodingField,
  kSingletonCount,
};
struct SingletonRule {
  std::string_view name;
  HeadError twice;
};
constexpr SingletonRule kSingletons[kSingletonCount] = {
    {"host", refused::kHostDuplicate},
    {"content-length", refused::kContentLengthDuplicate},
    {"transfer-encoding", refused::kTransferEncodingDuplicate},
    {"expect", refused::kFieldDuplicate},
    {"authorization", refused::kFieldDuplicate},
    {"content-type", refused::kFieldDuplicate},
    {"content-encoding", refused::kFieldDuplicate},
};

// Bit n: a singleton's name has n bytes. Most names of a request are left here.
constexpr std::uint32_t singleton_sizes() {
  std::uint32_t sizes = 0;
  for (const SingletonRule& rule : kSingletons) sizes |= 1u << rule.name.size();
  return sizes;
}
constexpr std::uint32_t kSingletonSizes = singleton_sizes();

struct Findings {
  std::array<const Header*, kSingletonCount> single{};
  ConnectionOptions connection;
};

std::optional<HeadError> collect(std::span<const Header> fields, Findings& found) {
  for (const Header& field : fields) {
    if (equal_lower(field.name, "connection")) {
      add_connection_options(field.value, found.connection);
      continue;
    }
    if (field.name.size() >= 32 || (kSingletonSizes >> field.name.size() & 1) == 0) continue;
    for (std::size_t i = 0; i < kSingletonCount; ++i) {
      if (!equal_lower(field.name, kSingletons[i].name)) continue;
      if (found.single[i] != nullptr) return kSingletons[i].twice;
      found.single[i] = &field;
    }
  }
  if (!found.connection.valid) return refused::kConnection;
  return std::nullopt;
}

std::optional<HeadError> read_framing(const Findings& found, RequestHead& out) {
  const Header* length = found.single[kContentLengthField];
  const Header* coding = found.single[kTransferEncodingField];
  if (coding != nullptr) {
    // RFC 9112 6.3 lets Transfer-Encoding win; the sender of both is broken or an attacker.
    if (length != nullptr) return refused::kTransferEncodingWithLength;
    if (out.minor == 0) return refused::kTransferEncodingInHttp10;
    if (!equal_lower(coding->value, "chunked")) return refused::kTransferEncoding;
    out.chunked = true;
  }
  if (length != nullptr) {
    out.content_length = parse_content_length(length->value);
    if (!out.content_length) return refused::kContentLength;
  }
  return std::nullopt;
}

std::optional<HeadError> read_host(const Findings& found, RequestHead& out) {
  const Header* host = found.single[kHostField];
  if (host == nullptr) {
    if (out.minor >= 1) return refused::kHostMissing;
    return std::nullopt;
  }
  if (!is_authority(host->value)) return refused::kHost;
  // RFC 9112 3.2.2: the field repeats the target's authority. Two different hosts are two readings.
  if (!out.authority.empty() && !same_authority(host->value, out.authority)) {
    return refused::kTargetHostDiffers;
  }
  out.host = host->value;
  return std::nullopt;
}

std::optional<HeadError> read_expect(const Findings& found, RequestHead& out) {
  const Header* expect = found.single[kExpectField];
  if (expect == nullptr) return std::nullopt;
  if (!equal_lower(expect->value, "100-continue")) return refused::kExpect;
  // RFC 9110 10.1.1: not in a request without content.
  const bool has_content = out.chunked || out.content_length.has_value();
  if (!has_content || out.method == "GET" || out.method == "HEAD") return refused::kExpect;
  out.expect_continue = out.minor >= 1;  // HTTP/1.0 senders do not wait
  return std::nullopt;
}

void clear(RequestHead& head) {
  head.method = head.path = head.query = head.authority = head.host = {};
  head.has_query = head.chunked = head.expect_continue = false;
  head.minor = 1;
  head.header_count = 0;
  head.content_length.reset();
  head.keep_alive = true;
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  const auto bad = [this](HeadError why) {
    error_ = why;
    return State::kBad;
  };
  for (;;) {
    const bool start_line = line_start_ == start_;
    // The limit is a place in the bytes, so the result does not depend on how they arrive.
    const std::size_t limit =
        start_line ? std::min(bytes_max_, start_ + kStartLineBytesMax + 2) : bytes_max_;
    if (at_ >= limit) return bad(too_long(bytes, start_line));
    if (at_ == bytes.size()) return State::kMore;

    if (pending_cr_) {
      pending_cr_ = false;
      if (bytes[at_] != '\n') return bad(refused::kBareCr);
      const std::size_t line_end = at_++ - 1;
      if (line_end == line_start_) {
        if (!start_line) return State::kDone;
        if (start_ > 0) return bad(refused::kBlankLines);
        start_ = line_start_ = at_;  // the one leading CRLF
        continue;
      }
      if (start_line && !has_version(bytes.substr(start_, line_end - start_))) {
        return bad(refused::kRequestLine);
      }
      line_start_ = at_;
      continue;
    }

    if (at_ == start_ && bytes[at_] != '\r' && !is_token_char(bytes[at_])) {
      return bad(bytes[at_] == '\n' ? refused::kBareLf : refused::kNotHttp);
    }
    const std::size_t end = std::min(limit, bytes.size());
    at_ += find_control(bytes.substr(at_, end - at_));
    if (at_ == end) continue;
    const char c = bytes[at_];
    if (c == '\n') return bad(refused::kBareLf);
    if (c != '\r') return bad(refused::kControlCharacter);
    pending_cr_ = true;
    ++at_;
  }
}

// Over a limit inside `bytes`: which one, and was it a request at all?
HeadError HeadScanner::too_long(std::string_view bytes, bool start_line) const {
  if (!start_line) return refused::kHeadTooLarge;
  const std::size_t method_end = bytes.substr(start_, kMethodBytesMax + 1).find(' ');
  return method_end == std::string_view::npos ? refused::kNotHttp : refused::kTargetTooLong;
}

std::optional<std::string_view> RequestHead::find(std::string_view name) const {
  return find_field(fields(), name);
}

std::optional<HeadError> parse_request_head(std::string_view head, RequestHead& out) {
  clear(out);
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return refused::kRequestLine;
  if (const auto error = parse_request_line(head.substr(0, line_end), out)) return error;
  const std::string_view lines = head.substr(line_end + 2);
  if (const auto error = parse_field_lines(lines, out.headers, out.header_count)) return error;

  Findings found;
  if (const auto error = collect(out.fields(), found)) return error;
  if (const auto error = read_framing(found, out)) return error;
  if (const auto error = read_host(found, out)) return error;
  if (const auto error = read_expect(found, out)) return error;
  const ConnectionOptions& connection = found.connection;
  out.keep_alive = !connection.close && (out.minor >= 1 || connection.keep_alive);
  return std::nullopt;
}

}  // namespace sallyport::net
