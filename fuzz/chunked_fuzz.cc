// SPDX-License-Identifier: Apache-2.0
// The chunked decoder: whole, byte by byte and cut once must agree; and a body that is encoded from
// the input must come back.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/http1_head.h"

namespace {

using sallyport::net::ChunkedDecoder;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Decoded {
  int state = ChunkedDecoder::Step::kMore;
  std::size_t used = 0;
  std::string body;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode(std::string_view bytes, std::size_t first, std::size_t piece) {
  ChunkedDecoder decoder;
  Decoded out;
  for (std::size_t end = std::min(first, bytes.size());;
       end = std::min(end + piece, bytes.size())) {
    while (out.used < end && out.state == ChunkedDecoder::Step::kMore) {
      const auto step = decoder.step(bytes.substr(out.used, end - out.used));
      require(step.consumed > 0 && step.consumed <= end - out.used);
      out.used += step.consumed;
      out.body += step.data;
      out.state = step.state;
    }
    if (out.state != ChunkedDecoder::Step::kMore || end == bytes.size()) return out;
  }
}

std::string encode(std::string_view body, std::size_t piece) {
  std::array<char, 20> room;
  std::string out;
  while (!body.empty()) {
    const std::string_view data = body.substr(0, piece);
    out += sallyport::net::chunk_prefix(data.size(), room);
    out += data;
    out += "\r\n";
    body.remove_prefix(data.size());
  }
  return out + std::string(sallyport::net::kLastChunk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Decoded whole = decode(bytes, size, 1);
  require(decode(bytes, 1, 1) == whole);
  const std::size_t cut = size > 0 ? data[size - 1] : 1;
  require(decode(bytes, cut, std::max<std::size_t>(size, 1)) == whole);

  const std::string message = encode(bytes, cut + 1);
  const Decoded back = decode(message, cut + 1, 3);
  require(back.state == ChunkedDecoder::Step::kDone && back.used == message.size());
  require(back.body == bytes);
  return 0;
}
