// SPDX-License-Identifier: Apache-2.0
// The ledger's checkpoints in SQLite: implements meter::LedgerStore. One transaction a checkpoint.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "meter/ledger_store.h"
#include "store/config.h"

namespace sallyport::store {

class Sqlite;

class SqliteLedger final : public meter::LedgerStore {
 public:
  static Result<std::unique_ptr<SqliteLedger>> open(const Config& config);
  ~SqliteLedger() override;

  Result<meter::LedgerState> load() override;
  Result<void> save(const meter::LedgerState& state) override;

 private:
  explicit SqliteLedger(std::string path);
  Result<Sqlite*> database();  // opens again when the file was replaced under us

  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<Sqlite> database_;
};

}  // namespace sallyport::store
