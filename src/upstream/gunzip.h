// SPDX-License-Identifier: Apache-2.0
// Decodes an answer that came gzipped although identity was asked for (RFC 1952): one member,
// nothing behind it, in pieces of 16 KiB, and no more output than a ratio allows that real text
// does not reach.
#pragma once

#include <memory>

#include "net/body.h"

namespace sallyport::upstream {

class GunzipBody final : public net::BodySource {
 public:
  static constexpr std::uint64_t kRatioMax = 100;
  static constexpr std::uint64_t kFreeBytes = 1 << 20;  // below it the ratio is not looked at

  explicit GunzipBody(std::unique_ptr<net::BodySource> encoded);
  ~GunzipBody() override;
  // kCorrupt if the bytes are not one clean member or grow beyond the ratio.
  Task<Result<std::string_view>> pull() override;

 private:
  struct State;
  Result<std::string_view> inflate();
  std::unique_ptr<net::BodySource> encoded_;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::upstream
