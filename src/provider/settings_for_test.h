// SPDX-License-Identifier: Apache-2.0
// Settings in memory, for tests.
#pragma once

#include <map>
#include <string>

#include "event/ports/setting_store.h"

namespace sallyport::provider {

class SettingsForTest final : public SettingStore {
 public:
  Result<std::optional<std::string>> get(std::string_view name) override {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : std::optional(at->second);
  }
  Result<void> put(std::string_view name, std::string_view value) override {
    values.insert_or_assign(std::string(name), std::string(value));
    return {};
  }
  Result<bool> put_new(std::string_view, std::string_view) override { return false; }
  Result<bool> replace(std::string_view, const std::optional<std::string>&,
                       std::string_view) override {
    return false;
  }
  std::map<std::string, std::string, std::less<>> values;
};

}  // namespace sallyport::provider
