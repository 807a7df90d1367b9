// SPDX-License-Identifier: Apache-2.0
// The keys in SQLite: implements keys::KeyStore. The rules that must hold whoever writes the file
// (versions, tombstones, revocation is final) are triggers of the schema, not code here.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "keys/key_store.h"
#include "store/config.h"

namespace sallyport::store {

class Sqlite;

class SqliteKeys final : public keys::KeyStore {
 public:
  static Result<std::unique_ptr<SqliteKeys>> open(const Config& config);
  ~SqliteKeys() override;

  Result<Mark> mark() override;
  Result<std::vector<keys::KeyRow>> load(std::uint64_t version) override;
  Result<std::uint64_t> insert(const keys::KeyRow& row, UtcTime now) override;
  Result<keys::KeyRow> revoke(const keys::Revocation& revocation) override;
  Result<std::vector<keys::KeyRow>> revoke_all(
      std::span<const keys::Revocation> revocations) override;
  Result<std::vector<keys::KeyRow>> block(std::span<const keys::Blocking> blockings) override;
  Result<std::vector<keys::KeyRow>> update(std::span<const keys::KeyInfo> keys) override;
  Result<keys::Rotated> rotate(const keys::Rotation& rotation, UtcTime now) override;
  Result<keys::KeyRow> retire(std::string_view kid, UtcTime ends_at) override;
  Result<std::vector<keys::TokenRevocation>> load_tokens(std::uint64_t version) override;
  Result<keys::TokenRevocation> revoke_token(const keys::TokenRevocation& revocation) override;
  Result<std::vector<keys::LayerRow>> load_layers(std::uint64_t version) override;
  Result<std::vector<keys::LayerRow>> put_layers(std::span<const keys::LayerInfo> layers) override;
  Result<keys::LayerRow> end_layer(const keys::LayerEnding& ending) override;
  Result<void> remac(std::span<const keys::Remac> keys) override;
  Result<void> forget(UtcTime now) override;
  Result<void> note_used(std::span<const keys::KeyUse> uses) override;

 private:
  explicit SqliteKeys(std::string path);
  template <class T>
  Result<std::vector<keys::KeyRow>> change_all(std::span<const T> todo,
                                               Result<void> (*act)(Sqlite&, const T&));
  Result<Sqlite*> database();  // opens again when the file was replaced under us

  const std::string path_;
  std::mutex mutex_;
  std::unique_ptr<Sqlite> database_;
  std::uint64_t generation_ = 0;
};

}  // namespace sallyport::store
