// SPDX-License-Identifier: Apache-2.0
#include "http/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace sallyport::http {

struct Inflate::Stream {
  z_stream z{};
  bool ready = false;
  bool ended = false;
  std::size_t in = 0;
  std::size_t out = 0;
  Stream() { ready = inflateInit2(&z, 15 + 16) == Z_OK; }  // gzip wrapper only
  ~Stream() { inflateEnd(&z); }
};

Inflate::Inflate(std::size_t bytes_max)
    : stream_(std::make_unique<Stream>()), bytes_max_(bytes_max) {}
Inflate::~Inflate() = default;

Result<void> Inflate::feed(std::string_view compressed, std::string& out) {
  Stream& s = *stream_;
  if (!s.ready) return fail(Code::kUnavailable, "inflate: no memory");
  s.in += compressed.size();
  s.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  s.z.avail_in = static_cast<uInt>(compressed.size());
  std::array<char, 16 * 1024> piece;
  while (s.z.avail_in > 0) {
    if (s.ended) return fail(Code::kInvalid, "inflate: bytes behind the gzip member");
    s.z.next_out = reinterpret_cast<Bytef*>(piece.data());
    s.z.avail_out = static_cast<uInt>(piece.size());
    const int state = inflate(&s.z, Z_NO_FLUSH);
    const std::size_t got = piece.size() - s.z.avail_out;
    s.out += got;
    if (s.out > bytes_max_ || (s.out > kRatioFreeBytes && s.out / kRatioMax > s.in)) {
      return fail(Code::kExhausted, "inflate: the body grows beyond its bounds");
    }
    out.append(piece.data(), got);
    if (state == Z_STREAM_END) {
      s.ended = true;
    } else if (state != Z_OK && state != Z_BUF_ERROR) {
      return fail(Code::kInvalid, "inflate: not a gzip body");
    }
    if (state == Z_BUF_ERROR && got == 0) break;
  }
  // Output that did not fit into the last piece is still inside.
  while (!s.ended) {
    s.z.next_out = reinterpret_cast<Bytef*>(piece.data());
    s.z.avail_out = static_cast<uInt>(piece.size());
    const int state = inflate(&s.z, Z_NO_FLUSH);
    const std::size_t got = piece.size() - s.z.avail_out;
    if (got == 0 && state != Z_STREAM_END) break;
    s.out += got;
    if (s.out > bytes_max_ || (s.out > kRatioFreeBytes && s.out / kRatioMax > s.in)) {
      return fail(Code::kExhausted, "inflate: the body grows beyond its bounds");
    }
    out.append(piece.data(), got);
    s.ended = state == Z_STREAM_END;
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
      return fail(Code::kInvalid, "inflate: not a gzip body");
    }
  }
  return {};
}

Result<void> Inflate::finish() {
  if (!stream_->ended) return fail(Code::kInvalid, "inflate: the gzip member is cut off");
  return {};
}

}  // namespace sallyport::http
