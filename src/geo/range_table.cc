// SPDX-License-Identifier: Apache-2.0
#include "geo/range_table.h"

namespace sallyport::geo {

Number6 number6(const IpAddress& address) {
  Number6 number = 0;
  for (const std::uint8_t byte : address.bytes()) number = number << 8 | byte;
  return number;
}

Number4 number4(const IpAddress& address) { return static_cast<Number4>(number6(address)); }

void RangeTable::finish() {
  v4.finish();
  v6.finish();
}

std::uint32_t RangeTable::find(const IpAddress& address) const {
  return address.is_v4() ? v4.find(number4(address)) : v6.find(number6(address));
}

}  // namespace sallyport::geo
