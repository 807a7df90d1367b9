// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_settings.h"

#include <utility>

#include "store/sqlite.h"

namespace sallyport::store {

SqliteSettings::SqliteSettings(std::string path) : path_(std::move(path)) {}
SqliteSettings::~SqliteSettings() = default;

Result<std::unique_ptr<SqliteSettings>> SqliteSettings::open(const Config& config) {
  std::unique_ptr<SqliteSettings> opened(new SqliteSettings(config.path));
  const Result<Sqlite*> database = opened->database();
  if (!database) return std::unexpected(database.error());
  return opened;
}

Result<Sqlite*> SqliteSettings::database() { return Sqlite::reopen(database_, path_); }

Result<std::optional<std::string>> SqliteSettings::get(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare("SELECT value FROM settings WHERE name = ?1");
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->bind(1, name).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return (*query)->text(0);
}

// One statement is a transaction of its own, durable when it returns. The value is the rows
// written.
Result<int> SqliteSettings::write(const char* sql, std::string_view name, std::string_view value,
                                  const std::optional<std::string>& before) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto statement = (*database)->prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  (*statement)->bind(1, name).bind(2, value);
  if (before) (*statement)->bind(3, std::string_view(*before));
  const Result<void> done = (*statement)->run();
  if (!done) return std::unexpected(done.error());
  return (*database)->changes();
}

Result<void> SqliteSettings::put(std::string_view name, std::string_view value) {
  const Result<int> written = write(
      "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = "
      "excluded.value",
      name, value);
  if (!written) return std::unexpected(written.error());
  return {};
}

Result<bool> SqliteSettings::put_new(std::string_view name, std::string_view value) {
  const Result<int> written =
      write("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING", name, value);
  if (!written) return std::unexpected(written.error());
  return *written == 1;
}

Result<bool> SqliteSettings::replace(std::string_view name,
                                     const std::optional<std::string>& before,
                                     std::string_view value) {
  if (!before) return put_new(name, value);
  const Result<int> written =
      write("UPDATE settings SET value = ?2 WHERE name = ?1 AND value = ?3", name, value, before);
  if (!written) return std::unexpected(written.error());
  return *written == 1;
}

}  // namespace sallyport::store
