// SPDX-License-Identifier: Apache-2.0
// Writes the lines as docs/events.md has them: the mission's twelve fields alone, or with ours.
#pragma once

#include <string>

#include "world.h"

namespace sallyport::traffic {

// A credential lives eight hours; the key keeps its name.
std::string kid_of(const World& world, std::uint16_t key, Ms time);

class LogWriter {
 public:
  explicit LogWriter(const World& world) : world_(world) {}  // `world` outlives the writer
  void append(std::string& out, const Line& line);           // with its newline

 private:
  void append_time(std::string& out, Ms time);
  void append_ours(std::string& out, const Line& line);

  const World& world_;
  Ms second_ = -1;  // of which `clock_` is the text
  std::string clock_;
  std::uint64_t number_ = 0;
};

}  // namespace sallyport::traffic
