// SPDX-License-Identifier: Apache-2.0
// A LiteLLM proxy's config.yaml as a sallyport.yaml. What has no counterpart becomes a comment that
// names it, so that nobody believes a control is on. Values that may be secrets are never printed:
// os.environ/X becomes ${env:X}, a literal key becomes a reference and a warning.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"

namespace sallyport::cli {

struct LitellmImport {
  std::string yaml;                   // the new configuration
  std::vector<std::string> warnings;  // for the operator's eyes, one sentence each
  std::vector<config::Problem>
      problems;  // not empty: the file cannot be read, and there is no yaml
};

LitellmImport import_litellm(std::string_view text);

}  // namespace sallyport::cli
