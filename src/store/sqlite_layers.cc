// SPDX-License-Identifier: Apache-2.0
// The part of SqliteKeys that keeps layers, and what is written of keys off the path of requests.
#include <utility>

#include "store/sqlite.h"
#include "store/sqlite_keys.h"
#include "store/sqlite_rows.h"

namespace sallyport::store {
namespace {

using keys::LayerInfo;
using keys::LayerRow;

// The columns in the order of read_layer.
#define SALLYPORT_LAYER_COLUMNS                                                        \
  "path, version, revoked, owner, created_at, created_by, expires_at, issued_before, " \
  "revoked_at, revoked_by, revoked_why, restrictions"
constexpr char kLoad[] =
    "SELECT " SALLYPORT_LAYER_COLUMNS " FROM layers WHERE version > ?1 ORDER BY version";
constexpr char kFind[] = "SELECT " SALLYPORT_LAYER_COLUMNS " FROM layers WHERE path = ?1";
#undef SALLYPORT_LAYER_COLUMNS

constexpr char kPut[] =
    "INSERT INTO layers (path, owner, created_at, created_by, expires_at, restrictions) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (path) DO UPDATE SET owner = excluded.owner, "
    "expires_at = excluded.expires_at, restrictions = excluded.restrictions WHERE revoked = 0";
constexpr char kRevoke[] =
    "UPDATE layers SET revoked = 1, revoked_at = ?2, revoked_by = ?3, revoked_why = ?4 "
    "WHERE path = ?1 AND revoked = 0";
constexpr char kForward[] =
    "UPDATE layers SET issued_before = ?2 "
    "WHERE path = ?1 AND (issued_before IS NULL OR issued_before < ?2)";
constexpr char kRemac[] =
    "UPDATE keys SET mac = ?3, pepper_id = ?4 WHERE kid = ?1 AND pepper_id = ?2";
constexpr char kUsed[] =
    "INSERT INTO key_use (kid, last_used_at) VALUES (?1, ?2) ON CONFLICT (kid) DO UPDATE SET "
    "last_used_at = max(last_used_at, excluded.last_used_at)";

LayerRow read_layer(const Statement& row) {
  LayerRow layer;
  layer.info.path = row.text(0);
  layer.info.version = static_cast<std::uint64_t>(row.integer(1));
  layer.info.revoked = row.integer(2) != 0;
  layer.info.owner = row.text(3);
  layer.info.created_at = row.time(4);
  layer.info.created_by = row.text(5);
  layer.info.expires_at = row.maybe_time(6);
  layer.info.issued_before = row.maybe_time(7);
  layer.info.revoked_at = row.maybe_time(8);
  layer.info.revoked_by = row.maybe_text(9);
  layer.info.revoked_why = row.maybe_text(10);
  layer.damaged = !read_restrictions(row.text(11), layer.info.restrictions);
  return layer;
}

Result<LayerRow> find(Sqlite& database, std::string_view path) {
  const auto query = database.prepare(kFind);
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->bind(1, path).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return fail(Code::kNotFound, "there is no layer " + std::string(path));
  return read_layer(**query);
}

Result<void> put(Sqlite& database, const LayerInfo& layer) {
  const std::string_view above = keys::layer_parent(layer.path);
  if (!above.empty()) {
    const Result<LayerRow> parent = find(database, above);
    if (!parent) return std::unexpected(parent.error());
    if (parent->info.revoked) {
      return fail(Code::kDenied, "the layer " + std::string(above) + " is revoked");
    }
  }
  const auto statement = database.prepare(kPut);
  if (!statement) return std::unexpected(statement.error());
  (*statement)
      ->bind(1, std::string_view(layer.path))
      .bind(2, std::string_view(layer.owner))
      .bind(3, layer.created_at)
      .bind(4, std::string_view(layer.created_by))
      .bind(5, layer.expires_at)
      .bind(6, std::string_view(restrictions_json(layer.restrictions)));
  return (*statement)->run();
}

Result<void> end(Sqlite& database, const keys::LayerEnding& ending) {
  if (ending.revocation) {
    const auto update = database.prepare(kRevoke);
    if (!update) return std::unexpected(update.error());
    (*update)
        ->bind(1, std::string_view(ending.path))
        .bind(2, ending.revocation->at)
        .bind(3, std::string_view(ending.revocation->by))
        .bind(4, std::string_view(ending.revocation->why));
    const Result<void> updated = (*update)->run();
    if (!updated) return updated;
  }
  if (!ending.issued_before) return {};
  const auto update = database.prepare(kForward);
  if (!update) return std::unexpected(update.error());
  return (*update)->bind(1, std::string_view(ending.path)).bind(2, *ending.issued_before).run();
}

}  // namespace

Result<std::vector<LayerRow>> SqliteKeys::load_layers(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare(kLoad);
  if (!query) return std::unexpected(query.error());
  (*query)->bind(1, static_cast<std::int64_t>(version));

  std::vector<LayerRow> rows;
  for (;;) {
    const Result<bool> more = (*query)->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return rows;
    rows.push_back(read_layer(**query));
  }
}

Result<std::vector<LayerRow>> SqliteKeys::put_layers(std::span<const LayerInfo> layers) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  std::vector<LayerRow> rows;
  for (const LayerInfo& layer : layers) {
    const Result<void> done = put(**database, layer);
    if (!done) return std::unexpected(done.error());
    Result<LayerRow> row = find(**database, layer.path);
    if (!row) return std::unexpected(row.error());
    if (row->info.revoked) return fail(Code::kDenied, "the layer " + layer.path + " is revoked");
    rows.push_back(std::move(*row));
  }
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return rows;
}

Result<LayerRow> SqliteKeys::end_layer(const keys::LayerEnding& ending) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  const Result<void> ended = end(**database, ending);
  if (!ended) return std::unexpected(ended.error());
  Result<LayerRow> row = find(**database, ending.path);
  if (!row) return row;
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return row;
}

Result<void> SqliteKeys::remac(std::span<const keys::Remac> keys) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  for (const keys::Remac& key : keys) {
    const auto update = (*database)->prepare(kRemac);
    if (!update) return std::unexpected(update.error());
    (*update)
        ->bind(1, std::string_view(key.kid))
        .bind(2, std::string_view(key.old_pepper_id))
        .bind_blob(3, {reinterpret_cast<const char*>(key.mac.data()), key.mac.size()})
        .bind(4, std::string_view(key.pepper_id));
    const Result<void> updated = (*update)->run();
    if (!updated) return updated;
  }
  return (*transaction)->commit();
}

Result<void> SqliteKeys::note_used(std::span<const keys::KeyUse> uses) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  for (const keys::KeyUse& use : uses) {
    const auto update = (*database)->prepare(kUsed);
    if (!update) return std::unexpected(update.error());
    const Result<void> updated =
        (*update)->bind(1, std::string_view(use.kid)).bind(2, use.at).run();
    if (!updated) return updated;
  }
  return (*transaction)->commit();
}

}  // namespace sallyport::store
