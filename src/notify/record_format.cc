// SPDX-License-Identifier: Apache-2.0
#include "notify/record_format.h"

#include <algorithm>

#include "base/json_writer.h"
#include "notify/record_ecs.h"
#include "notify/record_ocsf.h"

namespace sallyport::notify {
namespace {

// The line of the log with the record's id in front.
void append_json(std::string& out, const Outgoing& record) {
  out += "{\"id\":";
  append_json_string(out, record.id);
  if (record.line.size() > 2) out += ',';
  out += std::string_view(record.line).substr(1);
}

constexpr RecordFormat kFormats[] = {
    {"json", "As the log has it, with its id in front.", append_json},
    {"ocsf",
     "An event of the Open Cybersecurity Schema Framework 1.9; the record under "
     "`unmapped.sallyport`.",
     append_ocsf},
    {"ecs", "Fields of the Elastic Common Schema; the record under `sallyport`.", append_ecs},
};

}  // namespace

std::span<const RecordFormat> record_formats() { return kFormats; }

Result<const RecordFormat*> record_format(const SinkConfig& config, const SinkType& type) {
  const std::string_view wanted = option(config, type, "format");
  const auto found = std::ranges::find(record_formats(), wanted, &RecordFormat::name);
  if (found != record_formats().end()) return &*found;
  std::string known;
  for (const RecordFormat& one : record_formats()) {
    known += (known.empty() ? "" : ", ") + std::string(one.name);
  }
  return fail(Code::kInvalid, "options.format: one of " + known);
}

}  // namespace sallyport::notify
