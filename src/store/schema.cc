// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"

namespace sallyport::store {
namespace {

// Times are milliseconds since 1970, UTC. Lists are one entry a line.
//
// The triggers are the law of DESIGN.md for whoever writes here, a person with the sqlite3 shell
// included: every change gets a new version, so that running gates hear of it; a revoked key stays
// revoked; rows stay as tombstones; a kid keeps its MAC.
constexpr char kKeys[] = R"sql(
CREATE TABLE keys (
  kid TEXT PRIMARY KEY CHECK (length(kid) = 12),
  mac BLOB NOT NULL CHECK (length(mac) = 32),
  pepper_id TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('active', 'retiring', 'revoked')),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  owner TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  not_before INTEGER,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_by TEXT,
  revoked_why TEXT,
  replaced_by TEXT,
  endpoints TEXT NOT NULL DEFAULT '',
  models TEXT NOT NULL DEFAULT '',
  modules TEXT NOT NULL DEFAULT '',
  purposes TEXT NOT NULL DEFAULT '',
  module TEXT NOT NULL DEFAULT 'unlisted',
  purpose TEXT NOT NULL DEFAULT 'unlisted',
  upstream TEXT,
  may_name_organization INTEGER NOT NULL DEFAULT 0 CHECK (may_name_organization IN (0, 1))
) WITHOUT ROWID;
CREATE INDEX keys_name ON keys (name);
CREATE INDEX keys_version ON keys (version);

CREATE TABLE key_version (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value INTEGER NOT NULL
);
INSERT INTO key_version VALUES (1, 0);

CREATE TRIGGER keys_inserted AFTER INSERT ON keys BEGIN
  UPDATE key_version SET value = value + 1;
  UPDATE keys SET version = (SELECT value FROM key_version) WHERE kid = new.kid;
END;
CREATE TRIGGER keys_updated AFTER UPDATE ON keys WHEN new.version = old.version BEGIN
  UPDATE key_version SET value = value + 1;
  UPDATE keys SET version = (SELECT value FROM key_version) WHERE kid = new.kid;
END;
CREATE TRIGGER keys_final BEFORE UPDATE ON keys
WHEN old.state = 'revoked' AND new.state <> 'revoked' BEGIN
  SELECT RAISE(ABORT, 'a revoked key stays revoked');
END;
CREATE TRIGGER keys_fixed BEFORE UPDATE ON keys
WHEN new.kid <> old.kid OR new.mac <> old.mac OR new.version < old.version BEGIN
  SELECT RAISE(ABORT, 'kid and mac of a key do not change and its version only grows');
END;
CREATE TRIGGER keys_kept BEFORE DELETE ON keys BEGIN
  SELECT RAISE(ABORT, 'keys are revoked, not deleted');
END;
)sql";

constexpr char kSettings[] = R"sql(
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
)sql";

constexpr Migration kMigrations[] = {{1, kKeys}, {2, kSettings}};

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace sallyport::store
