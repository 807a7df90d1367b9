// SPDX-License-Identifier: Apache-2.0
// Whatever `serve` would refuse of a configuration that can be read: each part of the house is made
// from it, or asked whether it could be, by the function that the start itself calls. `config
// check`, `doctor`, the start and SIGHUP all load through here, so that none says valid what
// another refuses. Nothing is written, no port is opened and nobody is asked.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"

namespace sallyport::cli {

// Everything that is wrong, in order of line. `files`: the files that the configuration names are
// there to be read, secrets and certificates among them; otherwise they are left alone.
std::vector<config::Problem> start_problems(const config::Config& config,
                                            const config::Positions& where, bool files = true);

// load_file and start_problems. Without `secrets` neither references nor files are followed.
config::LoadResult load_to_serve(const std::string& file, bool secrets = true);

}  // namespace sallyport::cli
