// SPDX-License-Identifier: Apache-2.0
// The files API over memory. Bounded: what does not fit is refused, nothing is thrown out.
#pragma once

#include <map>
#include <string>

#include "sim/answer.h"
#include "sim/form.h"
#include "sim/options.h"

namespace sallyport::sim {

class Files {
 public:
  explicit Files(const SimOptions& options) : options_(options) {}  // outlives this

  Answer create(const Call& call, const Form& form);
  Answer list(std::string_view query) const;
  Answer get(std::string_view id) const;
  Answer content(std::string_view id) const;
  Answer remove(std::string_view id);

 private:
  struct File {
    std::string id, purpose, name, bytes;
    std::int64_t created;
  };
  static void write(JsonWriter& json, const File& file);
  const File* find(std::string_view id) const;

  const SimOptions& options_;
  std::vector<File> files_;  // oldest first
  std::size_t bytes_ = 0;
  std::uint64_t made_ = 0;
};

}  // namespace sallyport::sim
