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

// Layers above the keys. Their laws are those of keys: revoked is final, issued_before only moves
// forward, rows stay; one count of versions for both. `restrictions` is JSON as in
// event/restrictions.h; an empty text is a key from before there were any, whose endpoints and
// models stand in their own columns. A MAC may change only together with its pepper. When a key was
// last used stands apart, since it is no change of the key.
constexpr char kLayers[] = R"sql(
CREATE TABLE layers (
  path TEXT PRIMARY KEY CHECK (length(path) BETWEEN 1 AND 194),
  version INTEGER NOT NULL DEFAULT 0,
  revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)),
  owner TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER,
  issued_before INTEGER,
  revoked_at INTEGER,
  revoked_by TEXT,
  revoked_why TEXT,
  restrictions TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX layers_version ON layers (version);
CREATE TRIGGER layers_inserted AFTER INSERT ON layers BEGIN
  UPDATE key_version SET value = value + 1;
  UPDATE layers SET version = (SELECT value FROM key_version) WHERE path = new.path;
END;
CREATE TRIGGER layers_updated AFTER UPDATE ON layers WHEN new.version = old.version BEGIN
  UPDATE key_version SET value = value + 1;
  UPDATE layers SET version = (SELECT value FROM key_version) WHERE path = new.path;
END;
CREATE TRIGGER layers_final BEFORE UPDATE ON layers WHEN old.revoked = 1 AND new.revoked <> 1 BEGIN
  SELECT RAISE(ABORT, 'a revoked layer stays revoked');
END;
CREATE TRIGGER layers_fixed BEFORE UPDATE ON layers
WHEN new.path <> old.path OR new.version < old.version BEGIN
  SELECT RAISE(ABORT, 'the path of a layer does not change and its version only grows');
END;
CREATE TRIGGER layers_forward BEFORE UPDATE ON layers
WHEN old.issued_before IS NOT NULL
  AND (new.issued_before IS NULL OR new.issued_before < old.issued_before) BEGIN
  SELECT RAISE(ABORT, 'issued_before only moves forward');
END;
CREATE TRIGGER layers_kept BEFORE DELETE ON layers BEGIN
  SELECT RAISE(ABORT, 'layers are revoked, not deleted');
END;

ALTER TABLE keys ADD COLUMN layer TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN restrictions TEXT NOT NULL DEFAULT '';
DROP TRIGGER keys_fixed;
CREATE TRIGGER keys_fixed BEFORE UPDATE ON keys
WHEN new.kid <> old.kid OR new.version < old.version OR new.layer <> old.layer
  OR (new.mac <> old.mac AND new.pepper_id = old.pepper_id) BEGIN
  SELECT RAISE(ABORT, 'kid, layer and mac of a key do not change and its version only grows');
END;
CREATE TABLE key_use (
  kid TEXT PRIMARY KEY,
  last_used_at INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

// The ledger's checkpoint (meter/ledger_store.h). The journal is its truth, so these tables may be
// emptied: the next start then reads the whole journal. `span` is the window: 0 minute, 1 hour, 2
// day, 3 month, 4 total; `alerted` has one byte a unit.
constexpr char kLedger[] = R"sql(
CREATE TABLE ledger_checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL,
  latest_ms INTEGER NOT NULL
);
CREATE TABLE ledger_accounts (
  account TEXT PRIMARY KEY,
  expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE ledger_sums (
  account TEXT NOT NULL,
  span INTEGER NOT NULL CHECK (span BETWEEN 0 AND 4),
  start_ms INTEGER NOT NULL,
  nano_usd INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  alerted INTEGER NOT NULL,
  PRIMARY KEY (account, span)
) WITHOUT ROWID;
CREATE TABLE ledger_open (
  request_id TEXT PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  nano_usd INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  accounts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE ledger_closed (
  request_id TEXT PRIMARY KEY
) WITHOUT ROWID;
)sql";

// The provider's service accounts that are ours (provider/lease_store.h). A generation is never
// used twice, so its counter stays when rows go.
constexpr char kLeases[] = R"sql(
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  upstream TEXT NOT NULL,
  project TEXT NOT NULL,
  generation INTEGER NOT NULL CHECK (generation >= 0),
  state TEXT NOT NULL CHECK (state IN ('creating', 'active', 'retiring')),
  account_id TEXT NOT NULL DEFAULT '',
  key_id TEXT NOT NULL DEFAULT '',
  since INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lease_generation (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  value INTEGER NOT NULL
);
INSERT INTO lease_generation VALUES (1, 0);
)sql";

// Roots of derived tokens, wrapped under a key that is not in here (keys/derive_root.h); revoked
// tokens, until none of them can be alive; rotations, so that one that is asked for again makes
// nothing new. Revoked tokens share the count of versions with keys and layers.
constexpr char kKeyChanges[] = R"sql(
CREATE TABLE key_roots (
  kid TEXT PRIMARY KEY REFERENCES keys (kid),
  root BLOB NOT NULL CHECK (length(root) BETWEEN 1 AND 256)
) WITHOUT ROWID;
CREATE TRIGGER key_roots_fixed BEFORE UPDATE ON key_roots WHEN new.kid <> old.kid BEGIN
  SELECT RAISE(ABORT, 'a root stays with its key');
END;

CREATE TABLE key_tokens (
  kid TEXT NOT NULL REFERENCES keys (kid),
  tid TEXT NOT NULL CHECK (length(tid) = 16),
  version INTEGER NOT NULL DEFAULT 0,
  revoked_at INTEGER NOT NULL,
  revoked_by TEXT NOT NULL,
  revoked_why TEXT NOT NULL,
  forget_at INTEGER NOT NULL,
  PRIMARY KEY (kid, tid)
) WITHOUT ROWID;
CREATE INDEX key_tokens_version ON key_tokens (version);
CREATE TRIGGER key_tokens_inserted AFTER INSERT ON key_tokens BEGIN
  UPDATE key_version SET value = value + 1;
  UPDATE key_tokens SET version = (SELECT value FROM key_version)
  WHERE kid = new.kid AND tid = new.tid;
END;

CREATE TABLE key_rotations (
  rotation_id TEXT PRIMARY KEY CHECK (length(rotation_id) BETWEEN 1 AND 64),
  old_kid TEXT NOT NULL REFERENCES keys (kid),
  new_kid TEXT NOT NULL UNIQUE REFERENCES keys (kid),
  rotated_at INTEGER NOT NULL,
  rotated_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER key_rotations_fixed BEFORE UPDATE ON key_rotations BEGIN
  SELECT RAISE(ABORT, 'a rotation does not change');
END;
CREATE TRIGGER key_rotations_kept BEFORE DELETE ON key_rotations BEGIN
  SELECT RAISE(ABORT, 'rotations are kept');
END;
)sql";

// A pause of a key, and the identity mapping it was exchanged through (keys/key_info.h). What is
// revoked is not paused or resumed any more; name and mapping stay with their key.
constexpr char kPauses[] = R"sql(
ALTER TABLE keys ADD COLUMN blocked_at INTEGER;
ALTER TABLE keys ADD COLUMN blocked_by TEXT;
ALTER TABLE keys ADD COLUMN blocked_why TEXT;
ALTER TABLE keys ADD COLUMN mapping TEXT NOT NULL DEFAULT '';
UPDATE keys SET mapping = substr(created_by, 10)
WHERE created_by LIKE 'identity:%' AND state <> 'revoked';
CREATE TRIGGER keys_named BEFORE UPDATE ON keys
WHEN new.name <> old.name OR new.mapping <> old.mapping BEGIN
  SELECT RAISE(ABORT, 'name and mapping of a key do not change');
END;
)sql";

// Exchanged keys live for minutes and come by the thousand: a day after their end, by SQLite's
// clock, they may go (KeyStore::forget). No other key ever does.
constexpr char kForgetting[] = R"sql(
DROP TRIGGER keys_kept;
CREATE TRIGGER keys_kept BEFORE DELETE ON keys
WHEN old.mapping = '' OR old.expires_at > (CAST(strftime('%s', 'now') AS INTEGER) - 86400) * 1000
BEGIN
  SELECT RAISE(ABORT, 'keys are revoked, not deleted');
END;
)sql";

// Secrets under which personal fields of the log are sealed (vault/subject_keys.h), wrapped under a
// key that is not in here. A row that goes makes what was sealed with it unreadable for good.
constexpr char kSubjectKeys[] = R"sql(
CREATE TABLE subject_keys (
  owner TEXT PRIMARY KEY CHECK (length(owner) BETWEEN 1 AND 512),
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 16),
  wrapped BLOB NOT NULL CHECK (length(wrapped) BETWEEN 1 AND 256)
) WITHOUT ROWID;
CREATE TRIGGER subject_keys_fixed BEFORE UPDATE ON subject_keys BEGIN
  SELECT RAISE(ABORT, 'a secret does not change');
END;
)sql";

constexpr Migration kMigrations[] = {{1, kKeys},   {2, kSettings},   {3, kLayers},
                                     {4, kLedger}, {5, kLeases},     {6, kKeyChanges},
                                     {7, kPauses}, {8, kForgetting}, {9, kSubjectKeys}};

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace sallyport::store
