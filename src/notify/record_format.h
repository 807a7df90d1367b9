// SPDX-License-Identifier: Apache-2.0
// How a record is spelled where a receiver takes any JSON object: one row per format. The option
// `format` of such sinks names a row.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "notify/sink.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

struct RecordFormat {
  std::string_view name;                                     // "json"
  std::string_view meaning;                                  // one sentence
  void (*append)(std::string& out, const Outgoing& record);  // one JSON object
};

std::span<const RecordFormat> record_formats();

// The row that the option `format` names. kInvalid: "options.format: ...".
Result<const RecordFormat*> record_format(const SinkConfig& config, const SinkType& type);

inline constexpr SinkOption kFormatOption = {"format",
                                             "How a record is spelled: json, ocsf or ecs.", "json"};

}  // namespace sallyport::notify
