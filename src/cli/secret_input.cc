// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_input.h"

#include <string.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>
#include <string_view>

#include "base/text.h"
#include "keys/derived_token.h"

namespace sallyport::cli {

std::optional<Secret> read_secret_line(const Invocation& call) {
  if (::isatty(STDIN_FILENO) == 1 && !call.quiet) call.err << "paste it, then press Enter\n";
  std::string text(keys::kDerivedBytesMax + 2, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(STDIN_FILENO, text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
    if (std::string_view(text).substr(0, size).contains('\n')) break;
  }
  std::string_view line = std::string_view(text).substr(0, size);
  const std::size_t end = line.find_first_of("\r\n");
  const bool one_line = end == std::string_view::npos || line.substr(end).size() <= 2;
  Secret secret(trim_ows(line.substr(0, end)));
  explicit_bzero(text.data(), text.size());
  if (!one_line || secret.empty()) return std::nullopt;
  return secret;
}

std::optional<Secret> read_secret_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == 0) return std::nullopt;
  return Secret(value);
}

}  // namespace sallyport::cli
