// SPDX-License-Identifier: Apache-2.0
// Settings of the installation in SQLite: implements event/ports/setting_store.h.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "event/ports/setting_store.h"
#include "store/config.h"

namespace sallyport::store {

class Sqlite;

class SqliteSettings final : public SettingStore {
 public:
  static Result<std::unique_ptr<SqliteSettings>> open(const Config& config);
  ~SqliteSettings() override;

  Result<std::optional<std::string>> get(std::string_view name) override;
  Result<void> put(std::string_view name, std::string_view value) override;
  Result<bool> put_new(std::string_view name, std::string_view value) override;
  Result<bool> replace(std::string_view name, const std::optional<std::string>& before,
                       std::string_view value) override;

 private:
  explicit SqliteSettings(std::string path);
  Result<Sqlite*> database();
  Result<int> write(const char* sql, std::string_view name, std::string_view value,
                    const std::optional<std::string>& before = {});

  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<Sqlite> database_;
};

}  // namespace sallyport::store
