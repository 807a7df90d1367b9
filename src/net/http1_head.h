// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 message heads (RFC 9112), parsed strictly: what two readers could read differently is
// refused, never repaired. Views point into the caller's bytes. Each byte is looked at once however
// the bytes arrive, so a head of one byte a segment costs linear time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::net {

inline constexpr std::size_t kHeadersMax =
    100;  // RFC 9110 leaves it open; more is an attack or a bug
inline constexpr std::size_t kTargetBytesMax = 8192;

struct Header {
  std::string_view name;   // as sent; compare without case
  std::string_view value;  // without surrounding SP and HTAB
};

// Why a message is refused: the status for the client and a stable reason for the record.
struct HeadError {
  int status = 400;
  const char* reason = "bad_request";
};

struct RequestHead {
  std::string_view method;
  std::string_view path;   // begins with '/', normal form only; "*" for OPTIONS *
  std::string_view query;  // without '?'; empty if none
  bool has_query = false;
  int minor = 1;               // HTTP/1.minor
  std::string_view authority;  // of an absolute-form target; else empty
  std::array<Header, kHeadersMax> headers;
  std::size_t header_count = 0;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;  // what the client wants
  bool expect_continue = false;
  std::string_view host;
  std::span<const Header> fields() const { return {headers.data(), header_count}; }
  std::optional<std::string_view> find(std::string_view name) const;  // first of that name
};

struct ResponseHead {
  int status = 0;
  int minor = 1;
  std::array<Header, kHeadersMax> headers;
  std::size_t header_count = 0;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  std::span<const Header> fields() const { return {headers.data(), header_count}; }
  std::optional<std::string_view> find(std::string_view name) const;
};

// Finds the end of a head in bytes that arrive in pieces and refuses bad line ends and control
// characters as soon as they are seen.
class HeadScanner {
 public:
  explicit HeadScanner(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  enum class State { kMore, kDone, kBad };
  // `bytes` is everything received so far, beginning at the head's first byte (one leading CRLF is
  // allowed and skipped: see start()).
  State scan(std::string_view bytes);
  std::size_t start() const { return start_; }  // where the start line begins (0 or 2)
  std::size_t size() const { return at_; }      // kDone: bytes up to and with the empty line
  HeadError error() const { return error_; }
  void reset() { *this = HeadScanner(bytes_max_); }

 private:
  HeadError too_long(std::string_view bytes, bool start_line) const;

  std::size_t bytes_max_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  std::size_t line_start_ = 0;
  bool pending_cr_ = false;
  HeadError error_;
};

// `head` is what the scanner delimited, from start() to size(). Nothing on success.
std::optional<HeadError> parse_request_head(std::string_view head, RequestHead& out);
// An upstream's answer to a request with `method`: decides whether a body follows.
std::optional<HeadError> parse_response_head(std::string_view head, ResponseHead& out);

// The RFC 9112 chunked coding. Extensions are checked (at most 256 bytes a chunk, 4 KiB a body) and
// dropped; trailers are checked and dropped (at most 8 KiB). A chunk of 4 GiB or more is refused.
class ChunkedDecoder {
 public:
  struct Step {
    enum { kMore, kDone, kBad } state = kMore;
    std::size_t consumed = 0;  // bytes of the input that are used up
    std::string_view data;     // decoded bytes, a part of the input; may be empty
  };
  // Consumes up to and including one run of data. Call again with the rest while consumed > 0 and
  // kMore.
  Step step(std::string_view input);
  // Bytes of the current chunk that are announced and not yet here: a body that would grow over its
  // limit can be refused before it is sent.
  std::uint64_t pending_bytes() const { return left_; }

 private:
  bool size_line(char c);
  bool trailer(char c);

  int state_ = 0;
  std::uint64_t left_ = 0;  // data bytes of this chunk that are still to come
  std::size_t digits_ = 0;  // of the size, or characters of the extension's part
  std::size_t extension_bytes_ = 0;
  std::size_t extension_total_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t name_size_ = 0;
  std::array<char, 32> name_{};  // the trailer's name, as far as a forbidden one could go
};

// What a chunk needs around `size` bytes of data: "1a2b\r\n" into `out` (at most 18 bytes); the
// data is followed by "\r\n". The last chunk is kLastChunk.
std::string_view chunk_prefix(std::size_t size, std::array<char, 20>& out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// True for tchar (RFC 9110 5.6.2) sequences; field values: visible ASCII, SP, HTAB, obs-text.
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);

std::string_view reason_phrase(int status);

}  // namespace sallyport::net
