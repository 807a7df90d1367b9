// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_ledger.h"

#include <map>
#include <utility>

#include "store/sqlite.h"

namespace sallyport::store {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) {
    if (!out.empty()) out += '\n';
    out += line;
  }
  return out;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Calls `each(row)` for every row of a query without parameters.
template <class Each>
Result<void> rows(Sqlite& database, const char* sql, Each each) {
  const auto query = database.prepare(sql);
  if (!query) return std::unexpected(query.error());
  for (;;) {
    const Result<bool> row = (*query)->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    each(**query);
  }
}

Result<void> load_sums(Sqlite& database, meter::LedgerState& state) {
  std::map<std::string, std::size_t> places;
  Result<void> done =
      rows(database, "SELECT account, expires_ms FROM ledger_accounts", [&](const Statement& row) {
        places.emplace(row.text(0), state.accounts.size());
        meter::AccountState& account = state.accounts.emplace_back();
        account.account = row.text(0);
        account.expires_ms = row.integer(1);
      });
  if (!done) return done;
  return rows(
      database,
      "SELECT account, span, start_ms, nano_usd, tokens, requests, alerted FROM ledger_sums",
      [&](const Statement& row) {
        const auto place = places.find(row.text(0));
        const auto window = static_cast<std::size_t>(row.integer(1));
        if (place == places.end() || window >= meter::kWindows) return;
        meter::WindowSums& sums = state.accounts[place->second].windows[window];
        sums.start_ms = row.integer(2);
        for (int unit = 0; unit < 3; ++unit) {
          sums.settled[static_cast<std::size_t>(unit)] = row.integer(3 + unit);
          const std::int64_t bits = row.integer(6) >> (8 * unit);
          sums.alerted[static_cast<std::size_t>(unit)] = static_cast<std::uint8_t>(bits & 0xFF);
        }
      });
}

Result<void> save_account(Sqlite& database, const meter::AccountState& account) {
  const auto name = database.prepare(
      "INSERT INTO ledger_accounts VALUES (?1, ?2) ON CONFLICT (account) DO UPDATE SET "
      "expires_ms = excluded.expires_ms");
  if (!name) return std::unexpected(name.error());
  Result<void> done =
      (*name)->bind(1, std::string_view(account.account)).bind(2, account.expires_ms).run();
  for (std::size_t window = 0; done && window < meter::kWindows; ++window) {
    const meter::WindowSums& sums = account.windows[window];
    const auto statement =
        database.prepare("INSERT OR REPLACE INTO ledger_sums VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    if (!statement) return std::unexpected(statement.error());
    std::int64_t alerted = 0;
    for (std::size_t unit = 0; unit < meter::kUnits; ++unit) {
      alerted |= static_cast<std::int64_t>(sums.alerted[unit]) << (8 * unit);
    }
    done = (*statement)
               ->bind(1, std::string_view(account.account))
               .bind(2, static_cast<std::int64_t>(window))
               .bind(3, sums.start_ms)
               .bind(4, sums.settled[0])
               .bind(5, sums.settled[1])
               .bind(6, sums.settled[2])
               .bind(7, alerted)
               .run();
  }
  return done;
}

Result<void> forget_account(Sqlite& database, const std::string& account) {
  for (const char* sql : {"DELETE FROM ledger_sums WHERE account = ?1",
                          "DELETE FROM ledger_accounts WHERE account = ?1"}) {
    const auto statement = database.prepare(sql);
    if (!statement) return std::unexpected(statement.error());
    const Result<void> done = (*statement)->bind(1, std::string_view(account)).run();
    if (!done) return done;
  }
  return {};
}

Result<void> save_calls(Sqlite& database, const meter::LedgerState& state) {
  Result<void> done = database.run("DELETE FROM ledger_open");
  if (done) done = database.run("DELETE FROM ledger_closed");
  for (std::size_t i = 0; done && i < state.open.size(); ++i) {
    const meter::OpenState& open = state.open[i];
    const std::string accounts = joined(open.accounts);
    const auto statement =
        database.prepare("INSERT INTO ledger_open VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    if (!statement) return std::unexpected(statement.error());
    done = (*statement)
               ->bind(1, std::string_view(open.request_id))
               .bind(2, open.at_ms)
               .bind(3, open.held.nano_usd)
               .bind(4, open.held.tokens)
               .bind(5, open.held.requests)
               .bind(6, std::string_view(accounts))
               .run();
  }
  for (std::size_t i = 0; done && i < state.closed.size(); ++i) {
    const auto statement = database.prepare("INSERT OR IGNORE INTO ledger_closed VALUES (?1)");
    if (!statement) return std::unexpected(statement.error());
    done = (*statement)->bind(1, std::string_view(state.closed[i])).run();
  }
  return done;
}

}  // namespace

SqliteLedger::SqliteLedger(std::string path) : path_(std::move(path)) {}
SqliteLedger::~SqliteLedger() = default;

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::open(const Config& config) {
  std::unique_ptr<SqliteLedger> opened(new SqliteLedger(config.path));
  const Result<Sqlite*> database = opened->database();
  if (!database) return std::unexpected(database.error());
  return opened;
}

Result<Sqlite*> SqliteLedger::database() { return Sqlite::reopen(database_, path_); }

Result<meter::LedgerState> SqliteLedger::load() {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  meter::LedgerState state;
  Result<void> done =
      rows(**database, "SELECT seq, latest_ms FROM ledger_checkpoint", [&](const Statement& row) {
        state.seq = static_cast<std::uint64_t>(row.integer(0));
        state.latest_ms = row.integer(1);
      });
  if (done) done = load_sums(**database, state);
  if (done) {
    done = rows(**database,
                "SELECT request_id, at_ms, nano_usd, tokens, requests, accounts FROM ledger_open",
                [&](const Statement& row) {
                  state.open.push_back({row.text(0),
                                        row.integer(1),
                                        {row.integer(2), row.integer(3), row.integer(4)},
                                        split(row.text(5))});
                });
  }
  if (done) {
    done = rows(**database, "SELECT request_id FROM ledger_closed",
                [&](const Statement& row) { state.closed.push_back(row.text(0)); });
  }
  if (!done) return std::unexpected(done.error());
  return state;
}

Result<void> SqliteLedger::save(const meter::LedgerState& state) {
  const std::lock_guard lock(mutex_);
  const Result<Sqlite*> database = this->database();
  if (!database) return std::unexpected(database.error());
  const auto transaction = Transaction::begin(**database);
  if (!transaction) return std::unexpected(transaction.error());
  const auto mark =
      (*database)->prepare("INSERT OR REPLACE INTO ledger_checkpoint VALUES (1, ?1, ?2)");
  if (!mark) return std::unexpected(mark.error());
  Result<void> done =
      (*mark)->bind(1, static_cast<std::int64_t>(state.seq)).bind(2, state.latest_ms).run();
  for (std::size_t i = 0; done && i < state.accounts.size(); ++i) {
    done = save_account(**database, state.accounts[i]);
  }
  for (std::size_t i = 0; done && i < state.forgotten.size(); ++i) {
    done = forget_account(**database, state.forgotten[i]);
  }
  if (done) done = save_calls(**database, state);
  if (!done) return done;
  return (*transaction)->commit();
}

}  // namespace sallyport::store
