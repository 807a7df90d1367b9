// SPDX-License-Identifier: Apache-2.0
// An event stream at once, byte by byte and cut once must give the same events; all that was given
// out and what is unfinished are the stream, byte for byte. The first byte chooses limit and cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/sse.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct Seen {
  std::string raw;
  std::string type;
  std::string data;
  bool partial = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};

struct Read {
  std::vector<Seen> events;
  std::string raw;
  friend bool operator==(const Read&, const Read&) = default;
};

Read read(std::string_view stream, std::size_t limit, std::size_t first, std::size_t piece) {
  sallyport::net::SseSplitter splitter(limit);
  Read out;
  bool fresh = true;
  for (std::size_t at = 0, take = first; at < stream.size(); at += take, take = piece) {
    splitter.feed(stream.substr(at, take));
    sallyport::net::SseEvent event;
    while (splitter.next(event)) {
      require(!event.raw.empty());
      out.raw += event.raw;
      if (fresh) out.events.emplace_back();
      out.events.back().raw += event.raw;
      out.events.back().type = event.type;
      out.events.back().data += event.data;
      out.events.back().partial = event.partial;
      fresh = event.last;
    }
    require(splitter.unfinished().size() <= std::max<std::size_t>(limit + 1, 8));
  }
  // A piece of an event that never ended depends on the cut; what follows it is not compared.
  if (!fresh) out.events.pop_back();
  require(stream.starts_with(out.raw));
  out.raw.clear();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t limit = data[0] % 2 == 0 ? 1 << 20 : 1 + data[0] / 2;
  const Read whole = read(stream, limit, size, size);
  require(read(stream, limit, 1, 1) == whole);
  require(read(stream, limit, 1 + data[0] % size, size) == whole);
  return 0;
}
