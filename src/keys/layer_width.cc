// SPDX-License-Identifier: Apache-2.0
// Does a child state more than its parent? For warnings only: what counts on a request is that
// every layer is asked.
#include <algorithm>

#include "keys/layers.h"

namespace sallyport::keys {
namespace {

template <typename T>
bool has(const std::vector<T>& list, const T& entry) {
  return std::ranges::find(list, entry) != list.end();
}

using Lists = std::vector<std::string>;

// Whatever `narrow` matches, `wide` matches too. Inner stars are compared as text.
bool pattern_covers(std::string_view wide, std::string_view narrow) {
  if (wide == narrow) return true;
  return wide.ends_with('*') && narrow.starts_with(wide.substr(0, wide.size() - 1));
}

bool covers(const Lists& parent, const Lists& child) {
  if (parent.empty()) return true;
  if (child.empty()) return true;  // says nothing of its own: it gets what the parent has
  return std::ranges::all_of(child, [&](const std::string& narrow) {
    return std::ranges::any_of(
        parent, [&](const std::string& wide) { return pattern_covers(wide, narrow); });
  });
}

template <typename T>
bool subset(const std::vector<T>& parent, const std::vector<T>& child) {
  return parent.empty() || child.empty() ||
         std::ranges::all_of(child, [&](const T& entry) { return has(parent, entry); });
}

bool above(const std::optional<std::int64_t>& child, const std::optional<std::int64_t>& parent) {
  return child && parent && *child > *parent;
}

}  // namespace

std::vector<std::string> wider_than_parent(const Restrictions& child, const Restrictions& parent) {
  std::vector<std::string> sentences;
  const auto warn = [&](bool wider, std::string_view member) {
    if (wider) {
      sentences.push_back(std::string(member) + " states more than the layer above; what counts " +
                          "is what both allow");
    }
  };
  warn(!covers(parent.endpoints, child.endpoints), "endpoints");
  warn(!covers(parent.models, child.models), "models");
  warn(parent.tools && child.tools &&
           !std::ranges::all_of(*child.tools,
                                [&](const auto& tool) { return has(*parent.tools, tool); }),
       "tools");
  warn(parent.stream && child.stream && *parent.stream != *child.stream, "stream");
  warn(above(child.output_tokens_max, parent.output_tokens_max), "output_tokens_max");
  warn(!subset(parent.modules, child.modules), "modules");
  warn(!subset(parent.purposes, child.purposes), "purposes");
  warn(!subset(parent.countries, child.countries), "countries");
  warn(!subset(parent.networks, child.networks), "networks");
  warn(parent.certificate && child.certificate && parent.certificate != child.certificate,
       "certificate");
  warn(parent.dpop && child.dpop && parent.dpop != child.dpop, "dpop");
  const Limits &own = child.limits, &outer = parent.limits;
  warn(std::ranges::any_of(own.budgets,
                           [&](const Budget& budget) {
                             return std::ranges::any_of(outer.budgets, [&](const Budget& limit) {
                               return limit.unit == budget.unit && limit.window == budget.window &&
                                      limit.amount < budget.amount;
                             });
                           }),
       "budgets");
  warn(above(own.requests_per_minute, outer.requests_per_minute), "rpm");
  warn(above(own.tokens_per_minute, outer.tokens_per_minute), "tpm");
  warn(above(own.parallel_max, outer.parallel_max), "parallel");
  return sentences;
}

}  // namespace sallyport::keys
