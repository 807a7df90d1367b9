// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration: told as problems or accepted, never a crash, and no message depends
// on what a reference stands for: it is read twice, with two secrets of one shape, and must be told
// alike both times.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/load.h"

namespace {

using sallyport::config::LoadResult;

LoadResult load(std::string_view text, const char* (*environment)(const char*)) {
  sallyport::config::Surroundings around;
  around.environment = environment;
  around.base_directory = "/nonexistent";
  return sallyport::config::load_text(text, around);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const LoadResult one =
      load(text, [](const char*) { return "walnut-a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"; });
  const LoadResult other =
      load(text, [](const char*) { return "pillow-b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"; });
  if (one.has_value() != other.has_value()) std::abort();
  if (one) return 0;
  if (one.error().size() != other.error().size()) std::abort();
  for (std::size_t i = 0; i < one.error().size(); ++i) {
    if (format_problem("f", one.error()[i]) != format_problem("f", other.error()[i])) std::abort();
  }
  return 0;
}
