// SPDX-License-Identifier: Apache-2.0
// Checks a multipart/form-data body (RFC 7578, RFC 2046) as it arrives and remembers the small text
// fields that policy needs. Strict: no preamble, no epilogue but one line end, no nested multipart,
// no folded part headers, no field of interest twice. The bytes themselves go to the spool
// unchanged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::http {

// The boundary of a Content-Type value's parameters: 1 to 70 bchars. Nothing if there is none, or
// more than one, or it is malformed.
std::optional<std::string> multipart_boundary(std::string_view parameters);

class Multipart {
 public:
  static constexpr std::size_t kPartsMax = 200;
  static constexpr std::size_t kPartHeadBytesMax = 8 * 1024;
  static constexpr std::size_t kFieldBytesMax = 4 * 1024;  // of a remembered field

  explicit Multipart(std::string boundary);

  // False when the body is malformed; reason() says how. Linear in the bytes at any segmentation.
  bool feed(std::string_view bytes);
  // True when the last boundary was seen and nothing followed.
  bool complete() const { return state_ == State::kEpilogue || state_ == State::kEnd; }
  const char* reason() const { return reason_; }

  // Values of text fields (parts without a filename) by name, those up to kFieldBytesMax.
  const std::map<std::string, std::string>& fields() const { return fields_; }
  std::size_t parts() const { return parts_; }

 private:
  enum class State { kFirst, kAfterBoundary, kHead, kData, kEpilogue, kEnd, kBad };
  bool fail(const char* reason);
  bool byte_after_boundary(char c);
  bool head_line(std::string_view line);
  bool end_head();
  void keep(std::string_view data);
  void end_part();
  std::size_t scan_data(std::string_view bytes);

  std::string delimiter_;  // CRLF "--" boundary
  State state_ = State::kFirst;
  const char* reason_ = "";
  std::string line_;         // of the part head, or what follows a boundary
  std::size_t matched_ = 0;  // of delimiter_
  std::size_t head_bytes_ = 0;
  std::size_t parts_ = 0;
  bool has_disposition_ = false;
  bool has_type_ = false;
  bool is_file_ = false;
  bool keeping_ = false;
  std::string name_;
  std::string value_;
  std::map<std::string, std::string> fields_;
};

}  // namespace sallyport::http
