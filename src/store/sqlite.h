// SPDX-License-Identifier: Apache-2.0
// One connection to the SQLite database, with what every use of it here needs: WAL, full fsync on
// commit, a bounded wait for other writers, statements prepared once. Not thread safe: the owner
// has a lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sallyport::store {

// A prepared statement in use; it is reset when this goes out of scope. Bind, step, read.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  ~Statement();
  Statement(const Statement&) = delete;

  // Parameters count from 1. Texts are copied.
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t number);
  Statement& bind(int index, UtcTime time);  // as milliseconds since 1970
  Statement& bind(int index, const std::optional<std::string>& text);
  Statement& bind(int index, const std::optional<UtcTime>& time);
  Statement& bind_blob(int index, std::string_view bytes);

  Result<bool> step();  // true: there is a row; kInvalid: a constraint of the schema says no
  Result<void> run();   // to the end

  std::string text(int column) const;
  std::int64_t integer(int column) const;
  UtcTime time(int column) const;
  std::optional<std::string> maybe_text(int column) const;
  std::optional<UtcTime> maybe_time(int column) const;

 private:
  sqlite3_stmt* statement_;
  int bound_ = 0;  // the first failure of a bind
};

class Sqlite {
 public:
  static constexpr int kBusyMs = 2'000;  // what a call waits for another writer

  enum class Missing { kMake, kRefuse };
  // Opens the database, or makes it (mode 0600) if it may be missing, and brings its schema up to
  // date. kUnavailable: locked, no such folder, disk full; kCorrupt: not a database; kInvalid:
  // written by a newer version of this program.
  static Result<std::unique_ptr<Sqlite>> open(const std::string& path,
                                              Missing missing = Missing::kMake);

  // For a store that was open: the database as long as it is `current()`, else the one that has its
  // path now. One that is gone is kUnavailable: an empty one in its place would know of no
  // revocation. `held` is null before the first time.
  static Result<Sqlite*> reopen(std::unique_ptr<Sqlite>& held, const std::string& path);
  ~Sqlite();
  Sqlite(const Sqlite&) = delete;

  // `sql` is a literal: it is the key under which the prepared statement is kept.
  Result<std::unique_ptr<Statement>> prepare(const char* sql);
  Result<void> run(const char* sql);

  // Moves when another connection changed the database.
  Result<std::uint64_t> data_version();
  int changes() const;  // rows touched by the last statement

  // False once the path names another file than the one that is open.
  bool current() const;

 private:
  explicit Sqlite(std::string path) : path_(std::move(path)) {}
  Result<void> connect(Missing missing);
  Result<void> switch_to_wal();
  Result<void> migrate();
  Result<int> newest_migration();
  Error error(const char* doing) const;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::string path_;
  sqlite3* database_ = nullptr;
  std::uint64_t device_ = 0, inode_ = 0;
  std::map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> prepared_;
};

// Takes the write lock at once (BEGIN IMMEDIATE), so that what is read inside is still true when it
// is committed. Rolls back unless commit() returned well.
class Transaction {
 public:
  static Result<std::unique_ptr<Transaction>> begin(Sqlite& database);  // outlives the transaction
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Result<void> commit();  // durable when it returns

 private:
  explicit Transaction(Sqlite& database) : database_(database) {}
  Sqlite& database_;
  bool open_ = true;
};

}  // namespace sallyport::store
