// SPDX-License-Identifier: Apache-2.0
// Answers tests/tokens/compare.mjs: reads texts, writes how each is encoded.
//   in:  u8 encoding (0 o200k, 1 cl100k), u8 special tokens allowed, u32 size, the text
//   out: u32 count as counted, u32 number of ids, the ids as u32
// Little-endian, until the input ends.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "meter/tokenizer.h"

namespace {

template <class T>
bool read(T* to, std::size_t count) {
  return std::fread(to, sizeof(T), count, stdin) == count;
}

void write(const std::vector<std::uint32_t>& values) {
  std::fwrite(values.data(), sizeof(std::uint32_t), values.size(), stdout);
}

}  // namespace

int main() {
  using sallyport::meter::Encoding;
  std::uint8_t head[2];
  std::uint32_t size = 0;
  std::string text;
  while (read(head, 2) && read(&size, 1)) {
    text.resize(size);
    if (!read(text.data(), size)) return 1;
    const auto encoding = head[0] == 0 ? Encoding::kO200k : Encoding::kCl100k;
    const auto& tokenizer = sallyport::meter::Tokenizer::of(encoding);
    const auto ids = tokenizer.encode(text, head[1] != 0);
    write({static_cast<std::uint32_t>(tokenizer.count(text, head[1] != 0)),
           static_cast<std::uint32_t>(ids.size())});
    write(ids);
  }
  return 0;
}
