// SPDX-License-Identifier: Apache-2.0
// A new file while the program runs: load, validate, compare, hand over. Whatever is wrong with it
// leaves the running configuration as it is.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/load.h"

namespace sallyport::config {

struct Reloaded {
  std::shared_ptr<const Config> config;  // fields that need a restart have the running value
  std::vector<std::string> changed;      // live fields that have a new value
  std::vector<std::string> kept;         // fields that changed in the file and need a restart
  std::vector<Problem> warnings;
};

std::expected<Reloaded, std::vector<Problem>> reload(const Config& running,
                                                     const std::string& file);
std::expected<Reloaded, std::vector<Problem>> reload_text(const Config& running,
                                                          std::string_view text,
                                                          const Surroundings& around);

// The same of what was loaded from `file`, with the operator's log: problems as errors. Nothing:
// keep the old.
std::optional<Reloaded> reload_and_log(const Config& running, const std::string& file,
                                       LoadResult loaded);

// To be told once the whole program runs with it; a file that can be read may still be refused (a
// certificate that is broken), and then nothing of it counts.
void log_taken(const Reloaded& reloaded, const std::string& file);

}  // namespace sallyport::config
