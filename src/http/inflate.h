// SPDX-License-Identifier: Apache-2.0
// Decodes a gzip body (RFC 1952) in pieces, within bounds: exactly one member, nothing behind it,
// and no more output than a bomb-proof ratio allows.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport::http {

class Inflate {
 public:
  // Output above bytes_max, or above kRatioMax times the input once it passes kRatioFreeBytes, is
  // kExhausted; anything that is not one clean gzip member is kInvalid.
  static constexpr std::size_t kRatioMax = 100;
  static constexpr std::size_t kRatioFreeBytes = 1 << 20;

  explicit Inflate(std::size_t bytes_max);
  ~Inflate();
  Inflate(const Inflate&) = delete;

  Result<void> feed(std::string_view compressed, std::string& out);  // appends
  Result<void> finish();  // kInvalid when the member has not ended

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::size_t bytes_max_;
};

}  // namespace sallyport::http
