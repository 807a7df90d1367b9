// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "store/schema.h"

namespace sallyport::store {
namespace {

Code code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
      return Code::kCorrupt;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
      return Code::kInvalid;
    default:
      return Code::kUnavailable;  // busy, locked, full, read-only, I/O, no memory
  }
}

// SQLite makes files that others may read; this one names every key and its owner. A file that is
// there is never opened here: closing it would drop the locks that this process holds on it through
// SQLite (POSIX), and the next process to leave would take itself for the last one and delete the
// write-ahead log under us.
Result<void> make_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) return {};
  if (file < 0) {
    return fail(Code::kUnavailable,
                "cannot open the database " + path + ": " + std::generic_category().message(errno));
  }
  ::close(file);
  return {};
}

Result<void> find_file(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0 && found.st_size > 0) return {};
  return fail(Code::kUnavailable, "the database " + path +
                                      " is gone; none is made in its place while this runs: put it "
                                      "back, or start again to begin an empty one");
}

}  // namespace

// --- Statement

Statement::~Statement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(int index, std::string_view text) {
  const char* bytes = text.data() == nullptr ? "" : text.data();  // a null pointer would bind NULL
  const int result =
      sqlite3_bind_text64(statement_, index, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (bound_ == SQLITE_OK) bound_ = result;
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  const int result = sqlite3_bind_int64(statement_, index, number);
  if (bound_ == SQLITE_OK) bound_ = result;
  return *this;
}

Statement& Statement::bind(int index, UtcTime time) {
  return bind(index, static_cast<std::int64_t>(time.time_since_epoch().count()));
}

// What is not bound is NULL.
Statement& Statement::bind(int index, const std::optional<std::string>& text) {
  return text ? bind(index, std::string_view(*text)) : *this;
}

Statement& Statement::bind(int index, const std::optional<UtcTime>& time) {
  return time ? bind(index, *time) : *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const int result =
      sqlite3_bind_blob64(statement_, index, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  if (bound_ == SQLITE_OK) bound_ = result;
  return *this;
}

Result<bool> Statement::step() {
  const int result = bound_ == SQLITE_OK ? sqlite3_step(statement_) : bound_;
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  const char* what = bound_ == SQLITE_OK ? sqlite3_errmsg(sqlite3_db_handle(statement_)) : "bind";
  return fail(code_of(result), std::string("database: ") + what);
}

Result<void> Statement::run() {
  for (;;) {
    const Result<bool> row = step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
  }
}

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);  // no conversion: texts are UTF-8
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

UtcTime Statement::time(int column) const {
  return UtcTime(std::chrono::milliseconds(integer(column)));
}

std::optional<std::string> Statement::maybe_text(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return text(column);
}

std::optional<UtcTime> Statement::maybe_time(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return time(column);
}

// --- Sqlite

void Sqlite::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<std::unique_ptr<Sqlite>> Sqlite::open(const std::string& path, Missing missing) {
  std::unique_ptr<Sqlite> opened(new Sqlite(path));
  const Result<void> connected = opened->connect(missing);
  if (!connected) return std::unexpected(connected.error());
  const Result<void> migrated = opened->migrate();
  if (!migrated) return std::unexpected(migrated.error());
  return opened;
}

Sqlite::~Sqlite() {
  prepared_.clear();
  sqlite3_close_v2(database_);
}

Error Sqlite::error(const char* doing) const {
  const int result = sqlite3_extended_errcode(database_);
  return {code_of(result), std::string(doing) + " " + path_ + ": " + sqlite3_errmsg(database_)};
}

// What was lost stays held until there is another: so that it is known that there was one.
Result<Sqlite*> Sqlite::reopen(std::unique_ptr<Sqlite>& held, const std::string& path) {
  if (held && held->current()) return held.get();
  Result<std::unique_ptr<Sqlite>> opened = open(path, held ? Missing::kRefuse : Missing::kMake);
  if (!opened) return std::unexpected(opened.error());
  held = std::move(*opened);
  return held.get();
}

Result<void> Sqlite::connect(Missing missing) {
  const Result<void> made = missing == Missing::kMake ? make_private_file(path_) : find_file(path_);
  if (!made) return made;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path_.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    return std::unexpected(error("cannot open the database"));
  }
  sqlite3_busy_timeout(database_, kBusyMs);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  struct stat found{};
  if (::stat(path_.c_str(), &found) != 0) return fail(Code::kUnavailable, "cannot stat " + path_);
  device_ = found.st_dev;
  inode_ = found.st_ino;

  const Result<void> logged = switch_to_wal();
  if (!logged) return logged;
  const char* const pragmas[] = {"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON",
                                 "PRAGMA secure_delete = ON",  // what is forgotten is gone
                                 "PRAGMA trusted_schema = OFF"};
  for (const char* pragma : pragmas) {
    const Result<void> done = run(pragma);
    if (!done) return done;
  }
  return {};
}

// Two processes that open a new database at once: SQLite answers "locked" to one of them at once,
// since waiting could be a deadlock. It tries again for as long as it would have waited.
Result<void> Sqlite::switch_to_wal() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyMs);
  for (;;) {
    const Result<void> done = run("PRAGMA journal_mode = WAL");
    if (done || (sqlite3_errcode(database_) & 0xff) != SQLITE_BUSY) return done;
    if (std::chrono::steady_clock::now() >= until) return done;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Result<void> Sqlite::run(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(error("database"));
}

Result<std::unique_ptr<Statement>> Sqlite::prepare(const char* sql) {
  auto& kept = prepared_[sql];
  if (!kept) {
    sqlite3_stmt* made = nullptr;
    const int result =
        sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (result != SQLITE_OK) return std::unexpected(error("database"));
    kept.reset(made);
  }
  return std::make_unique<Statement>(kept.get());
}

// The newest step that was applied; 0 for an empty database.
Result<int> Sqlite::newest_migration() {
  const auto table = prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'");
  if (!table) return std::unexpected(table.error());
  const Result<bool> counted = (*table)->step();
  if (!counted) return std::unexpected(counted.error());
  if ((*table)->integer(0) == 0) return 0;
  const auto query = prepare("SELECT coalesce(max(id), 0) FROM schema_migrations");
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->step();
  if (!row) return std::unexpected(row.error());
  return static_cast<int>((*query)->integer(0));
}

Result<void> Sqlite::migrate() {
  const int wanted = migrations().back().id;
  const Result<int> before = newest_migration();
  if (!before) return std::unexpected(before.error());
  if (*before == wanted) return {};  // the usual case takes no write lock
  if (*before > wanted) {
    return fail(Code::kInvalid, "the database was written by a newer version of sallyport");
  }

  // What is there is read again inside: two processes that start at once do not both apply a step.
  const Result<std::unique_ptr<Transaction>> transaction = Transaction::begin(*this);
  if (!transaction) return std::unexpected(transaction.error());
  const Result<void> table =
      run("CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, applied_at TEXT "
          "NOT NULL)");
  if (!table) return table;
  const Result<int> newest = newest_migration();
  if (!newest) return std::unexpected(newest.error());
  for (const Migration& step : migrations()) {
    if (step.id <= *newest) continue;
    const Result<void> applied = run(step.sql);
    if (!applied) return applied;
    const auto mark =
        prepare("INSERT INTO schema_migrations VALUES (?1, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))");
    if (!mark) return std::unexpected(mark.error());
    const Result<void> marked = (*mark)->bind(1, std::int64_t{step.id}).run();
    if (!marked) return marked;
  }
  return (*transaction)->commit();
}

Result<std::uint64_t> Sqlite::data_version() {
  const auto query = prepare("PRAGMA data_version");
  if (!query) return std::unexpected(query.error());
  const Result<bool> row = (*query)->step();
  if (!row) return std::unexpected(row.error());
  return static_cast<std::uint64_t>((*query)->integer(0));
}

int Sqlite::changes() const { return sqlite3_changes(database_); }

bool Sqlite::current() const {
  struct stat found{};
  return ::stat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_;
}

// --- Transaction

Result<std::unique_ptr<Transaction>> Transaction::begin(Sqlite& database) {
  const Result<void> begun = database.run("BEGIN IMMEDIATE");
  if (!begun) return std::unexpected(begun.error());
  return std::unique_ptr<Transaction>(new Transaction(database));
}

Transaction::~Transaction() {
  if (open_) (void)database_.run("ROLLBACK");
}

Result<void> Transaction::commit() {
  const Result<void> done = database_.run("COMMIT");
  if (done) open_ = false;
  return done;
}

}  // namespace sallyport::store
