// SPDX-License-Identifier: Apache-2.0
// Writes JSON that one line can hold: control characters, U+2028, U+2029 and invalid UTF-8 are
// escaped, so a value from a request can never end a log line or start another field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

void append_json_string(std::string& out, std::string_view text);  // with quotes

// Objects and arrays are opened and closed by the caller in order; commas are ours.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}  // `out` outlives the writer

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
  JsonWriter& value(unsigned number) { return value(static_cast<std::uint64_t>(number)); }
  JsonWriter& value(
      double number);  // shortest form that reads back; NaN and infinities become null
  JsonWriter& value(bool boolean);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // already JSON
  template <class T>
  JsonWriter& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

 private:
  void separate();
  std::string& out_;
  bool comma_ = false;
};

}  // namespace sallyport
