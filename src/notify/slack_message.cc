// SPDX-License-Identifier: Apache-2.0
#include "notify/slack_message.h"

#include <map>
#include <optional>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport::notify {
namespace {

// Slack's own limits, less a mark: header 150, ten fields of 2,000.
constexpr std::size_t kTitleMax = 140, kValueMax = 1'900, kFieldsMax = 10;
constexpr std::string_view kCutMark = "\xE2\x80\xA6";

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string rule_of(const Event& event) {
  if (event.finding && !event.finding->detector.empty()) return event.finding->detector;
  if (event.action && !event.action->empty()) return *event.action;
  if (event.error) return *event.error;
  return event.status ? std::to_string(*event.status) : "";
}

SlackMessage message_of(const Outgoing& record) {
  const Event& event = record.event;
  const std::string kind(name(event.kind));
  const std::string rule = rule_of(event);
  const Finding* finding = event.finding.get();
  const std::string who = event.api_key_id.value_or(event.ip);
  SlackMessage message;
  message.topic = kind + "\n" + rule + "\n" + who;
  const std::string summary = finding != nullptr ? finding->summary : "";
  message.title = !summary.empty() ? summary
                                   : kind + (rule.empty() ? "" : ": " + rule) +
                                         (who.empty() ? "" : " (" + who + ")");
  if (finding != nullptr) message.incident = finding->incident_id;
  message.urgent =
      event.kind == Kind::kAction || (finding != nullptr && finding->severity >= Severity::kHigh);
  const auto add = [&](const char* label, const std::string& value) {
    if (!value.empty() && message.fields.size() < kFieldsMax) {
      message.fields.push_back({label, value});
    }
  };
  if (finding != nullptr) add("Severity", std::string(name(finding->severity)));
  add("Key", event.api_key_id.value_or(event.claimed_kid.value_or("")));
  add("Address", event.ip);
  add("Country", event.geo.value_or(""));
  add("Network", event.network.value_or(""));
  add("Request", event.endpoint);
  add("Error", event.error.value_or(""));
  add("By", event.actor.value_or(""));
  add("Time", format_utc(event.timestamp_utc));
  add("Record", record.id);
  return message;
}

}  // namespace

std::string slack_escape(std::string_view text, std::size_t characters_max) {
  std::string out;
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!continues(text[i]) && characters++ == characters_max) {
      out += kCutMark;
      break;
    }
    switch (text[i]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += text[i];
    }
  }
  return out;
}

std::vector<SlackMessage> slack_messages(const Batch& batch) {
  std::vector<SlackMessage> messages;
  std::map<std::string, std::size_t> known;  // topic -> place
  for (std::size_t i = 0; i < batch.size(); ++i) {
    SlackMessage message = message_of(batch[i]);
    message.records.push_back(i);
    const auto before = known.find(message.topic);
    // Of one incident every word is told, in its thread.
    const bool alone = message.urgent || !message.incident.empty();
    if (!alone && before != known.end()) {
      messages[before->second].records.push_back(i);
      continue;
    }
    if (!alone) known.emplace(message.topic, messages.size());
    messages.push_back(std::move(message));
  }
  return messages;
}

SlackMessage slack_more(const std::string& title, std::uint64_t count) {
  SlackMessage message;
  message.title = std::to_string(count) + " more in the last minute: " + title;
  return message;
}

std::string slack_body(const SlackMessage& message, const std::string& channel,
                       const std::string& thread_ts) {
  std::string title = slack_escape(message.title, kTitleMax);
  if (message.records.size() > 1) {
    title = std::to_string(message.records.size()) + " \xC3\x97 " + title;
  }
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  if (!channel.empty()) json.field("channel", channel);
  if (!thread_ts.empty()) json.field("thread_ts", thread_ts);
  json.field("text", title).key("blocks").begin_array();
  json.begin_object().field("type", "section").key("text").begin_object();
  json.field("type", "mrkdwn").field("text", "*" + title + "*").field("verbatim", true);
  json.end_object().end_object();
  if (!message.fields.empty()) {
    json.begin_object().field("type", "section").key("fields").begin_array();
    for (const SlackField& field : message.fields) {
      json.begin_object().field("type", "mrkdwn");
      json.field("text", "*" + field.name + "*\n" + slack_escape(field.value, kValueMax));
      json.field("verbatim", true).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return out;
}

}  // namespace sallyport::notify
