// SPDX-License-Identifier: Apache-2.0
// One thing that is wrong with a configuration file, and where. Never quotes a secret.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::config {

struct Problem {
  int line = 0;       // from 1; 0 when the file as a whole is meant
  int column = 0;     // from 1
  std::string field;  // "upstream[0].api_key"; empty when no field is meant
  std::string message;
};

using Positions = std::map<std::string, std::pair<int, int>>;  // field or section -> line, column

// "sallyport.yaml:12:3: http.head_byte_max: unknown field; did you mean http.head_bytes_max?"
std::string format_problem(const std::string& file, const Problem& problem);

}  // namespace sallyport::config
