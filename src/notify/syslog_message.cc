// SPDX-License-Identifier: Apache-2.0
#include "notify/syslog_message.h"

#include "base/json_writer.h"
#include "notify/record_cef.h"
#include "notify/record_format.h"
#include "notify/severity.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kMessageIdBytesMax = 32;

int priority(int facility, Severity severity) {
  static constexpr int kWords[] = {6, 5, 4, 3, 2};  // informational ... critical
  return facility * 8 + kWords[static_cast<int>(severity)];
}

// RFC 5424 6.3.3: the three that end or begin something. Control characters cannot stand there.
void append_parameter(std::string& out, std::string_view name, std::string_view value) {
  out += ' ';
  out += name;
  out += "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == ']') out += '\\';
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  out += '"';
}

void append_data(std::string& out, const Outgoing& record, const SyslogWords& words) {
  out += "[sallyport@" + words.enterprise;
  append_parameter(out, "id", record.id);
  append_parameter(out, "seq", std::to_string(record.seq));
  if (record.event.api_key_id) append_parameter(out, "key", *record.event.api_key_id);
  if (record.event.status) append_parameter(out, "status", std::to_string(*record.event.status));
  out += ']';
}

std::string message_of(const Outgoing& record, const SyslogWords& words) {
  std::string text;
  if (words.cef) {
    append_cef(text, record, words.version);
  } else {
    record_formats()[0].append(text, record);
  }
  return text;
}

}  // namespace

std::string syslog_name(std::string_view text, std::size_t bytes_max) {
  std::string name;
  for (const char c : text.substr(0, bytes_max)) name += c > ' ' && c < 0x7f ? c : '_';
  return name.empty() ? "-" : name;
}

void append_syslog(std::string& out, const Outgoing& record, const SyslogWords& words) {
  std::string message = '<' + std::to_string(priority(words.facility, severity_of(record.event))) +
                        ">1 " + format_utc(record.event.timestamp_utc) + ' ' + words.host +
                        " sallyport - " + syslog_name(name(record.event.kind), kMessageIdBytesMax) +
                        ' ';
  append_data(message, record, words);
  message += ' ';
  std::string text = message_of(record, words);
  if (message.size() + text.size() > words.message_bytes) {
    // A receiver would cut it somewhere; whoever needs the record finds it by its id.
    const std::size_t bytes = text.size();
    text.clear();
    JsonWriter(text).begin_object().field("id", record.id).field("cut_bytes", bytes).end_object();
  }
  message += text;
  out += std::to_string(message.size());
  out += ' ';
  out += message;
}

}  // namespace sallyport::notify
