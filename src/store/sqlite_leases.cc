// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_leases.h"

#include <utility>

#include "store/sqlite.h"

namespace sallyport::store {
namespace {

using provider::LeaseRow;
using provider::LeaseState;

Result<LeaseState> state_of(const std::string& text) {
  for (const LeaseState state :
       {LeaseState::kCreating, LeaseState::kActive, LeaseState::kRetiring}) {
    if (text == provider::name(state)) return state;
  }
  return fail(Code::kCorrupt, "leases: a state that is none");
}

Result<void> write(Sqlite& database, const LeaseRow& row) {
  const auto statement = database.prepare(
      "INSERT INTO leases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO UPDATE SET "
      "upstream = excluded.upstream, state = excluded.state, account_id = excluded.account_id, "
      "key_id = excluded.key_id, since = excluded.since");
  if (!statement) return std::unexpected(statement.error());
  return (*statement)
      ->bind(1, std::string_view(row.name))
      .bind(2, std::string_view(row.upstream))
      .bind(3, std::string_view(row.project))
      .bind(4, static_cast<std::int64_t>(row.generation))
      .bind(5, provider::name(row.state))
      .bind(6, std::string_view(row.account_id))
      .bind(7, std::string_view(row.key_id))
      .bind(8, row.since)
      .run();
}

Result<std::int64_t> next_generation(Sqlite& database) {
  const Result<void> raised = database.run("UPDATE lease_generation SET value = value + 1");
  if (!raised) return std::unexpected(raised.error());
  const auto query = database.prepare("SELECT value FROM lease_generation");
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return fail(Code::kCorrupt, "leases: the generation is gone");
  return (*query)->integer(0);
}

}  // namespace

SqliteLeases::SqliteLeases(std::string path) : path_(std::move(path)) {}
SqliteLeases::~SqliteLeases() = default;

Result<std::unique_ptr<SqliteLeases>> SqliteLeases::open(const Config& config) {
  std::unique_ptr<SqliteLeases> opened(new SqliteLeases(config.path));
  const Result<Sqlite*> database = opened->database();
  if (!database) return std::unexpected(database.error());
  return opened;
}

Result<Sqlite*> SqliteLeases::database() { return Sqlite::reopen(database_, path_); }

Result<std::vector<LeaseRow>> SqliteLeases::list() {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare(
      "SELECT name, upstream, project, generation, state, account_id, key_id, since FROM leases "
      "ORDER BY generation");
  if (!query) return std::unexpected(query.error());
  std::vector<LeaseRow> rows;
  for (;;) {
    const Result<bool> more = (*query)->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return rows;
    const Result<LeaseState> state = state_of((*query)->text(4));
    if (!state) return std::unexpected(state.error());
    rows.push_back({.name = (*query)->text(0),
                    .upstream = (*query)->text(1),
                    .project = (*query)->text(2),
                    .generation = static_cast<std::uint64_t>((*query)->integer(3)),
                    .state = *state,
                    .account_id = (*query)->text(5),
                    .key_id = (*query)->text(6),
                    .since = (*query)->time(7)});
  }
}

Result<LeaseRow> SqliteLeases::begin(std::string_view upstream, std::string_view project,
                                     std::string_view instance, UtcTime now) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  const Result<std::int64_t> generation = next_generation(**database);
  if (!generation) return std::unexpected(generation.error());
  LeaseRow row;
  row.generation = static_cast<std::uint64_t>(*generation);
  row.name = provider::lease_name(instance, row.generation);
  row.upstream = upstream;
  row.project = project;
  row.since = now;
  const Result<void> written = write(**database, row);
  if (!written) return std::unexpected(written.error());
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return row;
}

Result<void> SqliteLeases::put(const std::vector<LeaseRow>& rows) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  for (const LeaseRow& row : rows) {
    const Result<void> written = write(**database, row);
    if (!written) return written;
  }
  return (*transaction)->commit();
}

Result<void> SqliteLeases::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto statement = (*database)->prepare("DELETE FROM leases WHERE name = ?1");
  if (!statement) return std::unexpected(statement.error());
  return (*statement)->bind(1, name).run();
}

}  // namespace sallyport::store
