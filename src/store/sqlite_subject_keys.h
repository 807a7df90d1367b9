// SPDX-License-Identifier: Apache-2.0
// Secrets of subjects and days in SQLite, wrapped: implements vault/subject_keys.h. Deleted ones
// are overwritten (secure_delete) and the write-ahead log is emptied; a backup of the file keeps
// them, useless without the root key.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "store/config.h"
#include "vault/subject_keys.h"

namespace sallyport::store {

class Sqlite;

class SqliteSubjectKeys final : public vault::SubjectKeyStore {
 public:
  static Result<std::unique_ptr<SqliteSubjectKeys>> open(const Config& config);
  ~SqliteSubjectKeys() override;

  Result<std::optional<vault::StoredSecret>> of_owner(std::string_view owner) override;
  Result<std::optional<vault::StoredSecret>> of_id(std::string_view id) override;
  Result<vault::StoredSecret> put_new(const vault::StoredSecret& secret) override;
  Result<std::size_t> forget(std::string_view owner) override;
  Result<std::size_t> forget_days_before(std::string_view day) override;
  Result<std::optional<std::string>> oldest_day() override;
  Result<void> wipe_traces() override;

 private:
  explicit SqliteSubjectKeys(std::string path);
  Result<Sqlite*> database();
  Result<std::optional<vault::StoredSecret>> find(const char* sql, std::string_view name);
  Result<std::size_t> remove(const char* sql, std::string_view name);

  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<Sqlite> database_;
  std::mutex wiping_;
  std::unique_ptr<Sqlite> wiper_;  // a connection of its own, so that nobody waits for it
};

}  // namespace sallyport::store
