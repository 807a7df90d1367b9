// SPDX-License-Identifier: Apache-2.0
// What Slack is told about records: few words, the same things together, everything from outside
// escaped and cut to Slack's limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "notify/sink.h"

namespace sallyport::notify {

struct SlackField {
  std::string name;
  std::string value;  // as it came
};

// One message; several records of one kind about one key share it.
struct SlackMessage {
  std::string topic;     // what is coalesced: kind, rule and key
  std::string title;     // as it came
  std::string incident;  // id; empty: none
  bool urgent = false;   // never held back
  std::vector<SlackField> fields;
  std::vector<std::size_t> records;  // indexes in the batch
};

// In the order of their first records.
std::vector<SlackMessage> slack_messages(const Batch& batch);

// "3 more like this in the last minute", for what was held back.
SlackMessage slack_more(const std::string& title, std::uint64_t count);

// {"text":...,"blocks":[...]}, with `channel` and `thread_ts` where they are not empty.
std::string slack_body(const SlackMessage& message, const std::string& channel,
                       const std::string& thread_ts);

// & < > escaped, so that nothing becomes a link or calls a channel; at most `characters_max`
// characters and a mark.
std::string slack_escape(std::string_view text, std::size_t characters_max);

}  // namespace sallyport::notify
