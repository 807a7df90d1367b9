// SPDX-License-Identifier: Apache-2.0
// Does a child state more than its parent? For warnings only: what counts on a request is that
// every layer is asked.
#include <algorithm>

#include "base/text.h"
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

// Whatever is in `narrow` is in `wide`, too: its first address is, and it is no larger.
bool holds(const Cidr& wide, const Cidr& narrow) {
  const std::string wide_text = wide.text(), narrow_text = narrow.text();
  const std::size_t wide_slash = wide_text.find('/'), slash = narrow_text.find('/');
  const auto base = IpAddress::parse(std::string_view(narrow_text).substr(0, slash));
  const auto wide_bits = parse_uint(std::string_view(wide_text).substr(wide_slash + 1));
  const auto bits = parse_uint(std::string_view(narrow_text).substr(slash + 1));
  if (!base || !wide_bits || !bits) return true;  // not comparable: silence
  return *wide_bits <= *bits && wide.contains(*base);
}

bool covers(const std::vector<Cidr>& parent, const std::vector<Cidr>& child) {
  return parent.empty() || std::ranges::all_of(child, [&](const Cidr& narrow) {
           return std::ranges::any_of(parent,
                                      [&](const Cidr& wide) { return holds(wide, narrow); });
         });
}

// How many windows of `inner` the longest `outer` touches at most.
std::int64_t windows_in(BudgetWindow inner, BudgetWindow outer) {
  constexpr std::int64_t kMinutes[] = {1, 60, 24 * 60, 31 * 24 * 60};
  if (inner >= outer) return 1;
  return kMinutes[static_cast<std::size_t>(outer)] / kMinutes[static_cast<std::size_t>(inner)];
}

// Can all of `budget` never be had, since `limit` is used up before? 100 a day are not to be had
// of 50 a month, nor 100 a month of 1 a day.
bool above(const Budget& budget, const Budget& limit) {
  if (budget.unit != limit.unit) return false;
  if (budget.window == BudgetWindow::kTotal && limit.window != BudgetWindow::kTotal) return false;
  const __int128 most =
      static_cast<__int128>(limit.amount) * windows_in(limit.window, budget.window);
  return most < budget.amount;
}

bool above(const std::vector<Budget>& budgets, const std::vector<Budget>& limits) {
  return std::ranges::any_of(budgets, [&](const Budget& budget) {
    return std::ranges::any_of(limits, [&](const Budget& limit) { return above(budget, limit); });
  });
}

// The members of `child` that state more than `parent` has.
std::vector<std::string_view> wider_members(const Restrictions& child, const Restrictions& parent) {
  std::vector<std::string_view> members;
  const auto look = [&](bool wider, std::string_view member) {
    if (wider) members.push_back(member);
  };
  look(!covers(parent.endpoints, child.endpoints), "endpoints");
  look(!covers(parent.models, child.models), "models");
  look(parent.tools && child.tools &&
           !std::ranges::all_of(*child.tools,
                                [&](const auto& tool) { return has(*parent.tools, tool); }),
       "tools");
  look(parent.stream && child.stream && *parent.stream != *child.stream, "stream");
  look(above(child.output_tokens_max, parent.output_tokens_max), "output_tokens_max");
  look(!subset(parent.modules, child.modules), "modules");
  look(!subset(parent.purposes, child.purposes), "purposes");
  look(!covers(parent.sources, child.sources), "cidr");
  look(!subset(parent.countries, child.countries), "countries");
  look(!subset(parent.networks, child.networks), "networks");
  look(parent.certificate && child.certificate && parent.certificate != child.certificate,
       "certificate");
  look(parent.dpop && child.dpop && parent.dpop != child.dpop, "dpop");
  const Limits &own = child.limits, &outer = parent.limits;
  look(above(own.budgets, outer.budgets), "budgets");
  look(above(own.requests_per_minute, outer.requests_per_minute), "rpm");
  look(above(own.tokens_per_minute, outer.tokens_per_minute), "tpm");
  look(above(own.parallel_max, outer.parallel_max), "parallel");
  return members;
}

}  // namespace

std::vector<std::string> wider_than(const Restrictions& child, std::optional<UtcTime> child_end,
                                    std::span<const Gives> layers) {
  std::vector<std::string> sentences;
  std::vector<std::string_view> said;
  bool ends = false;
  for (const Gives& layer : layers) {
    for (const std::string_view member : wider_members(child, *layer.restrictions)) {
      if (has(said, member)) continue;
      said.push_back(member);
      sentences.push_back(std::string(member) + " states more than the layer " + layer.path +
                          "; what counts is what both allow");
    }
    if (!ends && child_end && layer.expires_at && *child_end > *layer.expires_at) {
      ends = true;
      sentences.push_back("expires_at lies behind the end of the layer " + layer.path + ", " +
                          format_utc(*layer.expires_at));
    }
  }
  return sentences;
}

}  // namespace sallyport::keys
