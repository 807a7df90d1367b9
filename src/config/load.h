// SPDX-License-Identifier: Apache-2.0
// sallyport.yaml -> Config. Strict: an unknown, doubled or misplaced field is a problem, and all
// problems are told at once. A control of a later version is a problem too, so that nobody believes
// it is on. Runs at start, on reload and in `config check`; never on the path of a request.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/problem.h"
#include "config/references.h"

namespace sallyport::config {

struct Loaded {
  Config config;
  std::vector<Problem> warnings;
  Positions where;  // for whoever checks on
};
using LoadResult = std::expected<Loaded, std::vector<Problem>>;  // problems in order of line

LoadResult load_text(std::string_view text, const Surroundings& around);

// Reads and loads a file; problems are formatted with `file` by format_problem.
LoadResult load_file(const std::string& file);
LoadResult load_file(const std::string& file, const Surroundings& around);

}  // namespace sallyport::config
