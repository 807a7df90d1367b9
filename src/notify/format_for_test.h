// SPDX-License-Identifier: Apache-2.0
// For tests of formats: a sink's entry, a batch, and verdicts as short texts.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http_client.h"
#include "notify/config.h"
#include "notify/sink.h"

namespace sallyport::notify {

inline SinkConfig entry_for_test(std::string type, std::string url, std::string_view token) {
  SinkConfig config;
  config.name = "one";
  config.type = std::move(type);
  config.url = std::move(url);
  config.token = std::make_shared<const Secret>(token);
  config.allow.push_back(*Cidr::parse("127.0.0.1"));
  return config;
}

inline Outgoing record_for_test(std::uint64_t seq) {
  Outgoing record;
  record.seq = seq;
  record.id = "gw1.example/audit:" + std::to_string(seq);
  record.event.timestamp_utc = *parse_utc("2026-01-01T00:00:00.123Z");
  record.event.api_key_id = "user_42";
  record.event.endpoint = "POST /v1/chat/completions";
  record.event.ip = "203.0.113.9";
  record.event.status = 401;
  record.event.error = "invalid_api_key";
  record.event.seq = seq;
  append_event(record.line, record.event);
  return record;
}

// `fields` of a finding, as the log has them.
inline std::shared_ptr<const Finding> finding_for_test(const std::string& fields) {
  const Result<Event> read =
      parse_event(R"({"timestamp_utc":"2026-01-01T00:00:00.000Z","finding":)" + fields + "}");
  return read ? read->finding : throw std::invalid_argument(fields);
}

inline Batch batch_for_test(std::size_t size) {
  Batch batch;
  for (std::size_t i = 0; i < size; ++i) batch.push_back(record_for_test(i + 1));
  return batch;
}

inline const std::string* header_of(const net::Question& question, std::string_view name) {
  for (const auto& [field, value] : question.headers) {
    if (field == name) return &value;
  }
  return nullptr;
}

// "done", "again", "again 1,2", "halve", "stop"; then " dead 0,3".
inline std::string short_of(const Verdict& verdict) {
  static constexpr const char* kWords[] = {"done", "again", "halve", "stop"};
  std::string out = kWords[static_cast<int>(verdict.kind)];
  for (std::size_t i = 0; i < verdict.again.size(); ++i) {
    out += (i == 0 ? " " : ",") + std::to_string(verdict.again[i]);
  }
  for (std::size_t i = 0; i < verdict.dead.size(); ++i) {
    out += (i == 0 ? " dead " : ",") + std::to_string(verdict.dead[i].index);
  }
  return out;
}

struct JudgeCase {
  const char* why;
  std::size_t batch;
  int status;
  const char* body;
  const char* verdict;
};

}  // namespace sallyport::notify
