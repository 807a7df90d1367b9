// SPDX-License-Identifier: Apache-2.0
#include "config/reload.h"

#include <algorithm>

#include "base/log.h"
#include "config/fields.h"
#include "config/provider_fields.h"

namespace sallyport::config {
namespace {

// Slots are writable; `running` is only read through them.
Place place_of(const Config& config) { return {.config = const_cast<Config*>(&config)}; }

std::string with_index(std::string_view path, std::size_t index) {
  const std::size_t mark = path.find("[]");
  return std::string(path.substr(0, mark)) + "[" + std::to_string(index) + "]" +
         std::string(path.substr(mark + 2));
}

bool listeners_differ(const Config& a, const Config& b) {
  if (a.http.listeners.size() != b.http.listeners.size()) return true;
  for (const Field& field : fields()) {
    if (!field.path.starts_with("http.listeners[].")) continue;
    for (std::size_t i = 0; i < a.http.listeners.size(); ++i) {
      Place left{.listener = const_cast<http::ListenerConfig*>(&a.http.listeners[i])};
      Place right{.listener = const_cast<http::ListenerConfig*>(&b.http.listeners[i])};
      if (!same(field, left, right)) return true;
    }
  }
  return false;
}

// Entries of a list section whose names begin with `prefix`, compared field by field.
template <class T>
bool lists_differ(std::string_view prefix, const std::vector<T>& left, const std::vector<T>& right,
                  T* Place::* entry) {
  if (left.size() != right.size()) return true;
  for (const Field& field : fields()) {
    if (!field.path.starts_with(prefix)) continue;
    for (std::size_t i = 0; i < left.size(); ++i) {
      Place one;
      Place other;
      one.*entry = const_cast<T*>(&left[i]);
      other.*entry = const_cast<T*>(&right[i]);
      if (!same(field, one, other)) return true;
    }
  }
  return false;
}

void compare_upstreams(const Config& running, const Config& next,
                       std::vector<std::string>& changed) {
  const auto& old_ones = running.upstream.upstreams;
  const auto& new_ones = next.upstream.upstreams;
  if (old_ones.size() != new_ones.size()) changed.emplace_back("upstream");
  for (const Field& field : fields()) {
    if (!field.path.starts_with("upstream[].")) continue;
    for (std::size_t i = 0; i < std::min(old_ones.size(), new_ones.size()); ++i) {
      Place left{.upstream = const_cast<upstream::UpstreamConfig*>(&old_ones[i])};
      Place right{.upstream = const_cast<upstream::UpstreamConfig*>(&new_ones[i])};
      if (!same(field, left, right)) changed.push_back(with_index(field.path, i));
    }
  }
}

std::expected<Reloaded, std::vector<Problem>> take_over(const Config& running, LoadResult loaded) {
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  Reloaded result;
  result.warnings = std::move(loaded->warnings);
  auto next = std::make_shared<Config>(std::move(loaded->config));
  for (const Field& field : fields()) {
    if (field.path.find("[]") != std::string_view::npos) continue;
    if (same(field, place_of(running), place_of(*next))) continue;
    if (field.reload == Reload::kLive) {
      result.changed.emplace_back(field.path);
      continue;
    }
    copy(field, place_of(running), place_of(*next));
    result.kept.emplace_back(field.path);
  }
  // The pepper needs a restart; without one no key can be checked, so keys cannot be demanded yet.
  if (next->keys.required && next->keys.pepper.empty()) {
    next->keys.required = running.keys.required;
    std::erase(result.changed, "keys.required");
    result.kept.emplace_back("keys.required");
  }
  if (listeners_differ(running, *next)) {
    next->http.listeners = running.http.listeners;
    result.kept.emplace_back("http.listeners");
  }
  if (lists_differ("keys.identity_exchange[].", running.keys.identity_exchange,
                   next->keys.identity_exchange, &Place::identity)) {
    next->keys.identity_exchange = running.keys.identity_exchange;
    result.kept.emplace_back("keys.identity_exchange");
  }
  if (lists_differ("keys.deliver[].", running.keys.deliver, next->keys.deliver, &Place::delivery)) {
    next->keys.deliver = running.keys.deliver;
    result.kept.emplace_back("keys.deliver");
  }
  if (lists_differ("notify[].", running.notify.sinks, next->notify.sinks, &Place::sink)) {
    next->notify = running.notify;
    result.kept.emplace_back("notify");
  }
  if (lists_differ("audit.witness[].", running.audit.witness, next->audit.witness,
                   &Place::witness)) {
    next->audit.witness = running.audit.witness;
    result.kept.emplace_back("audit.witness");
  }
  if (keep_leases(running, *next)) result.kept.emplace_back("upstream.lease");
  compare_upstreams(running, *next, result.changed);
  result.config = std::move(next);
  return result;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

std::expected<Reloaded, std::vector<Problem>> reload(const Config& running,
                                                     const std::string& file) {
  return take_over(running, load_file(file));
}

std::expected<Reloaded, std::vector<Problem>> reload_text(const Config& running,
                                                          std::string_view text,
                                                          const Surroundings& around) {
  return take_over(running, load_text(text, around));
}

std::optional<Reloaded> reload_and_log(const Config& running, const std::string& file,
                                       LoadResult loaded) {
  auto reloaded = take_over(running, std::move(loaded));
  if (!reloaded) {
    for (const Problem& problem : reloaded.error()) {
      log::error("config.refused", {{"problem", format_problem(file, problem)}});
    }
    log::error("config.reload_failed",
               {{"file", file}, {"effect", "the running configuration stays"}});
    return std::nullopt;
  }
  return std::move(*reloaded);
}

void log_taken(const Reloaded& reloaded, const std::string& file) {
  for (const Problem& warning : reloaded.warnings) {
    log::warn("config.warning", {{"problem", format_problem(file, warning)}});
  }
  if (!reloaded.kept.empty()) {
    log::warn("config.needs_restart",
              {{"fields", join(reloaded.kept)}, {"effect", "these keep their running values"}});
  }
  log::info("config.reloaded", {{"file", file}, {"changed", join(reloaded.changed)}});
}

}  // namespace sallyport::config
