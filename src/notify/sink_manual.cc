// SPDX-License-Identifier: Apache-2.0
#include "notify/sink_manual.h"

#include "notify/record_format.h"
#include "notify/sink_table.h"

namespace sallyport::notify {
namespace {

std::string_view word(Need need) {
  switch (need) {
    case Need::kNo:
      return "-";
    case Need::kMay:
      return "may be";
    case Need::kMust:
      return "needed";
  }
  return "";
}

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

void append_row(std::string& out, const SinkType& type) {
  out += "| " + code(type.name) + " | " + std::string(type.meaning) + " | ";
  out += std::string(word(type.url)) + " | " + std::string(word(type.token)) + " | ";
  out += std::string(word(type.user)) + " | " + code(type.only) + " |\n";
}

void append_options(std::string& out, const SinkType& type) {
  for (const SinkOption& option : type.options) {
    out += "| " + code(type.name) + " | " + code(option.name) + " | ";
    out += std::string(option.meaning) + " | ";
    out += option.required ? "needed" : option.fallback.empty() ? "none" : code(option.fallback);
    out += " |\n";
  }
}

}  // namespace

std::string sinks_manual() {
  std::string out =
      "\n| type | receiver | `url` | `token` | `user` | `only`, when left out |\n"
      "|---|---|---|---|---|---|\n";
  for (const SinkType& type : sink_types()) append_row(out, type);
  out += "\n| type | option | meaning | default |\n|---|---|---|---|\n";
  for (const SinkType& type : sink_types()) append_options(out, type);
  out += "\n| `format` | a record is spelled |\n|---|---|\n";
  for (const RecordFormat& format : record_formats()) {
    out += "| " + code(format.name) + " | " + std::string(format.meaning) + " |\n";
  }
  return out + "\n";
}

}  // namespace sallyport::notify
