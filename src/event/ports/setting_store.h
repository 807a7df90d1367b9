// SPDX-License-Identifier: Apache-2.0
// A few durable settings of the installation itself (the hash of the admin token, marks of the
// first start). Not for anything per request and not for secrets in the clear. Implemented by
// `store`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport {

class SettingStore {
 public:
  virtual ~SettingStore() = default;
  // Any thread; blocks on the disk, at most about 2 s. A store that does not answer is
  // kUnavailable, never "there is no such setting".
  virtual Result<std::optional<std::string>> get(std::string_view name) = 0;
  virtual Result<void> put(std::string_view name, std::string_view value) = 0;
  // False, and nothing is changed, if the name has a value already: who comes first decides.
  virtual Result<bool> put_new(std::string_view name, std::string_view value) = 0;
  // False, and nothing is changed, if the name does not have the value `before` any more (none: it
  // had no value): for who reads, changes and writes beside other processes.
  virtual Result<bool> replace(std::string_view name, const std::optional<std::string>& before,
                               std::string_view value) = 0;
};

}  // namespace sallyport
