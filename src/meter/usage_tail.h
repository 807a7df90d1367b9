// SPDX-License-Identifier: Apache-2.0
// Picks a few members out of a JSON answer of any size while it passes, without keeping it: usage
// stands at the end of megabytes of embeddings. Looks at the top level and into `response`, where
// the events of a responses stream have theirs. Trusts nothing: text that is not JSON may hide a
// member, it costs no more memory and time than its length.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::meter {

class UsageTail {
 public:
  static constexpr std::size_t kValueBytesMax = 16 * 1024;  // a longer value is not kept

  void feed(std::string_view bytes);
  // Raw JSON of a captured member ("usage", "model", "service_tier"); empty if it has not ended
  // yet.
  std::string_view value(std::string_view name) const;

 private:
  static constexpr std::array<std::string_view, 3> kWanted{"usage", "model", "service_tier"};
  enum class In { kStart, kKey, kKeyText, kColon, kValue, kAfter, kDone };
  void step(char c);
  void begin_value(char c);
  void end_value();
  void end_object();
  void keep(std::string_view bytes);
  void pass_string(std::string_view& bytes);
  void pass_nested(std::string_view& bytes);

  In in_ = In::kStart;
  std::size_t depth_ = 0;  // of the value being passed, below the top
  bool in_response_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
  bool capturing_ = false;
  std::string key_;
  std::string text_;
  std::size_t wanted_ = 0;  // which of kWanted, while capturing
  std::array<std::string, kWanted.size()> values_;
};

}  // namespace sallyport::meter
