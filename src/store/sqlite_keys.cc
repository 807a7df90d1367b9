// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_keys.h"

#include <cstring>
#include <utility>

#include "base/log.h"
#include "store/sqlite.h"
#include "store/sqlite_key_rows.h"
#include "store/sqlite_rows.h"

namespace sallyport::store {
namespace {

using keys::KeyRow;

// The columns in the order of read_row.
#define SALLYPORT_KEY_COLUMNS                                                                  \
  "kid, mac, pepper_id, version, state, name, owner, created_at, created_by, not_before, "     \
  "expires_at, revoked_at, revoked_by, revoked_why, replaced_by, endpoints, models, modules, " \
  "purposes, module, purpose, upstream, may_name_organization, layer, restrictions, "          \
  "blocked_at, blocked_by, blocked_why, mapping"

constexpr char kInsert[] = "INSERT INTO keys (" SALLYPORT_KEY_COLUMNS
                           ") VALUES (?1, ?2, ?3, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
                           "?15, '', '', ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, "
                           "?29)";
constexpr char kLoad[] = "SELECT " SALLYPORT_KEY_COLUMNS
                         ", last_used_at, root FROM keys LEFT JOIN key_use USING (kid) "
                         "LEFT JOIN key_roots USING (kid) "
                         "WHERE version > ?1 ORDER BY version";
constexpr char kFind[] = "SELECT " SALLYPORT_KEY_COLUMNS
                         ", last_used_at, root FROM keys LEFT JOIN key_use USING (kid) "
                         "LEFT JOIN key_roots USING (kid) WHERE kid = ?1";
constexpr char kInsertRoot[] = "INSERT INTO key_roots (kid, root) VALUES (?1, ?2)";
#undef SALLYPORT_KEY_COLUMNS

constexpr char kNameLives[] =
    "SELECT 1 FROM keys WHERE name = ?1 AND state <> 'revoked' AND expires_at > ?2 "
    "AND (?3 = '' OR created_by <> ?3 OR blocked_at IS NOT NULL) LIMIT 1";
constexpr char kRevoke[] =
    "UPDATE keys SET state = 'revoked', revoked_at = ?2, revoked_by = ?3, revoked_why = ?4 "
    "WHERE kid = ?1 AND state <> 'revoked'";
constexpr char kBlock[] =
    "UPDATE keys SET blocked_at = ?2, blocked_by = ?3, blocked_why = ?4 "
    "WHERE kid = ?1 AND blocked_at IS NULL AND state <> 'revoked'";
constexpr char kUnblock[] =
    "UPDATE keys SET blocked_at = NULL, blocked_by = NULL, blocked_why = NULL "
    "WHERE kid = ?1 AND blocked_at IS NOT NULL AND state <> 'revoked'";
constexpr char kUpdate[] =
    "UPDATE keys SET owner = ?3, not_before = ?4, expires_at = ?5, modules = ?6, purposes = ?7, "
    "module = ?8, purpose = ?9, upstream = ?10, may_name_organization = ?11, restrictions = ?12 "
    "WHERE kid = ?1 AND version = ?2 AND state <> 'revoked'";

std::string join(const std::vector<std::string>& words) {
  std::string lines;
  for (const std::string& word : words) lines.append(word).append("\n");
  return lines;
}

std::vector<std::string> split(std::string_view lines) {
  std::vector<std::string> words;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    words.emplace_back(
        lines.substr(0, end));  // an empty word stays: it matches nothing, and is not "all"
    if (end == std::string_view::npos) break;
    lines.remove_prefix(end + 1);
  }
  return words;
}

Result<KeyRow> read_row(const Statement& row) {
  KeyRow key;
  key.info.kid = row.text(0);
  const std::string mac = row.text(1);
  const std::optional<keys::KeyState> state = keys::parse_key_state(row.text(4));
  if (mac.size() != key.mac.size() || !state) {
    return fail(Code::kCorrupt, "the row of key " + key.info.kid + " makes no sense");
  }
  std::memcpy(key.mac.data(), mac.data(), mac.size());
  key.pepper_id = row.text(2);
  key.info.version = static_cast<std::uint64_t>(row.integer(3));
  key.info.state = *state;
  key.info.name = row.text(5);
  key.info.owner = row.text(6);
  key.info.created_at = row.time(7);
  key.info.created_by = row.text(8);
  key.info.not_before = row.maybe_time(9);
  key.info.expires_at = row.time(10);
  key.info.revoked_at = row.maybe_time(11);
  key.info.revoked_by = row.maybe_text(12);
  key.info.revoked_why = row.maybe_text(13);
  key.info.replaced_by = row.maybe_text(14);
  const std::string restrictions = row.text(24);
  if (restrictions.empty()) {  // from before there were restrictions
    key.info.restrictions.endpoints = split(row.text(15));
    key.info.restrictions.models = split(row.text(16));
  } else {
    key.damaged = !read_restrictions(restrictions, key.info.restrictions);
  }
  key.info.scope.modules = split(row.text(17));
  key.info.scope.purposes = split(row.text(18));
  key.info.scope.module = row.text(19);
  key.info.scope.purpose = row.text(20);
  key.info.scope.upstream = row.maybe_text(21);
  key.info.scope.may_name_organization = row.integer(22) != 0;
  key.info.layer = row.text(23);
  key.info.blocked_at = row.maybe_time(25);
  key.info.blocked_by = row.maybe_text(26);
  key.info.blocked_why = row.maybe_text(27);
  key.info.mapping = row.text(28);
  key.info.last_used_at = row.maybe_time(29);
  key.derive_root = row.text(30);
  key.info.derive = !key.derive_root.empty();
  return key;
}

void bind_row(Statement& to, const KeyRow& key) {
  to.bind(1, std::string_view(key.info.kid))
      .bind_blob(2, {reinterpret_cast<const char*>(key.mac.data()), key.mac.size()})
      .bind(3, std::string_view(key.pepper_id))
      .bind(5, keys::name(key.info.state))
      .bind(6, std::string_view(key.info.name))
      .bind(7, std::string_view(key.info.owner))
      .bind(8, key.info.created_at)
      .bind(9, std::string_view(key.info.created_by))
      .bind(10, key.info.not_before)
      .bind(11, key.info.expires_at)
      .bind(12, key.info.revoked_at)
      .bind(13, key.info.revoked_by)
      .bind(14, key.info.revoked_why)
      .bind(15, key.info.replaced_by)
      .bind(18, std::string_view(join(key.info.scope.modules)))
      .bind(19, std::string_view(join(key.info.scope.purposes)))
      .bind(20, std::string_view(key.info.scope.module))
      .bind(21, std::string_view(key.info.scope.purpose))
      .bind(22, key.info.scope.upstream)
      .bind(23, std::int64_t{key.info.scope.may_name_organization})
      .bind(24, std::string_view(key.info.layer))
      .bind(25, std::string_view(restrictions_json(key.info.restrictions)))
      .bind(26, key.info.blocked_at)
      .bind(27, key.info.blocked_by)
      .bind(28, key.info.blocked_why)
      .bind(29, std::string_view(key.info.mapping));
}

// The statement runs; what stays as it is is no error.
Result<void> revoke_row(Sqlite& database, const keys::Revocation& revocation) {
  const auto update = database.prepare(kRevoke);
  if (!update) return std::unexpected(update.error());
  (*update)
      ->bind(1, std::string_view(revocation.kid))
      .bind(2, revocation.at)
      .bind(3, std::string_view(revocation.by))
      .bind(4, std::string_view(revocation.why));
  return (*update)->run();
}

Result<void> block_row(Sqlite& database, const keys::Blocking& blocking) {
  const auto update = database.prepare(blocking.on ? kBlock : kUnblock);
  if (!update) return std::unexpected(update.error());
  (*update)->bind(1, std::string_view(blocking.kid));
  if (blocking.on) {
    (*update)
        ->bind(2, blocking.at)
        .bind(3, std::string_view(blocking.by))
        .bind(4, std::string_view(blocking.why));
  }
  return (*update)->run();
}

Result<void> update_row(Sqlite& database, const keys::KeyInfo& key) {
  {
    const auto update = database.prepare(kUpdate);
    if (!update) return std::unexpected(update.error());
    (*update)
        ->bind(1, std::string_view(key.kid))
        .bind(2, static_cast<std::int64_t>(key.version))
        .bind(3, std::string_view(key.owner))
        .bind(4, key.not_before)
        .bind(5, key.expires_at)
        .bind(6, std::string_view(join(key.scope.modules)))
        .bind(7, std::string_view(join(key.scope.purposes)))
        .bind(8, std::string_view(key.scope.module))
        .bind(9, std::string_view(key.scope.purpose))
        .bind(10, key.scope.upstream)
        .bind(11, std::int64_t{key.scope.may_name_organization})
        .bind(12, std::string_view(restrictions_json(key.restrictions)));
    const Result<void> updated = (*update)->run();
    if (!updated || database.changes() == 1) return updated;
  }
  const Result<KeyRow> held = find_key(database, key.kid);
  if (!held) return std::unexpected(held.error());
  if (held->info.state == keys::KeyState::kRevoked) {
    return fail(Code::kDenied, "the key is revoked, for good; create a new one");
  }
  return fail(Code::kExhausted, "the key was changed by somebody else meanwhile");
}

// The row as it stands into `rows`, if it is there.
Result<void> add_row(Sqlite& database, std::string_view kid, std::vector<KeyRow>& rows) {
  Result<KeyRow> row = find_key(database, kid);
  if (row) rows.push_back(std::move(*row));
  if (!row && row.error().code != Code::kNotFound) return std::unexpected(row.error());
  return {};
}

}  // namespace

Result<KeyRow> find_key(Sqlite& database, std::string_view kid) {
  const auto query = database.prepare(kFind);
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->bind(1, kid).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return fail(Code::kNotFound, "there is no key with this kid");
  return read_row(**query);
}

Result<void> insert_key(Sqlite& database, const KeyRow& row) {
  {
    const auto insert = database.prepare(kInsert);
    if (!insert) return std::unexpected(insert.error());
    bind_row(**insert, row);
    const Result<void> inserted = (*insert)->run();
    if (!inserted || row.derive_root.empty()) return inserted;
  }
  const auto root = database.prepare(kInsertRoot);
  if (!root) return std::unexpected(root.error());
  (*root)->bind(1, std::string_view(row.info.kid)).bind_blob(2, row.derive_root);
  return (*root)->run();
}

SqliteKeys::SqliteKeys(std::string path) : path_(std::move(path)) {}
SqliteKeys::~SqliteKeys() = default;

Result<std::unique_ptr<SqliteKeys>> SqliteKeys::open(const Config& config) {
  std::unique_ptr<SqliteKeys> opened(new SqliteKeys(config.path));
  const Result<Sqlite*> database = opened->database();
  if (!database) return std::unexpected(database.error());
  return opened;
}

// A file that was moved away or restored from a copy would take our writes with it and hide those
// of others.
Result<Sqlite*> SqliteKeys::database() {
  if (database_ && database_->current()) return database_.get();
  const bool replaced = database_ != nullptr;
  const Result<Sqlite*> opened = Sqlite::reopen(database_, path_);
  if (!opened) return opened;
  if (replaced) log::warn("store.database_replaced", {{"path", path_}});
  ++generation_;
  return opened;
}

Result<keys::KeyStore::Mark> SqliteKeys::mark() {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const Result<std::uint64_t> changes = (*database)->data_version();
  if (!changes) return std::unexpected(changes.error());
  return Mark{.generation = generation_, .changes = *changes};
}

Result<std::vector<KeyRow>> SqliteKeys::load(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare(kLoad);
  if (!query) return std::unexpected(query.error());
  (*query)->bind(1, static_cast<std::int64_t>(version));

  std::vector<KeyRow> rows;
  for (;;) {
    const Result<bool> more = (*query)->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return rows;
    Result<KeyRow> row = read_row(**query);
    if (!row) return std::unexpected(row.error());
    rows.push_back(std::move(*row));
  }
}

Result<std::uint64_t> SqliteKeys::insert(const KeyRow& row, UtcTime now) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  {
    const auto lives = (*database)->prepare(kNameLives);
    if (!lives) return std::unexpected(lives.error());
    const Result<bool> found =
        (*lives)
            ->bind(1, std::string_view(row.info.name))
            .bind(2, now)
            .bind(3, row.beside_own ? std::string_view(row.info.created_by) : std::string_view())
            .step();
    if (!found) return std::unexpected(found.error());
    if (*found) return fail(Code::kDenied, "a live key has this name; revoke or rotate it");
  }
  const Result<void> inserted = insert_key(**database, row);
  if (!inserted) return std::unexpected(inserted.error());
  const Result<KeyRow> stored = find_key(**database, row.info.kid);
  if (!stored) return std::unexpected(stored.error());
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return stored->info.version;
}

Result<KeyRow> SqliteKeys::revoke(const keys::Revocation& revocation) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  const Result<void> updated = revoke_row(**database, revocation);
  if (!updated) return std::unexpected(updated.error());
  Result<KeyRow> row = find_key(**database, revocation.kid);
  if (!row) return row;
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return row;
}

// One transaction for all of `todo`: act(database, one) changes a row.
template <class T>
Result<std::vector<KeyRow>> SqliteKeys::change_all(std::span<const T> todo,
                                                   Result<void> (*act)(Sqlite&, const T&)) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  std::vector<KeyRow> rows;
  for (const T& one : todo) {
    const Result<void> done = act(**database, one);
    if (!done) return std::unexpected(done.error());
    const Result<void> read = add_row(**database, one.kid, rows);
    if (!read) return std::unexpected(read.error());
  }
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return rows;
}

Result<std::vector<KeyRow>> SqliteKeys::revoke_all(std::span<const keys::Revocation> revocations) {
  return change_all(revocations, &revoke_row);
}
Result<std::vector<KeyRow>> SqliteKeys::block(std::span<const keys::Blocking> blockings) {
  return change_all(blockings, &block_row);
}
Result<std::vector<KeyRow>> SqliteKeys::update(std::span<const keys::KeyInfo> keys) {
  return change_all(keys, &update_row);
}

}  // namespace sallyport::store
