// SPDX-License-Identifier: Apache-2.0
// The key parser on any bytes: what it accepts has the one shape, and no second text has its
// checksum.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "keys/key_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::keys;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ParsedKey parsed = parse_key(text);
  if (parsed.fault != FormatFault::kNone) {
    if (!parsed.kid.empty()) std::abort();
    return 0;
  }
  if (size != kKeyBytes || !text.starts_with(kKeyPrefix)) std::abort();
  if (!is_kid(parsed.kid) || parsed.kid.data() != text.data() + kKeyPrefix.size()) std::abort();

  std::string changed(text);
  changed[20] = changed[20] == 'a' ? 'b' : 'a';
  if (parse_key(changed).fault == FormatFault::kNone) std::abort();
  return 0;
}
