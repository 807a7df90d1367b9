// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's names for calls of models (semantic conventions, "gen-ai"). They are still in
// development there, so every name we use stands here and nowhere else.
#pragma once

#include <span>
#include <string_view>

#include "event/event.h"

namespace sallyport::notify {

inline constexpr std::string_view kGenAiProvider = "openai";

// "chat" of "POST /v1/chat/completions"; empty where the path is no call of a model.
std::string_view gen_ai_operation(std::string_view endpoint);
// "chat_completions" or "responses": which of OpenAI's ways to say it; empty for others.
std::string_view openai_api_type(std::string_view endpoint);

// Where an attribute's values go. Text lives for the call only.
class AttributeWriter {
 public:
  virtual ~AttributeWriter() = default;
  virtual void text(std::string_view name, std::string_view value) = 0;
  virtual void integer(std::string_view name, std::int64_t value) = 0;
  virtual void number(std::string_view name, double value) = 0;
  virtual void boolean(std::string_view name, bool value) = 0;
};

struct Attribute {
  std::string_view name;
  void (*write)(std::string_view name, const Event& event, AttributeWriter& out);  // if known
};

// Of a call of a model: conventions' names, then ours (sallyport.*).
std::span<const Attribute> call_attributes();
// Of every record: who, from where, what was answered.
std::span<const Attribute> record_attributes();

}  // namespace sallyport::notify
