// SPDX-License-Identifier: Apache-2.0
// The part of SqliteKeys that exchanges keys, and keeps which derived tokens are revoked.
#include <utility>

#include "store/sqlite.h"
#include "store/sqlite_key_rows.h"
#include "store/sqlite_keys.h"

namespace sallyport::store {
namespace {

using keys::KeyRow;
using keys::TokenRevocation;

constexpr char kFindRotation[] =
    "SELECT old_kid, new_kid FROM key_rotations WHERE rotation_id = ?1";
constexpr char kNoteRotation[] =
    "INSERT INTO key_rotations (rotation_id, old_kid, new_kid, rotated_at, rotated_by) "
    "VALUES (?1, ?2, ?3, ?4, ?5)";
// An end is never later than it was, and what is revoked stays so.
constexpr char kRetire[] =
    "UPDATE keys SET state = 'retiring', expires_at = min(expires_at, ?2), "
    "replaced_by = coalesce(?3, replaced_by) WHERE kid = ?1 AND state <> 'revoked'";
constexpr char kOthers[] =
    "SELECT kid FROM keys WHERE name = ?1 AND kid <> ?2 AND kid <> ?3 AND state <> 'revoked' "
    "AND expires_at > ?4";
constexpr char kForgetTokens[] = "DELETE FROM key_tokens WHERE forget_at <= ?1";
// What a rotation names stays with it.
#define SALLYPORT_FORGOTTEN                                                                        \
  "(SELECT kid FROM keys WHERE mapping <> '' AND expires_at <= ?1 AND kid NOT IN (SELECT old_kid " \
  "FROM key_rotations) AND kid NOT IN (SELECT new_kid FROM key_rotations))"
constexpr const char* kForgetKeys[] = {"DELETE FROM key_tokens WHERE kid IN " SALLYPORT_FORGOTTEN,
                                       "DELETE FROM key_roots WHERE kid IN " SALLYPORT_FORGOTTEN,
                                       "DELETE FROM key_use WHERE kid IN " SALLYPORT_FORGOTTEN,
                                       "DELETE FROM keys WHERE kid IN " SALLYPORT_FORGOTTEN};
#undef SALLYPORT_FORGOTTEN
constexpr char kRevokeToken[] =
    "INSERT INTO key_tokens (kid, tid, revoked_at, revoked_by, revoked_why, forget_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kid, tid) DO NOTHING";
constexpr char kLoadTokens[] =
    "SELECT kid, tid, revoked_at, revoked_by, revoked_why, forget_at, version FROM key_tokens "
    "WHERE version > ?1 ORDER BY version";
constexpr char kFindToken[] =
    "SELECT kid, tid, revoked_at, revoked_by, revoked_why, forget_at, version FROM key_tokens "
    "WHERE kid = ?1 AND tid = ?2";

TokenRevocation read_token(const Statement& row) {
  return {.kid = row.text(0),
          .tid = row.text(1),
          .at = row.time(2),
          .by = row.text(3),
          .why = row.text(4),
          .forget_at = row.time(5),
          .version = static_cast<std::uint64_t>(row.integer(6))};
}

// What this rotation did, if it was done before.
Result<std::optional<keys::Rotated>> done_before(Sqlite& database, std::string_view rotation_id) {
  std::string old_kid, new_kid;
  {
    const auto query = database.prepare(kFindRotation);
    if (!query) return std::unexpected(query.error());
    const Result<bool> row = (*query)->bind(1, rotation_id).step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return std::nullopt;
    old_kid = (*query)->text(0);
    new_kid = (*query)->text(1);
  }
  Result<KeyRow> old = find_key(database, old_kid);
  if (!old) return std::unexpected(old.error());
  Result<KeyRow> successor = find_key(database, new_kid);
  if (!successor) return std::unexpected(successor.error());
  return keys::Rotated{
      .old = std::move(*old), .successor = std::move(*successor), .repeated = true};
}

Result<void> set_retiring(Sqlite& database, std::string_view kid, UtcTime ends_at,
                          const std::optional<std::string>& replaced_by) {
  const auto update = database.prepare(kRetire);
  if (!update) return std::unexpected(update.error());
  return (*update)->bind(1, kid).bind(2, ends_at).bind(3, replaced_by).run();
}

// The end of all keys of the name but the two of the rotation.
Result<std::vector<KeyRow>> end_others(Sqlite& database, const keys::Rotation& rotation) {
  std::vector<std::string> kids;
  {
    const auto query = database.prepare(kOthers);
    if (!query) return std::unexpected(query.error());
    (*query)
        ->bind(1, std::string_view(rotation.successor.info.name))
        .bind(2, std::string_view(rotation.old_kid))
        .bind(3, std::string_view(rotation.successor.info.kid))
        .bind(4, rotation.old_ends_at);
    for (;;) {
      const Result<bool> more = (*query)->step();
      if (!more) return std::unexpected(more.error());
      if (!*more) break;
      kids.push_back((*query)->text(0));
    }
  }
  std::vector<KeyRow> rows;
  for (const std::string& kid : kids) {
    const Result<void> ended = set_retiring(database, kid, rotation.old_ends_at, std::nullopt);
    if (!ended) return std::unexpected(ended.error());
    Result<KeyRow> row = find_key(database, kid);
    if (!row) return std::unexpected(row.error());
    rows.push_back(std::move(*row));
  }
  return rows;
}

// May this key be exchanged? One that was is only free again when its successor is dead.
Result<void> exchangeable(Sqlite& database, const KeyRow& old, UtcTime now) {
  if (old.info.state == keys::KeyState::kRevoked) {
    return fail(Code::kDenied, "the key is revoked; create a new one");
  }
  if (now >= old.info.expires_at) {
    return fail(Code::kDenied, "the key has expired; create a new one");
  }
  if (old.info.blocked_at) return fail(Code::kDenied, "the key is blocked; unblock it first");
  if (!old.info.replaced_by) return {};
  const Result<KeyRow> successor = find_key(database, *old.info.replaced_by);
  if (!successor) return std::unexpected(successor.error());
  if (successor->info.state != keys::KeyState::kRevoked && now < successor->info.expires_at) {
    return fail(Code::kDenied, "the key is being replaced by " + successor->info.kid + " already");
  }
  return {};
}

}  // namespace

Result<keys::Rotated> SqliteKeys::rotate(const keys::Rotation& rotation, UtcTime now) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());

  auto before = done_before(**database, rotation.rotation_id);
  if (!before) return std::unexpected(before.error());
  if (*before) return std::move(**before);
  const Result<KeyRow> old = find_key(**database, rotation.old_kid);
  if (!old) return std::unexpected(old.error());
  const Result<void> allowed = exchangeable(**database, *old, now);
  if (!allowed) return std::unexpected(allowed.error());

  const Result<void> inserted = insert_key(**database, rotation.successor);
  if (!inserted) return std::unexpected(inserted.error());
  const Result<void> retired =
      set_retiring(**database, rotation.old_kid, rotation.old_ends_at, rotation.successor.info.kid);
  if (!retired) return std::unexpected(retired.error());
  std::vector<KeyRow> others;
  if (rotation.ends_all) {
    Result<std::vector<KeyRow>> ended = end_others(**database, rotation);
    if (!ended) return std::unexpected(ended.error());
    others = std::move(*ended);
  }
  {
    const auto note = (*database)->prepare(kNoteRotation);
    if (!note) return std::unexpected(note.error());
    (*note)
        ->bind(1, std::string_view(rotation.rotation_id))
        .bind(2, std::string_view(rotation.old_kid))
        .bind(3, std::string_view(rotation.successor.info.kid))
        .bind(4, now)
        .bind(5, std::string_view(rotation.successor.info.created_by));
    const Result<void> noted = (*note)->run();
    if (!noted) return std::unexpected(noted.error());
  }
  Result<KeyRow> old_now = find_key(**database, rotation.old_kid);
  if (!old_now) return std::unexpected(old_now.error());
  Result<KeyRow> successor = find_key(**database, rotation.successor.info.kid);
  if (!successor) return std::unexpected(successor.error());
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return keys::Rotated{.old = std::move(*old_now),
                       .successor = std::move(*successor),
                       .also_ended = std::move(others),
                       .repeated = false};
}

Result<KeyRow> SqliteKeys::retire(std::string_view kid, UtcTime ends_at) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  const Result<void> retired = set_retiring(**database, kid, ends_at, std::nullopt);
  if (!retired) return std::unexpected(retired.error());
  Result<KeyRow> row = find_key(**database, kid);
  if (!row) return row;
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return row;
}

Result<std::vector<TokenRevocation>> SqliteKeys::load_tokens(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto query = (*database)->prepare(kLoadTokens);
  if (!query) return std::unexpected(query.error());
  (*query)->bind(1, static_cast<std::int64_t>(version));
  std::vector<TokenRevocation> tokens;
  for (;;) {
    const Result<bool> more = (*query)->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return tokens;
    tokens.push_back(read_token(**query));
  }
}

Result<TokenRevocation> SqliteKeys::revoke_token(const TokenRevocation& revocation) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  // A copy of the store that was put back may not know the key.
  const Result<KeyRow> parent = find_key(**database, revocation.kid);
  if (!parent) return std::unexpected(parent.error());
  {
    const auto insert = (*database)->prepare(kRevokeToken);
    if (!insert) return std::unexpected(insert.error());
    (*insert)
        ->bind(1, std::string_view(revocation.kid))
        .bind(2, std::string_view(revocation.tid))
        .bind(3, revocation.at)
        .bind(4, std::string_view(revocation.by))
        .bind(5, std::string_view(revocation.why))
        .bind(6, revocation.forget_at);
    const Result<void> inserted = (*insert)->run();
    if (!inserted) return std::unexpected(inserted.error());
  }
  TokenRevocation stored;
  {
    const auto query = (*database)->prepare(kFindToken);
    if (!query) return std::unexpected(query.error());
    (*query)->bind(1, std::string_view(revocation.kid)).bind(2, std::string_view(revocation.tid));
    const Result<bool> row = (*query)->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return fail(Code::kCorrupt, "a revoked token was not stored");
    stored = read_token(**query);
  }
  const Result<void> committed = (*transaction)->commit();
  if (!committed) return std::unexpected(committed.error());
  return stored;
}

Result<void> SqliteKeys::forget(UtcTime now) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  const auto drop = [&](const char* sql, UtcTime before) -> Result<void> {
    const auto statement = (*database)->prepare(sql);
    if (!statement) return std::unexpected(statement.error());
    return (*statement)->bind(1, before).run();
  };
  const Result<void> tokens = drop(kForgetTokens, now);
  if (!tokens) return tokens;
  for (const char* const sql : kForgetKeys) {
    const Result<void> dropped = drop(sql, now - keys::kForgetKeyAfter);
    if (!dropped) return dropped;
  }
  return (*transaction)->commit();
}

}  // namespace sallyport::store
