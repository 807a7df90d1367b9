// SPDX-License-Identifier: Apache-2.0
#include "event/scope_pattern.h"

#include <algorithm>

namespace sallyport {
namespace {

bool visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

bool valid_method(std::string_view method) {
  if (method == "*") return true;
  return !method.empty() &&
         std::ranges::all_of(method, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
}

// A star is the last character or a whole segment; anywhere else it would promise what we do not
// do.
bool valid_path(std::string_view path) {
  if (!path.starts_with('/') || !visible(path)) return false;
  if (path.find_first_of("?#%\\") != std::string_view::npos) return false;
  for (std::size_t at = path.find('*'); at != std::string_view::npos; at = path.find('*', at + 1)) {
    if (at + 1 == path.size()) return true;
    if (path[at - 1] != '/' || path[at + 1] != '/') return false;
  }
  return true;
}

bool path_matches(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern[0] != '*') {
      if (path.empty() || path[0] != pattern[0]) return false;
      pattern.remove_prefix(1);
      path.remove_prefix(1);
      continue;
    }
    if (pattern.size() == 1) return true;
    const std::size_t segment = std::min(path.find('/'), path.size());
    if (segment == 0) return false;  // one segment is not none
    pattern.remove_prefix(1);
    path.remove_prefix(segment);
  }
  return path.empty();
}

}  // namespace

bool valid_endpoint_pattern(std::string_view pattern) {
  const std::size_t blank = pattern.find(' ');
  return pattern.size() <= kScopePatternBytesMax && blank != std::string_view::npos &&
         valid_method(pattern.substr(0, blank)) && valid_path(pattern.substr(blank + 1));
}

bool endpoint_matches(std::string_view pattern, std::string_view method, std::string_view path) {
  if (!valid_endpoint_pattern(pattern)) return false;
  const std::size_t blank = pattern.find(' ');
  const std::string_view wanted = pattern.substr(0, blank);
  if (wanted != "*" && wanted != method) return false;
  return path_matches(pattern.substr(blank + 1), path);
}

bool valid_model_pattern(std::string_view pattern) {
  if (pattern.empty() || pattern.size() > kScopePatternBytesMax || !visible(pattern)) return false;
  const std::size_t star = pattern.find('*');
  return star == std::string_view::npos || star + 1 == pattern.size();
}

bool model_matches(std::string_view pattern, std::string_view model) {
  if (!valid_model_pattern(pattern)) return false;
  if (pattern.ends_with('*')) return model.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == model;
}

bool any_endpoint_matches(std::span<const std::string> patterns, std::string_view method,
                          std::string_view path) {
  return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
           return endpoint_matches(pattern, method, path);
         });
}

bool any_model_matches(std::span<const std::string> patterns, std::string_view model) {
  return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
           return model_matches(pattern, model);
         });
}

}  // namespace sallyport
