// SPDX-License-Identifier: Apache-2.0
// Leases of the provider's credentials in SQLite: implements provider/lease_store.h.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "provider/lease_store.h"
#include "store/config.h"

namespace sallyport::store {

class Sqlite;

class SqliteLeases final : public provider::LeaseStore {
 public:
  static Result<std::unique_ptr<SqliteLeases>> open(const Config& config);
  ~SqliteLeases() override;

  Result<std::vector<provider::LeaseRow>> list() override;
  Result<provider::LeaseRow> begin(std::string_view upstream, std::string_view project,
                                   std::string_view instance, UtcTime now) override;
  Result<void> put(const std::vector<provider::LeaseRow>& rows) override;
  Result<void> remove(std::string_view name) override;

 private:
  explicit SqliteLeases(std::string path);
  Result<Sqlite*> database();  // opens again when the file was replaced under us

  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<Sqlite> database_;
};

}  // namespace sallyport::store
