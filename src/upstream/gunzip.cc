// SPDX-License-Identifier: Apache-2.0
#include "upstream/gunzip.h"

#include <zlib.h>

#include <array>
#include <utility>

namespace sallyport::upstream {

struct GunzipBody::State {
  z_stream z{};
  bool ready = false;
  bool ended = false;
  bool more_inside = false;  // the last piece was full: zlib may hold more
  std::array<char, 16 * 1024> piece;

  State() { ready = inflateInit2(&z, 15 + 16) == Z_OK; }  // the gzip wrapper and nothing else
  ~State() {
    if (ready) inflateEnd(&z);
  }
};

GunzipBody::GunzipBody(std::unique_ptr<net::BodySource> encoded)
    : encoded_(std::move(encoded)), state_(std::make_unique<State>()) {}

GunzipBody::~GunzipBody() = default;

// Decodes into the piece; empty if more input is needed.
Result<std::string_view> GunzipBody::inflate() {
  State& s = *state_;
  if (s.z.avail_in > 0 && s.ended) return fail(Code::kCorrupt, "gzip: bytes behind the member");
  if (s.z.avail_in == 0 && !s.more_inside) return std::string_view();
  s.z.next_out = reinterpret_cast<Bytef*>(s.piece.data());
  s.z.avail_out = static_cast<uInt>(s.piece.size());
  const int state = ::inflate(&s.z, Z_NO_FLUSH);
  if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
    return fail(Code::kCorrupt, "gzip: malformed");
  }
  s.ended = state == Z_STREAM_END;
  s.more_inside = s.z.avail_out == 0 && !s.ended;
  if (s.z.total_out > kFreeBytes && s.z.total_out / kRatioMax > s.z.total_in) {
    return fail(Code::kCorrupt, "gzip: grows beyond its bounds");
  }
  const std::size_t size = s.piece.size() - s.z.avail_out;
  if (size == 0 && !s.ended) s.more_inside = false;
  return std::string_view(s.piece.data(), size);
}

Task<Result<std::string_view>> GunzipBody::pull() {
  State& s = *state_;
  if (!s.ready) co_return fail(Code::kUnavailable, "gzip: no memory");
  for (;;) {
    while (s.z.avail_in > 0 || s.more_inside) {
      Result<std::string_view> piece = inflate();
      if (!piece || !piece->empty()) co_return piece;
    }
    Result<std::string_view> encoded = co_await encoded_->pull();
    if (!encoded) co_return encoded;
    if (encoded->empty()) {
      if (!s.ended) co_return fail(Code::kCorrupt, "gzip: cut off");
      co_return std::string_view();
    }
    s.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(encoded->data()));
    s.z.avail_in = static_cast<uInt>(encoded->size());
  }
}

}  // namespace sallyport::upstream
