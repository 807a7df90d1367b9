// SPDX-License-Identifier: Apache-2.0
// From verdicts to records: what becomes a finding, and the story around it.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "base/json_writer.h"
#include "detect/parts.h"

namespace sallyport::detect {
namespace {

// OWASP Top 10 for LLM applications, 2025; MITRE ATLAS techniques.
std::vector<std::string> tags_of(Family family) {
  switch (family) {
    case Family::kPromptInjection:
      return {"owasp-llm:2025:LLM01", "atlas:AML.T0051"};
    case Family::kTokenSpike:
    case Family::kSlowRamp:
    case Family::kOffHoursSurge:
    case Family::kOutputAnomaly:
    case Family::kBudgetExceeded:
      return {"owasp-llm:2025:LLM10", "atlas:AML.T0034"};
    case Family::kRateLimitStorm:
    case Family::kErrorSurge:
    case Family::kLatencySurge:
      return {"owasp-llm:2025:LLM10", "atlas:AML.T0029"};
    case Family::kGatewayBypass:
      return {"owasp-llm:2025:LLM10", "atlas:AML.T0040"};
    default:
      return {"atlas:AML.T0012"};
  }
}

std::string two_letters(std::uint16_t country) {
  if (country == 0) return "?";
  return {static_cast<char>(country >> 8), static_cast<char>(country & 0xFF)};
}

std::string who(const Event& event) {
  if (event.kind == Kind::kAdmin && event.actor) return *event.actor;
  if (event.api_key_id) return *event.api_key_id;
  if (event.provider_key_id) return *event.provider_key_id;
  return event.ip.empty() ? "the gateway" : event.ip;
}

std::string summary_of(const Verdict& verdict, const Event& event, const Sighting& s) {
  std::string text = fmt::format("{}: {}", who(event), verdict.words);
  if (!event.ip.empty()) text += fmt::format("; from {}", event.ip);
  if (s.country != 0)
    text += fmt::format(" ({}{})", two_letters(s.country),
                        s.asn != 0 ? fmt::format(", AS{}", s.asn) : "");
  text += fmt::format("; {:.1f} nats", verdict.score);
  // The two strongest numbers a person asks for first.
  int told = 0;
  for (const Term& term : verdict.evidence()) {
    if (told == 3) break;
    if (term.name == "context" || term.name == "behaviour" || term.name == "few_requests") continue;
    text += fmt::format("{} {} {:.4g}", told == 0 ? ";" : ",", term.name, term.value);
    ++told;
  }
  return text;
}

std::string evidence_of(const Verdict& verdict) {
  std::string detail;
  JsonWriter json(detail);
  json.begin_object();
  for (const Term& term : verdict.evidence()) {
    json.key(term.name).raw(fmt::format("{:.6g}", term.value));
  }
  json.end_object();
  return detail;
}

Event about(const Event& event, const Sighting& s, Kind kind) {
  Event made;
  made.timestamp_utc = event.timestamp_utc;
  made.kind = kind;
  made.api_key_id = event.api_key_id;
  made.ip = event.ip;
  made.geo = event.geo;
  if (!made.geo && s.country != 0) made.geo = two_letters(s.country);
  if (s.asn != 0) made.asn = s.asn;
  made.network = event.network;
  made.kid = event.kid;
  made.claimed_kid = event.claimed_kid;
  made.layer = event.layer;
  made.tid = event.tid;
  made.provider_key_id = event.provider_key_id;
  made.request_id = event.request_id;
  made.actor = event.kind == Kind::kAdmin ? event.actor : std::nullopt;
  made.module = event.module;
  made.purpose = event.purpose;
  return made;
}

std::string_view words_of(Family family, const Verdict& verdict) {
  if (family == verdict.family) return verdict.words;
  switch (family) {
    case Family::kTokenSpike:
      return "a visitor uses many times the usual amount";
    case Family::kIpHopping:
      return "used from one unknown network after another";
    case Family::kOffHoursSurge:
      return "a visitor uses it at an hour when it sleeps";
    default:
      return "a visitor gets answers of an unusual length";
  }
}

}  // namespace

void Watch::Parts::tell(const Maybe& verdict, const Sighting& s, KeyState* key, bool many) {
  if (!verdict) return;
  IncidentRef* ref = key == nullptr ? nullptr : &key->incident;
  const std::uint64_t id = key == nullptr ? 0 : key->id;
  const Incidents::Told told = incidents.take(*verdict, s, id, ref, many);
  if (told.news == Incidents::News::kNone) return;
  // The family itself, and those that join it with evidence of their own.
  const auto first = static_cast<std::size_t>(verdict->family);
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>((first + i) % kFamilies);
    const bool joins = (verdict->also & told.families & bit(family)) != 0;
    if (family != verdict->family && !joins) continue;
    Verdict shown = *verdict;
    shown.words = words_of(family, *verdict);
    Event made = about(*event, s, Kind::kFinding);
    made.finding =
        std::make_shared<const Finding>(Finding{.detector = std::string(name(family)),
                                                .severity = verdict->severity,
                                                .score = verdict->score,
                                                .summary = summary_of(shown, *event, s),
                                                .tags = tags_of(family),
                                                .incident_id = incident_name(told.incident->id)});
    made.detail = evidence_of(*verdict);
    out->push_back(std::move(made));
  }
  tell_incident(*told.incident, s,
                told.news == Incidents::News::kOpened ? "incident.opened" : "incident.changed");
}

void Watch::Parts::tell_incident(const Incident& incident, const Sighting& s, const char* action) {
  Event made = about(*event, s, Kind::kIncident);
  made.action = action;
  std::string detail;
  JsonWriter json(detail);
  json.begin_object();
  json.field("opened", format_utc(UtcTime(std::chrono::seconds(incident.opened))));
  json.field("last_evidence", format_utc(UtcTime(std::chrono::seconds(incident.last))));
  json.key("detectors").begin_array();
  std::string families;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if ((incident.families & bit(family)) == 0) continue;
    json.value(name(family));
    families += (families.empty() ? "" : ", ") + std::string(name(family));
  }
  json.end_array();
  json.field("findings", std::uint64_t{incident.findings});
  json.field("requests", std::uint64_t{incident.requests});
  json.field("tokens", static_cast<std::int64_t>(incident.tokens));
  json.key("cost_usd").raw(usd_text({incident.nano_usd}));
  json.field("keys", std::uint64_t{incident.key_count});
  json.field("addresses", std::uint64_t{incident.address_count});
  json.field("networks", std::uint64_t{incident.network_count});
  json.key("countries").begin_array();
  for (const std::uint16_t country : incident.countries) {
    if (country != 0) json.value(two_letters(country));
  }
  json.end_array().end_object();
  made.detail = std::move(detail);
  const auto family = static_cast<Family>(incident.last_family % kFamilies);
  made.finding = std::make_shared<const Finding>(
      Finding{.detector = std::string(name(family)),
              .severity = static_cast<Severity>(incident.severity),
              .score = incident.score,
              .summary = fmt::format("{} since {}: {}, {} addresses, {} findings", who(made),
                                     format_utc(UtcTime(std::chrono::seconds(incident.opened))),
                                     families, incident.address_count, incident.findings),
              .tags = tags_of(family),
              .incident_id = incident_name(incident.id)});
  out->push_back(std::move(made));
}

// Ends what has been without evidence for long enough; told with the time of the record that shows
// how late it is.
void Watch::Parts::end_incidents(Second now) {
  while (Incident* incident = incidents.over(now)) {
    Event nobody;
    nobody.timestamp_utc = event->timestamp_utc;
    const Event* judged = std::exchange(event, &nobody);
    for (const std::uint64_t key : incident->keys) {
      const KeyEntry* entry = key == 0 ? nullptr : keys.find(key);
      if (entry == nullptr) continue;
      nobody.api_key_id = entry->name;
      break;
    }
    Sighting none;
    none.now = now;
    tell_incident(*incident, none, "incident.ended");
    incidents.end(incident->id);
    event = judged;
  }
}

}  // namespace sallyport::detect
