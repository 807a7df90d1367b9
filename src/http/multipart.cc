// SPDX-License-Identifier: Apache-2.0
#include "http/multipart.h"

#include <cstring>
#include <utility>

#include "base/text.h"
#include "net/http1_head.h"

namespace sallyport::http {
namespace {

bool is_bchar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::strchr("'()+_,-./:=?", c) != nullptr;
}

// Takes one `; name=value` off the front of `rest`. False at a syntax error.
bool next_parameter(std::string_view& rest, std::string_view& name, std::string& value) {
  rest = trim_ows(rest);
  if (!rest.starts_with(';')) return false;
  rest = trim_ows(rest.substr(1));
  const std::size_t equals = rest.find('=');
  if (equals == std::string_view::npos || !net::is_token(rest.substr(0, equals))) return false;
  name = rest.substr(0, equals);
  rest.remove_prefix(equals + 1);
  value.clear();
  if (!rest.starts_with('"')) {
    std::size_t end = rest.find(';');
    if (end == std::string_view::npos) end = rest.size();
    value = std::string(trim_ows(rest.substr(0, end)));
    rest.remove_prefix(end);
    return !value.empty() && value.find_first_of("\" \t") == std::string::npos;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    value.push_back(rest[i]);
  }
  return false;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view parameters) {
  std::optional<std::string> boundary;
  std::string_view rest = trim_ows(parameters);
  while (!rest.empty()) {
    std::string_view name;
    std::string value;
    if (!next_parameter(rest, name, value)) return std::nullopt;
    rest = trim_ows(rest);
    if (!equal_ascii_nocase(name, "boundary")) continue;
    if (boundary || value.empty() || value.size() > 70) return std::nullopt;
    for (const char c : value) {
      if (!is_bchar(c)) return std::nullopt;
    }
    boundary = std::move(value);
  }
  return boundary;
}

Multipart::Multipart(std::string boundary) : delimiter_("\r\n--" + std::move(boundary)) {
  matched_ = 2;  // the first delimiter stands at the very start, without its CRLF
}

bool Multipart::fail(const char* reason) {
  state_ = State::kBad;
  reason_ = reason;
  return false;
}

bool Multipart::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kBad:
        return false;
      case State::kEnd:
        return fail("multipart_trailing_bytes");
      case State::kFirst:
        if (bytes[0] != delimiter_[matched_]) return fail("multipart_preamble");
        if (++matched_ == delimiter_.size()) state_ = State::kAfterBoundary;
        bytes.remove_prefix(1);
        break;
      case State::kAfterBoundary:
        if (!byte_after_boundary(bytes[0])) return false;
        bytes.remove_prefix(1);
        break;
      case State::kHead: {
        const char c = bytes[0];
        bytes.remove_prefix(1);
        line_.push_back(c);
        if (++head_bytes_ > kPartHeadBytesMax) return fail("multipart_part_head_too_large");
        if (c != '\n') break;
        if (!line_.ends_with("\r\n")) return fail("multipart_line_end");
        line_.resize(line_.size() - 2);
        if (!(line_.empty() ? end_head() : head_line(line_))) return false;
        line_.clear();
        break;
      }
      case State::kData:
        bytes.remove_prefix(scan_data(bytes));
        break;
      case State::kEpilogue:
        line_.push_back(bytes[0]);
        bytes.remove_prefix(1);
        if (line_ == "\r\n") {
          state_ = State::kEnd;
        } else if (line_ != "\r") {
          return fail("multipart_trailing_bytes");
        }
        break;
    }
  }
  return state_ != State::kBad;
}

// "\r\n" begins a part, "--" ends the body; anything else is another boundary or transport padding,
// which two readers could read differently.
bool Multipart::byte_after_boundary(char c) {
  line_.push_back(c);
  if (line_ == "\r" || line_ == "-") return true;
  if (line_ == "--") {
    if (parts_ == 0) return fail("multipart_empty");
    state_ = State::kEpilogue;
  } else if (line_ == "\r\n") {
    if (++parts_ > kPartsMax) return fail("multipart_too_many_parts");
    state_ = State::kHead;
    head_bytes_ = 0;
    has_disposition_ = has_type_ = is_file_ = keeping_ = false;
    name_.clear();
    value_.clear();
  } else {
    return fail("multipart_boundary");
  }
  line_.clear();
  return true;
}

bool Multipart::head_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !net::is_token(line.substr(0, colon))) {
    return fail("multipart_part_header");
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim_ows(line.substr(colon + 1));
  if (!net::is_field_value(value)) return fail("multipart_part_header");
  if (equal_ascii_nocase(name, "content-type")) {
    if (std::exchange(has_type_, true)) return fail("multipart_part_header_twice");
    if (lower_ascii(value).starts_with("multipart/")) return fail("multipart_nested");
    return true;
  }
  if (equal_ascii_nocase(name, "content-transfer-encoding"))
    return fail("multipart_transfer_encoding");
  if (!equal_ascii_nocase(name, "content-disposition")) return true;

  if (std::exchange(has_disposition_, true)) return fail("multipart_part_header_twice");
  static constexpr std::string_view kForm = "form-data";
  if (!equal_ascii_nocase(value.substr(0, kForm.size()), kForm))
    return fail("multipart_disposition");
  std::string_view rest = value.substr(kForm.size());
  bool named = false;
  while (!trim_ows(rest).empty()) {
    std::string_view parameter;
    std::string text;
    if (!next_parameter(rest, parameter, text)) return fail("multipart_disposition");
    if (equal_ascii_nocase(parameter, "name")) {
      if (std::exchange(named, true)) return fail("multipart_disposition");
      name_ = std::move(text);
    } else if (equal_ascii_nocase(parameter, "filename")) {
      if (std::exchange(is_file_, true)) return fail("multipart_disposition");
    } else {
      return fail("multipart_disposition");  // filename* too: readers disagree about it
    }
  }
  return named ? true : fail("multipart_disposition");
}

bool Multipart::end_head() {
  if (!has_disposition_) return fail("multipart_disposition");
  keeping_ = !is_file_;
  // A field that decides something may stand once: first-wins and last-wins readers must agree.
  if (keeping_ && !name_.ends_with("[]") && fields_.contains(name_)) {
    return fail("multipart_field_twice");
  }
  state_ = State::kData;
  matched_ = 0;
  line_.clear();
  return true;
}

void Multipart::keep(std::string_view data) {
  if (!keeping_) return;
  if (value_.size() + data.size() > kFieldBytesMax) {
    keeping_ = false;
    value_.clear();
    return;
  }
  value_.append(data);
}

void Multipart::end_part() {
  if (keeping_) fields_[name_] = std::move(value_);
  // Too long to remember, yet it was there: a second one must be refused as well.
  if (!keeping_ && !is_file_) fields_.try_emplace(name_);
  value_.clear();
}

// Passes over data up to the next delimiter; returns how many bytes it used. The delimiter begins
// with CR, which occurs in it once, so a failed match restarts at most at the byte that failed.
std::size_t Multipart::scan_data(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    if (matched_ == 0) {
      const void* const cr = std::memchr(bytes.data() + i, '\r', bytes.size() - i);
      const std::size_t next =
          cr == nullptr ? bytes.size()
                        : static_cast<std::size_t>(static_cast<const char*>(cr) - bytes.data());
      keep(bytes.substr(i, next - i));
      i = next;
      if (i == bytes.size()) break;
    }
    if (bytes[i] == delimiter_[matched_]) {
      ++i;
      if (++matched_ < delimiter_.size()) continue;
      end_part();
      matched_ = 0;
      state_ = State::kAfterBoundary;
      line_.clear();
      return i;
    }
    if (matched_ > 0) {
      keep(std::string_view(delimiter_).substr(0, matched_));
      matched_ = 0;
      continue;
    }
    keep(bytes.substr(i, 1));
    ++i;
  }
  return i;
}

}  // namespace sallyport::http
