// SPDX-License-Identifier: Apache-2.0
// Derived tokens from any bytes: what parses has the one shape, what can be read keeps within its
// limits, and what is appended to it keeps the parent's bounds.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "keys/derived_caveats.h"
#include "keys/derived_token.h"

namespace {

using namespace sallyport::keys;

// As if whoever wrote the bytes also knew how to write the checksum: else the fuzzer never gets
// behind it.
std::string with_crc(std::string text) {
  const auto crc = crc_text(text);
  return text.append(crc.data(), crc.size());
}

void check(std::string_view text) {
  const ParsedDerived token = parse_derived(text);
  if (token.fault != FormatFault::kNone) {
    if (!token.kid.empty() || token.count != 0) std::abort();
    return;
  }
  if (!is_kid(token.kid) || !is_tid(token.tid) || text.size() > kDerivedBytesMax) std::abort();
  if (token.count < kCaveatsMin || token.count > kCaveatsMax) std::abort();

  const auto claims = read_caveats(token.caveats());
  if (!claims) return;
  if (claims->expires_at - claims->issued_at > kDerivedLifeMax) std::abort();

  const std::vector<std::string> more = {"calls=1"};
  const auto narrowed = narrow_derived(sallyport::Secret(text), more);
  if (!narrowed) return;
  const ParsedDerived again = parse_derived(narrowed->reveal());
  if (again.fault != FormatFault::kNone || again.tid != token.tid) std::abort();
  if (again.count != token.count + 1) std::abort();
  const auto narrow_claims = read_caveats(again.caveats());
  if (!narrow_claims || narrow_claims->expires_at != claims->expires_at) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  check(with_crc(std::string(text)));
  const std::string_view wire[] = {"aWF0PTE3NjM4NTYwMDA", "ZXhwPTE3NjM4NTk2MDA", text};
  (void)read_caveats(wire);
  return 0;
}
