// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration: told as problems or accepted, never a crash, and no message repeats
// the secret that a reference stands for.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr const char* kCanary = "canary-0123456789abcdef0123456789abcdef";
  sallyport::config::Surroundings around;
  around.environment = [](const char*) -> const char* { return kCanary; };
  around.base_directory = "/nonexistent";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto result = sallyport::config::load_text(text, around);
  if (result || text.find("canary-") != std::string_view::npos) return 0;
  for (const auto& problem : result.error()) {
    if (sallyport::config::format_problem("f", problem).find("canary-") != std::string::npos) {
      std::abort();
    }
  }
  return 0;
}
