// SPDX-License-Identifier: Apache-2.0
#include "cli/sink_start.h"

#include <limits.h>
#include <unistd.h>

#include <array>
#include <string>

#include "audit/log_keys.h"
#include "cli/commands.h"

namespace sallyport::cli {
namespace {

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace

Result<std::unique_ptr<notify::Sinks>> open_sinks(const config::Config& config,
                                                  audit::FileSystem& files,
                                                  const Recorder& recorder, net::Resolver& resolver,
                                                  const Clock& clock,
                                                  const std::vector<const MetricSource*>* metrics,
                                                  Sealer* sealer) {
  std::string origin;
  if (config.audit.enabled && !config.notify.sinks.empty()) {
    Result<std::string> named =
        audit::log_origin(files, config.audit.path, config.audit.origin, true);
    if (!named) return std::unexpected(std::move(named).error());
    origin = std::move(*named);
  }
  return notify::Sinks::make(config.notify, config.audit.path, files, recorder,
                             notify::SinkParts{.resolver = resolver,
                                               .clock = clock,
                                               .origin = std::move(origin),
                                               .host = host_name(),
                                               .version = std::string(kVersion),
                                               .metrics = metrics,
                                               .sealer = sealer});
}

}  // namespace sallyport::cli
