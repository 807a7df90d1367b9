// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <ostream>

#include "cli/commands.h"
#include "cli/litellm_import.h"
#include "config/yaml_tree.h"

namespace sallyport::cli {

int config_import(const Invocation& call, const Programs&) {
  const std::string file = call.value("file");
  std::ifstream in(file, std::ios::binary);
  const bool opened = in.good();
  std::string text(config::kFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (!opened) return complain(call, kUsage, "unreadable", file + " cannot be read");
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return complain(call, kUsage, "empty", file + " is empty; name the config.yaml of LiteLLM");
  }
  if (text.size() > config::kFileBytesMax) {
    return complain(call, kUsage, "too_large", file + " is larger than 1 MiB");
  }
  const LitellmImport made = import_litellm(text);
  for (const config::Problem& problem : made.problems) {
    complain(call, kUsage, "configuration", config::format_problem(file, problem));
  }
  if (!made.problems.empty()) return kUsage;
  for (const std::string& warning : made.warnings) call.err << "warning: " << warning << "\n";
  call.out << made.yaml;
  return kOk;
}

}  // namespace sallyport::cli
