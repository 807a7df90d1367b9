// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/start_check.h"
#include "config/manual.h"

namespace sallyport::cli {
namespace {

void write_problems(JsonWriter& json, std::string_view member, const std::string& file,
                    const std::vector<config::Problem>& problems) {
  json.key(member).begin_array();
  for (const config::Problem& problem : problems) {
    json.begin_object()
        .field("file", file)
        .field("line", problem.line)
        .field("column", problem.column)
        .field("field", problem.field)
        .field("message", problem.message)
        .end_object();
  }
  json.end_array();
}

}  // namespace

int config_check(const Invocation& call, const Programs&) {
  const std::string file = call.value("file", call.config_file);
  const config::LoadResult loaded = load_to_serve(file, !call.has("no-secrets"));
  if (call.json) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("valid", loaded.has_value());
    write_problems(json, "problems", file,
                   loaded ? std::vector<config::Problem>{} : loaded.error());
    write_problems(json, "warnings", file,
                   loaded ? loaded->warnings : std::vector<config::Problem>{});
    json.end_object();
    call.out << line << "\n";
    return loaded ? kOk : kUsage;
  }
  const auto& told = loaded ? loaded->warnings : loaded.error();
  for (const config::Problem& problem : told) {
    call.err << (loaded ? "warning: " : "error: ") << config::format_problem(file, problem) << "\n";
  }
  if (!loaded) return kUsage;
  if (!call.quiet) call.err << file << " is valid\n";
  return kOk;
}

int config_schema(const Invocation& call, const Programs&) {
  call.out << config::json_schema();
  return kOk;
}

int config_explain(const Invocation& call, const Programs&) {
  if (call.has("all")) {
    call.out << config::manual();
    return kOk;
  }
  if (!call.has("field")) {
    return complain(call, kUsage, "usage", "name a field or a section, or give --all",
                    "sallyport config explain http.timeouts");
  }
  const std::string field = call.value("field");
  const Result<std::string> text = call.json ? config::explain_json(field) : config::explain(field);
  if (!text) return complain(call, text.error());
  call.out << *text;
  return kOk;
}

}  // namespace sallyport::cli
