// SPDX-License-Identifier: Apache-2.0
// A KeyStore in memory, for tests: same laws as the durable one, fails on request, and `other()`
// acts as another process that writes the same store.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "keys/key_store.h"

namespace sallyport::keys {

class MemoryKeyStore final : public KeyStore {
 public:
  bool failing = false;    // answers kUnavailable to everything
  bool read_only = false;  // only to changes, like a full disk
  int revocations_asked = 0;

  Result<Mark> mark() override {
    if (failing) return down();
    return mark_;
  }
  Result<std::vector<KeyRow>> load(std::uint64_t version) override {
    if (failing) return down();
    std::vector<KeyRow> rows;
    for (const auto& [kid, row] : rows_) {
      if (row.info.version > version) rows.push_back(row);
    }
    return rows;
  }
  Result<std::uint64_t> insert(const KeyRow& row, UtcTime now) override {
    if (failing || read_only) return down();
    for (const auto& [kid, held] : rows_) {
      if (held.info.name == row.info.name && held.info.state != KeyState::kRevoked &&
          held.info.expires_at > now) {
        return fail(Code::kDenied, "a live key has this name");
      }
    }
    if (rows_.contains(row.info.kid)) return fail(Code::kInvalid, "the kid exists");
    KeyRow& stored = rows_[row.info.kid] = row;
    return stored.info.version = ++version_;
  }
  Result<KeyRow> revoke(const Revocation& revocation) override {
    ++revocations_asked;
    if (failing || read_only) return down();
    const auto at = rows_.find(revocation.kid);
    if (at == rows_.end()) return fail(Code::kNotFound, "no such kid");
    KeyInfo& key = at->second.info;
    if (key.state == KeyState::kRevoked) return at->second;
    key.state = KeyState::kRevoked;
    key.revoked_at = revocation.at;
    key.revoked_by = revocation.by;
    key.revoked_why = revocation.why;
    key.version = ++version_;
    return at->second;
  }

  // What the calls in `act` change is heard of by mark(), as if another process had made them.
  void other(const auto& act) {
    act();
    ++mark_.changes;
  }
  void replace() {  // an empty store takes this one's place
    rows_.clear();
    version_ = 0;
    ++mark_.generation;
  }
  KeyRow& row(const std::string& kid) { return rows_.at(kid); }
  void touch(const std::string& kid) { rows_.at(kid).info.version = ++version_; }

 private:
  static std::unexpected<Error> down() { return fail(Code::kUnavailable, "the store is down"); }
  Mark mark_;
  std::uint64_t version_ = 0;
  std::map<std::string, KeyRow> rows_;
};

}  // namespace sallyport::keys
