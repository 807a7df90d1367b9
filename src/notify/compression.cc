// SPDX-License-Identifier: Apache-2.0
#include "notify/compression.h"

#include <zlib.h>

namespace sallyport::notify {
namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, in gzip's wrapper
constexpr int kMemoryLevel = 8;       // zlib's default: 256 KiB for one body, for a moment

}  // namespace

Result<void> check_compression(const SinkConfig& config, const SinkType& type) {
  const std::string_view value = option(config, type, kCompressionOption.name);
  if (value == "gzip" || value == "none") return {};
  return fail(Code::kInvalid, "options.compression: gzip or none");
}

Result<std::string> gzip(std::string_view text) {
  z_stream z{};
  if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return fail(Code::kUnavailable, "gzip: no memory");
  }
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());  // a batch is far below 4 GiB
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int state = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  if (state != Z_STREAM_END) return fail(Code::kUnavailable, "gzip: did not end");
  return out;
}

}  // namespace sallyport::notify
