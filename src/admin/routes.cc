// SPDX-License-Identifier: Apache-2.0
#include "admin/routes.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"

namespace sallyport::admin {
namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

bool is_name(std::string_view segment) { return segment.starts_with('{'); }
bool is_rest(std::string_view segment) { return is_name(segment) && segment.ends_with("...}"); }

std::size_t literals(std::string_view pattern) {
  const auto parts = segments(pattern);
  return static_cast<std::size_t>(
      std::ranges::count_if(parts, [](std::string_view segment) { return !is_name(segment); }));
}

const char* complaint(const Route& route, std::span<const Route> others) {
  const bool reads = route.method == "GET";
  if (!route.handle) return "has no handler";
  if (reads != route.act.empty()) return "needs an act if it changes, and none if it reads";
  if (route.open && !reads) return "is open and changes something";
  if (route.summary.empty() || !route.path.starts_with('/')) return "is incomplete";
  const bool twice = std::ranges::any_of(others, [&](const Route& other) {
    return other.method == route.method && other.path == route.path;
  });
  return twice ? "stands in the table already" : nullptr;
}

}  // namespace

void Routes::add(Route route) {
  if (const char* wrong = complaint(route, routes_)) {
    log::error("admin.bad_route", {{"path", route.path}, {"reason", wrong}});
    std::abort();
  }
  routes_.push_back(std::move(route));
}

std::optional<std::vector<std::string>> match_path(std::string_view pattern,
                                                   std::string_view path) {
  const auto wanted = segments(pattern), given = segments(path);
  if (given.size() < wanted.size()) return std::nullopt;
  const std::size_t more = given.size() - wanted.size();  // what {x...} takes beyond one
  std::vector<std::string> names;
  std::size_t at = 0;
  for (const std::string_view segment : wanted) {
    const std::size_t take = is_rest(segment) ? 1 + more : 1;
    if (!is_name(segment)) {
      if (given[at] != segment) return std::nullopt;
    } else {
      std::string name(given[at]);
      for (std::size_t i = 1; i < take; ++i) name += "/" + std::string(given[at + i]);
      if (name.empty() || name.starts_with('/') || name.ends_with('/')) return std::nullopt;
      names.push_back(std::move(name));
    }
    at += take;
    if (at > given.size()) return std::nullopt;
  }
  if (at != given.size()) return std::nullopt;
  return names;
}

std::optional<Routes::Match> Routes::find(std::string_view method, std::string_view path) const {
  std::optional<Match> best;
  for (const Route& route : routes_) {
    if (route.method != method) continue;
    auto names = match_path(route.path, path);
    if (!names) continue;
    if (best && literals(best->route->path) >= literals(route.path)) continue;
    best = Match{&route, std::move(*names)};
  }
  return best;
}

std::string Routes::methods_of(std::string_view path) const {
  std::string out;
  for (const Route& route : routes_) {
    if (!match_path(route.path, path) || out.contains(route.method)) continue;
    out += (out.empty() ? "" : ", ") + std::string(route.method);
  }
  return out;
}

std::string routes_manual(std::span<const Route> routes) {
  std::string out = "| request | least role | act in the record | |\n|---|---|---|---|\n";
  for (const Route& route : routes) {
    out += "| `" + std::string(route.method) + " " + std::string(route.path) + "` | " +
           std::string(route.open ? "none" : name(route.least)) + " | ";
    out += route.act.empty() ? "" : "`" + std::string(route.act) + "`";
    out += " | " + std::string(route.summary) + " |\n";
  }
  return out;
}

Task<net::ServerResponse> at_once(net::ServerResponse answer) { co_return std::move(answer); }

}  // namespace sallyport::admin
