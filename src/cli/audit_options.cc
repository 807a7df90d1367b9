// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_options.h"

#include <fmt/format.h>

#include <utility>

namespace sallyport::cli {

std::optional<config::Config> config_of(const Invocation& call) {
  config::Surroundings around = config::process_surroundings(call.config_file);
  around.follow_secrets = false;
  config::LoadResult loaded = config::load_file(call.config_file, around);
  if (loaded) return std::move(loaded->config);
  for (const config::Problem& problem : loaded.error()) {
    complain(call, kUsage, "configuration", config::format_problem(call.config_file, problem));
  }
  return std::nullopt;
}

std::optional<UtcTime> parse_when(const std::string& text) {
  if (const auto ago = parse_duration(text)) return SystemClock().now() - *ago;
  return parse_utc(text);
}

Result<void> read_period(const Invocation& call, audit::Period& period) {
  for (const auto& [option, into] :
       {std::pair{"since", &period.since}, std::pair{"until", &period.until}}) {
    if (!call.has(option)) continue;
    *into = parse_when(call.value(option));
    if (!*into) {
      return fail(Code::kInvalid, fmt::format("--{} must be a duration such as 15m, or a time such "
                                              "as 2026-01-31T08:00:00Z",
                                              option));
    }
  }
  return {};
}

Result<std::vector<audit::Condition>> read_conditions(const Invocation& call) {
  std::vector<audit::Condition> conditions;
  for (const std::string& text : call.all("where")) {
    auto condition = audit::parse_condition(text);
    if (!condition) return std::unexpected(condition.error());
    conditions.push_back(std::move(*condition));
  }
  return conditions;
}

Result<std::unique_ptr<audit::ColumnBuilder>> read_columns(audit::FileSystem& files,
                                                           const std::string& journal,
                                                           Sealer* sealer) {
  std::uint64_t end = 1;
  {
    const auto reader = audit::Reader::open(files, journal);
    if (!reader) return std::unexpected(reader.error());
    end = reader->end_seq();
  }
  audit::ColumnOptions options;
  options.write = false;
  options.sealer = sealer;
  auto builder = audit::ColumnBuilder::open(files, journal, options);
  if (!builder) return std::unexpected(builder.error());
  if (const auto done = (*builder)->catch_up(end - 1); !done) {
    return std::unexpected(done.error());
  }
  return std::move(*builder);
}

}  // namespace sallyport::cli
