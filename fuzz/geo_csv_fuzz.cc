// SPDX-License-Identifier: Apache-2.0
// The CSV of countries from any bytes, as IPv4 and as IPv6: it is refused or read; what is read
// answers for every address.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "geo/database.h"

namespace {

void check(std::string_view v4, std::string_view v6) {
  const auto database = sallyport::geo::parse_country_csv(v4, v6);
  if (!database) return;
  if (database->table.size() == 0) std::abort();
  for (const char* address : {"0.0.0.0", "1.0.0.1", "127.0.0.1", "255.255.255.255", "::1",
                              "2001::", "2001:200::5", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    const auto value = database->table.find(*sallyport::IpAddress::parse(address));
    if (value >= database->locations.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, {});
  check({}, text);
  const std::size_t half = size / 2;
  check(text.substr(0, half), text.substr(half));
  return 0;
}
