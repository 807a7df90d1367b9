// SPDX-License-Identifier: Apache-2.0
// A multipart/form-data body, whole in memory, as the simulated provider reads it. Written apart
// from the gate's own reader: two that agree prove more than one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sallyport::sim {

struct Part {
  std::string name;
  std::optional<std::string> filename;
  std::string_view data;  // into the body
};

class Form {
 public:
  static constexpr std::size_t kPartsMax = 200;

  // kInvalid with a reason if the body is not exactly a series of parts and a closing boundary.
  static Result<Form> parse(std::string_view content_type, std::string_view body);

  const Part* find(std::string_view name) const;
  std::string text(std::string_view name) const;  // empty if there is none

 private:
  std::vector<Part> parts_;
};

}  // namespace sallyport::sim
