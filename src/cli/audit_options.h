// SPDX-License-Identifier: Apache-2.0
// What the commands that read the journal have in common: where it is, spans of time, conditions,
// its columns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/column_builder.h"
#include "audit/condition.h"
#include "audit/file_system.h"
#include "audit/reader.h"
#include "base/clock.h"
#include "base/result.h"
#include "cli/commands.h"
#include "config/load.h"

namespace sallyport::cli {

// Nothing when the configuration is wrong, which was told.
std::optional<config::Config> config_of(const Invocation& call);

// "15m" is that long ago; else a time of RFC 3339.
std::optional<UtcTime> parse_when(const std::string& text);
Result<void> read_period(const Invocation& call, audit::Period& period);
Result<std::vector<audit::Condition>> read_conditions(const Invocation& call);  // --where

// The columns of the journal as it is now, beside a server that writes it: its files, and what it
// has not saved yet out of the JSON. Nothing is written. `sealer` may be null, and outlives it.
Result<std::unique_ptr<audit::ColumnBuilder>> read_columns(audit::FileSystem& files,
                                                           const std::string& journal,
                                                           Sealer* sealer);

// `audit query` with any option that asks for sums.
bool asks_for_sums(const Invocation& call);
int audit_sums(const Invocation& call, const std::string& journal);

}  // namespace sallyport::cli
