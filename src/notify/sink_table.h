// SPDX-License-Identifier: Apache-2.0
// THE table of sinks: each has one row here and one pair of files in this folder. Configuration,
// docs/sinks.md, `sinks list` and the checks all read it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "notify/config.h"
#include "notify/sink.h"

namespace sallyport::notify {

struct SinkOption {
  std::string_view name;     // under `options`
  std::string_view meaning;  // one sentence
  std::string_view fallback = {};
  bool required = false;
};

enum class Need { kNo, kMay, kMust };

struct SinkType {
  std::string_view name;     // "elasticsearch"
  std::string_view meaning;  // one sentence
  Need url, token, user;
  std::string_view only;  // what goes without `only`: "all", or names with commas
  std::span<const SinkOption> options;
  // kInvalid names the field or option and what is wrong with it.
  Result<std::unique_ptr<Sink>> (*make)(const SinkConfig& config, const SinkParts& parts);
  // What only this type can say about an entry that is right by the table; null: nothing more.
  Result<void> (*check)(const SinkConfig& config) = nullptr;
};

std::span<const SinkType> sink_types();
const SinkType* find_sink_type(std::string_view name);

// Everything that can be said about one entry before anything is sent: type, needs, options,
// numbers, `only`. kInvalid: "options.index: ..."; whoever knows its place in the list says it too.
Result<void> check_sink(const SinkConfig& config);

// Does a record go to a receiver with this `only`?
bool goes(const std::vector<std::string>& only, const Event& event);
// What the entry's `only` is, or else what its type is for.
std::vector<std::string> effective_only(const SinkConfig& config, const SinkType& type);

// The option's value, or its fallback from the table.
std::string_view option(const SinkConfig& config, const SinkType& type, std::string_view name);

}  // namespace sallyport::notify
