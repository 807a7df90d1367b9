// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/clock.h"
#include "base/json_writer.h"

namespace sallyport::log {
namespace {

constexpr std::size_t kLineBytesMax = 4096;
constexpr std::size_t kValueBytesMax = 1024;
constexpr std::size_t kTailBytes = 16;  // room for the mark that something was left out

struct Setting {
  std::atomic<Level> level{Level::kInfo};
  std::atomic<bool> json{false};
};

Setting& setting() {
  static Setting instance;
  return instance;
}

// Never destroyed: threads may still log while the process ends.
spdlog::logger& logger() {
  static auto* const instance = [] {
    auto* const created =
        new spdlog::logger("stderr", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("%v");
    created->set_level(spdlog::level::trace);
    created->flush_on(spdlog::level::trace);
    return created;
  }();
  return *instance;
}

std::string_view name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "error";
}

bool is_bare(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
}

// Cut at a character's begin, so that the cut itself does not look like broken UTF-8.
std::string_view cut(std::string_view text) {
  if (text.size() <= kValueBytesMax) return text;
  std::size_t end = kValueBytesMax;
  while (end > kValueBytesMax - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

void append_text(std::string& line, std::string_view name, std::string_view value) {
  line.push_back(' ');
  line.append(name).push_back('=');
  if (is_bare(value)) {
    line.append(value);
  } else {
    append_json_string(line, value);
  }
}

void append_json(std::string& line, std::string_view name, std::string_view value) {
  line.push_back(',');
  append_json_string(line, name);
  line.push_back(':');
  append_json_string(line, value);
}

std::string head(Level level, std::string_view event, bool json) {
  std::string line = json ? "{\"time_utc\":\"" : "";
  append_utc(line, SystemClock().now());
  if (!json) {
    line.push_back(' ');
    line.append(name(level)).push_back(' ');
    if (is_bare(event)) {
      line.append(cut(event));
    } else {
      append_json_string(line, cut(event));
    }
    return line;
  }
  line.push_back('"');
  append_json(line, "level", name(level));
  append_json(line, "event", cut(event));
  return line;
}

}  // namespace

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < setting().level.load(std::memory_order_relaxed)) return;
  const bool json = setting().json.load(std::memory_order_relaxed);
  const auto append = json ? append_json : append_text;
  std::string line = head(level, event, json);
  for (const Field& field : fields) {
    const std::size_t before = line.size();
    append(line, field.name, cut(field.value));
    if (line.size() <= kLineBytesMax - kTailBytes) continue;
    line.resize(before);
    append(line, "trunc", "true");
    break;
  }
  if (json) line.push_back('}');
  logger().log(spdlog::level::critical, spdlog::string_view_t(line.data(), line.size()));
}

void configure(Level level, bool json) {
  setting().level.store(level, std::memory_order_relaxed);
  setting().json.store(json, std::memory_order_relaxed);
}

}  // namespace sallyport::log
