// SPDX-License-Identifier: Apache-2.0
// Reports of leaked tokens on any bytes: entries are bounded, and the places they name cannot forge
// a line of a record.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "keys/leak_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::keys;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto entries = parse_leak_report(text);
  if (!entries) return 0;
  if (entries->size() > LeakReportRoute::kEntriesMax) std::abort();
  for (const LeakEntry& entry : *entries) {
    if (entry.token.empty() || entry.type.empty()) std::abort();
    for (const char c : entry.url + entry.source) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
    }
  }
  return 0;
}
