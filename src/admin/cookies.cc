// SPDX-License-Identifier: Apache-2.0
#include "admin/cookies.h"

#include <algorithm>

#include "base/text.h"

namespace sallyport::admin {

std::optional<std::string_view> find_cookie(const net::ServerRequest& request,
                                            std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto& [header, value] : request.headers) {
    if (header != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = trim_ows(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!pair.starts_with(name) || pair.size() <= name.size()) continue;
      if (pair[name.size()] != '=') continue;
      if (found) return std::nullopt;
      found = pair.substr(name.size() + 1);
    }
  }
  return found;
}

}  // namespace sallyport::admin
