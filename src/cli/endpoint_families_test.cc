// SPDX-License-Identifier: Apache-2.0
// The families that derived tokens name (keys/) and those of the provider's table (provider/) are
// the same: neither room may know the other, so the comparison stands here.
#include "keys/endpoint_families.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "event/scope_pattern.h"
#include "provider/endpoints.h"

namespace sallyport::cli {
namespace {

std::set<std::string_view> families_of(std::string_view method, std::string_view path) {
  std::set<std::string_view> found;
  for (const keys::EndpointFamily& family : keys::endpoint_families()) {
    for (const std::string_view pattern : family.patterns) {
      if (endpoint_matches(pattern, method, path)) found.insert(family.name);
    }
  }
  return found;
}

TEST(EndpointFamilies, AllowWhatTheProvidersTableSays) {
  std::set<std::string> paths = {"/v1/filesystem", "/v1/models", "/v1", "/v1/chat", "/v2/models"};
  for (const provider::Endpoint& row : provider::endpoints()) {
    std::string path = "/v1" + std::string(row.path);
    const bool below = path.ends_with('*') && path[path.size() - 2] != '/';
    if (below) path.pop_back();
    for (std::size_t at = path.find('*'); at != std::string::npos; at = path.find('*')) {
      path.replace(at, 1, "id_1");
    }
    paths.insert(path);
    for (const char* more : {"/id_1", "/id_1/content", "system"}) paths.insert(path + more);
  }
  for (const std::string& path : paths) {
    for (const char* method : {"GET", "POST", "DELETE", "PUT"}) {
      const provider::Endpoint& row = provider::find_endpoint(method, path);
      std::set<std::string_view> expected;
      if (provider::known(row) && row.family != "admin") expected.insert(row.family);
      const std::set<std::string_view> allowed = families_of(method, path);
      if (provider::known(row)) {
        for (const std::string_view family : allowed) {
          EXPECT_TRUE(expected.contains(family)) << method << " " << path << " by " << family;
        }
      }
      // The table also has rows for methods that the provider does not have.
      if (method == std::string_view("GET") || method == std::string_view("POST")) {
        EXPECT_EQ(allowed, expected) << method << " " << path;
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::cli
