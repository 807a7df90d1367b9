// SPDX-License-Identifier: Apache-2.0
#include "sim/path_faults.h"

#include <algorithm>

#include "base/json_writer.h"

namespace sallyport::sim {

bool path_fits(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern == "**") return !path.empty();
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    const std::string_view segment = path.substr(0, path.find('/'));
    if (wanted != segment && (wanted != "*" || segment.empty())) return false;
    const bool more = pattern.size() > wanted.size();
    if (more != (path.size() > segment.size())) return false;
    pattern.remove_prefix(wanted.size() + (more ? 1 : 0));
    path.remove_prefix(segment.size() + (more ? 1 : 0));
  }
  return path.empty();
}

PathFaults::PathFaults(std::vector<SimFault> faults) {
  for (SimFault& fault : faults) add(std::move(fault));
}

bool PathFaults::add(SimFault fault) {
  if (rules_.size() >= kRulesMax) return false;
  rules_.push_back({.fault = std::move(fault)});
  return true;
}

void PathFaults::strike(const net::ServerRequest& request, Behaviour& behaviour) {
  for (Rule& rule : rules_) {
    const SimFault& fault = rule.fault;
    if (!fault.method.empty() && fault.method != request.method) continue;
    if (!path_fits(fault.path, request.path)) continue;
    if (fault.times != 0 && rule.struck >= fault.times) continue;
    if (rule.skipped < fault.skip) {
      ++rule.skipped;
      continue;
    }
    ++rule.struck;
    behaviour.apply_all(fault.behave, ',');
    return;
  }
}

std::string PathFaults::json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("faults").begin_array();
  for (const Rule& rule : rules_) {
    json.begin_object().field("method", rule.fault.method).field("path", rule.fault.path);
    json.field("behave", rule.fault.behave);
    json.field("skip", static_cast<std::uint64_t>(rule.fault.skip));
    json.field("times", static_cast<std::uint64_t>(rule.fault.times));
    json.field("struck", static_cast<std::uint64_t>(rule.struck)).end_object();
  }
  json.end_array().end_object();
  return out;
}

}  // namespace sallyport::sim
