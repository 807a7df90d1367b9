// SPDX-License-Identifier: Apache-2.0
// An upstream's answer is as hostile as a request: the same grammar, and every refusal is a 502.
#include <optional>
#include <string_view>

#include "net/http1_characters.h"
#include "net/http1_fields.h"
#include "net/http1_head.h"
#include "net/http1_refusals.h"

namespace sallyport::net {

namespace {

std::optional<HeadError> parse_status_line(std::string_view line, ResponseHead& out) {
  // "HTTP/1.1 200", then nothing or a blank and a phrase nobody reads.
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ')
    return refused::kStatusLine;
  if (line[7] != '0' && line[7] != '1') return refused::kStatusLine;
  out.minor = line[7] - '0';
  if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11])) return refused::kStatusLine;
  out.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (out.status < 100 || out.status > 599) return refused::kStatusLine;
  if (line.size() > 12 && line[12] != ' ') return refused::kStatusLine;
  if (!is_field_value(line.substr(12))) return refused::kStatusLine;
  return std::nullopt;
}

std::optional<HeadError> read_fields(ResponseHead& out) {
  ConnectionOptions connection;
  for (const Header& field : out.fields()) {
    if (equal_lower(field.name, "content-length")) {
      const auto length = parse_content_length(field.value);
      if (!length) return refused::kContentLength;
      // The same length twice is one reading only, and some servers behind proxies send it.
      if (out.content_length && *out.content_length != *length) {
        return refused::kContentLengthDuplicate;
      }
      out.content_length = length;
    } else if (equal_lower(field.name, "transfer-encoding")) {
      if (out.chunked) return refused::kTransferEncodingDuplicate;
      if (!equal_lower(field.value, "chunked")) return refused::kTransferEncoding;
      out.chunked = true;
    } else if (equal_lower(field.name, "connection")) {
      add_connection_options(field.value, connection);
    }
  }
  if (!connection.valid) return refused::kConnection;
  if (out.chunked && out.content_length) return refused::kTransferEncodingWithLength;
  if (out.chunked && out.minor == 0) return refused::kTransferEncodingInHttp10;
  out.keep_alive = !connection.close && (out.minor >= 1 || connection.keep_alive);
  return std::nullopt;
}

std::optional<HeadError> parse(std::string_view head, ResponseHead& out) {
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return refused::kStatusLine;
  if (const auto error = parse_status_line(head.substr(0, line_end), out)) return error;
  const std::string_view lines = head.substr(line_end + 2);
  if (const auto error = parse_field_lines(lines, out.headers, out.header_count)) return error;
  return read_fields(out);
}

}  // namespace

std::optional<std::string_view> ResponseHead::find(std::string_view name) const {
  return find_field(fields(), name);
}

std::optional<HeadError> parse_response_head(std::string_view head, ResponseHead& out) {
  out.status = 0;
  out.minor = 1;
  out.header_count = 0;
  out.content_length.reset();
  out.chunked = false;
  out.keep_alive = true;
  std::optional<HeadError> error = parse(head, out);
  if (error) error->status = 502;
  return error;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace sallyport::net
