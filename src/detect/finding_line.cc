// SPDX-License-Identifier: Apache-2.0
#include "detect/finding_line.h"

#include "base/json_writer.h"

namespace sallyport::detect {

void append_finding_line(std::string& out, const Event& event) {
  if (event.finding == nullptr) return;
  const Finding& finding = *event.finding;
  JsonWriter json(out);
  json.begin_object().field("time_utc", format_utc(event.timestamp_utc));
  json.field("detector", finding.detector).field("severity", name(finding.severity));
  json.field("api_key_id", event.api_key_id).key("ip");
  event.ip.empty() ? json.null() : json.value(event.ip);
  json.field("geo", event.geo).field("asn", event.asn).field("score", finding.score);
  json.field("summary", finding.summary).key("evidence").raw(event.detail.value_or("{}"));
  json.key("tags").begin_array();
  for (const std::string& tag : finding.tags) json.value(tag);
  json.end_array().field("incident_id", finding.incident_id).end_object();
  out += '\n';
}

}  // namespace sallyport::detect
