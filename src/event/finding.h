// SPDX-License-Identifier: Apache-2.0
// What a detector says of the traffic, and the incident that findings gather into: a record of kind
// `finding` or `incident` holds one. Key, address, country, network and time are the event's own,
// the numbers behind the verdict its `detail`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

// In rising order. Playbooks act on high and critical.
enum class Severity : std::uint8_t { kInfo, kLow, kMedium, kHigh, kCritical };
std::string_view name(Severity severity);
std::optional<Severity> parse_severity(std::string_view text);

struct Finding {
  std::string detector;  // token_spike, credential_stuffing ...; at most 64 bytes
  Severity severity = Severity::kInfo;
  double score = 0;               // nats of evidence (docs/detectors.md)
  std::string summary;            // one sentence with its numbers; never text of a prompt
  std::vector<std::string> tags;  // "owasp-llm:2025:LLM10", "atlas:AML.T0034"
  std::string incident_id;        // the story it belongs to; empty while none is open
};

}  // namespace sallyport
