// SPDX-License-Identifier: Apache-2.0
#include "meter/token_table.h"

#include <cassert>

// Put there by cmake/token_ranks.cmake.
extern "C" const std::uint8_t sallyport_token_table[];

namespace sallyport::meter {

TokenTable token_table_at(const std::uint8_t* begin) {
  const auto header = load<TableHeader>(begin);
  assert(header.magic == kTableMagic);
  TokenTable table;
  for (std::size_t i = 0; i < kEncodings; ++i) table.ranks[i] = Ranks(begin, header.ranks[i]);
  table.kinds = Kinds(begin + header.kind_index, begin + header.kind_blocks);
  table.size = header.size;
  return table;
}

const TokenTable& token_table() {
  static const TokenTable table = token_table_at(sallyport_token_table);
  return table;
}

}  // namespace sallyport::meter
