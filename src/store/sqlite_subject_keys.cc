// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_subject_keys.h"

#include <utility>

#include "store/sqlite.h"

namespace sallyport::store {

SqliteSubjectKeys::SqliteSubjectKeys(std::string path) : path_(std::move(path)) {}
SqliteSubjectKeys::~SqliteSubjectKeys() = default;

Result<std::unique_ptr<SqliteSubjectKeys>> SqliteSubjectKeys::open(const Config& config) {
  std::unique_ptr<SqliteSubjectKeys> opened(new SqliteSubjectKeys(config.path));
  const Result<Sqlite*> database = opened->database();
  if (!database) return std::unexpected(database.error());
  return opened;
}

Result<Sqlite*> SqliteSubjectKeys::database() { return Sqlite::reopen(database_, path_); }

Result<std::optional<vault::StoredSecret>> SqliteSubjectKeys::find(const char* sql,
                                                                   std::string_view name) {
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare(sql);
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->bind(1, name).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return vault::StoredSecret{(*query)->text(0), (*query)->text(1), (*query)->text(2)};
}

Result<std::optional<vault::StoredSecret>> SqliteSubjectKeys::of_owner(std::string_view owner) {
  const std::lock_guard lock(mutex_);
  return find("SELECT owner, id, wrapped FROM subject_keys WHERE owner = ?1", owner);
}

Result<std::optional<vault::StoredSecret>> SqliteSubjectKeys::of_id(std::string_view id) {
  const std::lock_guard lock(mutex_);
  return find("SELECT owner, id, wrapped FROM subject_keys WHERE id = ?1", id);
}

Result<vault::StoredSecret> SqliteSubjectKeys::put_new(const vault::StoredSecret& secret) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  {
    const auto insert = (*database)->prepare(
        "INSERT INTO subject_keys (owner, id, wrapped) VALUES (?1, ?2, ?3) "
        "ON CONFLICT (owner) DO NOTHING");
    if (!insert) return std::unexpected(insert.error());
    (*insert)->bind(1, std::string_view(secret.owner)).bind(2, std::string_view(secret.id));
    (*insert)->bind_blob(3, secret.wrapped);
    const Result<void> done = (*insert)->run();
    if (!done) return std::unexpected(done.error());
  }
  auto kept = find("SELECT owner, id, wrapped FROM subject_keys WHERE owner = ?1", secret.owner);
  if (!kept) return std::unexpected(kept.error());
  if (!*kept) return fail(Code::kUnavailable, "a secret that was stored is not there");
  return std::move(**kept);
}

Result<std::size_t> SqliteSubjectKeys::remove(const char* sql, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto statement = (*database)->prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  const Result<void> done = (*statement)->bind(1, name).run();
  if (!done) return std::unexpected(done.error());
  return static_cast<std::size_t>((*database)->changes());
}

Result<void> SqliteSubjectKeys::wipe_traces() {
  const std::lock_guard lock(wiping_);
  const Result<Sqlite*> database = Sqlite::reopen(wiper_, path_);
  if (!database) return std::unexpected(database.error());
  const auto checkpoint = (*database)->prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  if (!checkpoint) return std::unexpected(checkpoint.error());
  const Result<bool> row = (*checkpoint)->step();
  if (!row) return std::unexpected(row.error());
  if (!*row || (*checkpoint)->integer(0) == 0) return {};
  return fail(Code::kUnavailable,
              "forgotten, but the store's write-ahead log is in use and keeps a trace; it is tried "
              "again within the hour");
}

Result<std::size_t> SqliteSubjectKeys::forget(std::string_view owner) {
  return remove("DELETE FROM subject_keys WHERE owner = ?1", owner);
}

Result<std::size_t> SqliteSubjectKeys::forget_days_before(std::string_view day) {
  return remove("DELETE FROM subject_keys WHERE owner >= 'day:' AND owner < 'day:' || ?1", day);
}

Result<std::optional<std::string>> SqliteSubjectKeys::oldest_day() {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare(
      "SELECT min(owner) FROM subject_keys WHERE owner >= 'day:' AND owner < 'day;'");
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->step();
  if (!row) return std::unexpected(row.error());
  const auto owner = *row ? (*query)->maybe_text(0) : std::nullopt;
  if (!owner) return std::nullopt;
  return owner->substr(4);
}

}  // namespace sallyport::store
