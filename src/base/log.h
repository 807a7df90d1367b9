// SPDX-License-Identifier: Apache-2.0
// The operator's log on stderr: short events with fields, for a person at night. It is not the
// audit record. Values are escaped so that nothing a client sends can forge a line.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace sallyport::log {

enum class Level { kDebug, kInfo, kWarn, kError };

struct Field {
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(v) {}
  Field(std::string_view n, const std::string& v) : name(n), value(v) {}
  Field(std::string_view n, std::int64_t v) : name(n), value(std::to_string(v)) {}
  Field(std::string_view n, std::uint64_t v) : name(n), value(std::to_string(v)) {}
  Field(std::string_view n, int v) : name(n), value(std::to_string(v)) {}
  Field(std::string_view n, unsigned v) : name(n), value(std::to_string(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v ? "true" : "false") {}
  std::string_view name;
  std::string value;
};

// `event` is a stable, lower-case phrase ("journal.write_failed"). Thread safe. One line, at most 4
// KiB.
void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});

inline void debug(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kDebug, e, f);
}
inline void info(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kInfo, e, f);
}
inline void warn(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kWarn, e, f);
}
inline void error(std::string_view e, std::initializer_list<Field> f = {}) {
  write(Level::kError, e, f);
}

// Lines below `level` are dropped. `json` writes JSON lines instead of text. Call once, at start.
void configure(Level level, bool json);

}  // namespace sallyport::log
