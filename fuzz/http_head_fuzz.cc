// SPDX-License-Identifier: Apache-2.0
// Request and response heads: the bytes whole, byte by byte and cut once must give the same result,
// and what is accepted must hold what the header file promises.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/http1_head.h"

namespace {

using sallyport::net::HeadError;
using sallyport::net::HeadScanner;
using sallyport::net::RequestHead;
using sallyport::net::ResponseHead;

constexpr std::size_t kHeadBytesMax = 16 * 1024;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Scanned {
  HeadScanner::State state = HeadScanner::State::kMore;
  std::size_t start = 0, size = 0;
  std::string reason;
  friend bool operator==(const Scanned&, const Scanned&) = default;
};

Scanned scan(std::string_view bytes, std::size_t first, std::size_t piece) {
  HeadScanner scanner(kHeadBytesMax);
  Scanned out;
  for (std::size_t end = std::min(first, bytes.size());;
       end = std::min(end + piece, bytes.size())) {
    out.state = scanner.scan(bytes.substr(0, end));
    if (out.state != HeadScanner::State::kMore || end == bytes.size()) break;
  }
  out.start = scanner.start();
  if (out.state == HeadScanner::State::kDone) out.size = scanner.size();
  if (out.state == HeadScanner::State::kBad) out.reason = scanner.error().reason;
  return out;
}

void check_request(std::string_view text) {
  RequestHead head;
  const auto error = sallyport::net::parse_request_head(text, head);
  if (error) {
    require(error->status >= 400 && error->status < 600 && *error->reason != '\0');
    return;
  }
  require(head.path.starts_with('/') || (head.path == "*" && head.method == "OPTIONS"));
  require(head.path.find_first_of("\\;?# ") == std::string_view::npos);
  for (const char* second_reading : {"//", "/./", "/../", "%2f", "%2e", "%25", "%00"}) {
    require(head.path.find(second_reading) == std::string_view::npos);
  }
  require(head.query.find_first_of("# ") == std::string_view::npos);
  require(!(head.chunked && head.content_length));
  require(!head.chunked || head.minor == 1);
  require(head.minor == 0 || !head.host.empty());
  for (const auto& field : head.fields()) {
    require(sallyport::net::is_token(field.name) && sallyport::net::is_field_value(field.value));
  }
}

void check_response(std::string_view text) {
  ResponseHead head;
  const auto error = sallyport::net::parse_response_head(text, head);
  if (error) {
    require(error->status == 502);
    return;
  }
  require(head.status >= 100 && head.status <= 599);
  require(!(head.chunked && head.content_length));
  for (const auto& field : head.fields()) {
    require(sallyport::net::is_token(field.name) && sallyport::net::is_field_value(field.value));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Scanned whole = scan(bytes, size, 1);
  require(scan(bytes, 1, 1) == whole);
  if (size > 0) require(scan(bytes, data[size - 1] % size, size) == whole);
  if (whole.state == HeadScanner::State::kDone) {
    const std::string_view text = bytes.substr(whole.start, whole.size - whole.start);
    require(text.ends_with("\r\n\r\n"));
    check_request(text);
    check_response(text);
  }
  // The parsers trust nothing the scanner promised.
  check_request(bytes);
  check_response(bytes);
  return 0;
}
