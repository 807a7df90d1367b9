// SPDX-License-Identifier: Apache-2.0
#include "config/audit_fields.h"

namespace sallyport::config {
namespace {

constexpr std::int64_t kSecond = 1'000, kDay = 86'400 * kSecond;
constexpr Reload kRestart = Reload::kRestart;

}  // namespace

#define AT(expression) [](Place& p) -> Slot { return &p.expression; }

std::vector<Field> provable_log_fields() {
  using enum Type;
  return {
      {"audit.origin",
       kText,
       AT(config->audit.origin),
       "Name of the log in its checkpoints, for ever: host and path without scheme; made at the "
       "first start when left out.",
       0,
       0,
       kRestart,
       {},
       "gw1.example.com/audit"},
      {"audit.checkpoint_every", kDuration, AT(config->audit.checkpoint_every),
       "How often the log is signed while records come in; 10,000 records are signed sooner.",
       kSecond, 60 * kSecond, kRestart},
      {"audit.last_signed",
       kPath,
       AT(config->audit.last_signed),
       "What was signed last, outside of the journal and of its backups; "
       "`<journal>.last_signed` beside the store when left out.",
       0,
       0,
       kRestart,
       {},
       "file:/var/lib/sallyport/journal.last_signed"},
      {"audit.signing_key",
       kPath,
       AT(config->audit.signing_key),
       "Seed of the Ed25519 key, made at the first start with mode 0600; "
       "`<journal>.signing_key` beside the store when left out.",
       0,
       0,
       kRestart,
       {},
       "file:/var/lib/sallyport/journal.signing_key"},
      {"audit.signing_seed",
       kSecret,
       AT(config->audit.signing_seed),
       "The seed instead of a file: base64 of 32 bytes.",
       44,
       44,
       kRestart,
       {},
       "${cred:signing_seed}"},
      {"audit.retention", kDuration, AT(config->audit.retention),
       "Whole segments that are older are deleted, and the act is recorded; 0s keeps all.", 0,
       3'650 * kDay, kRestart},
      {"audit.seal.fields",
       kTexts,
       AT(config->audit.seal_fields),
       "Personal fields that lie sealed in the log, so that they can be forgotten: ip, geo, "
       "network. "
       "None when left out.",
       0,
       0,
       kRestart,
       {"ip", "geo", "network"},
       "[ip, geo]"},
      {"audit.seal.keep", kDuration, AT(config->audit.seal_keep),
       "Days that are older are forgotten: what was sealed on them cannot be read any more; 0s "
       "keeps it until somebody erases it.",
       0, 3'650 * kDay, kRestart},
      {"audit.seal.key",
       kPath,
       AT(config->audit.seal_key),
       "Root key of what is sealed, made at the first start with mode 0600; `<journal>.seal_key` "
       "beside the store when left out. Not in the same backup as the store.",
       0,
       0,
       kRestart,
       {},
       "file:/var/lib/sallyport/journal.seal_key"},
      {"audit.seal.root_key",
       kSecret,
       AT(config->audit.seal_root_key),
       "The root key instead of a file: 32 bytes or more.",
       32,
       0,
       kRestart,
       {},
       "${cred:seal_root_key}"},
      {"audit.witness[].url",
       kUrl,
       AT(witness->url),
       "Where a witness takes checkpoints (C2SP tlog-witness): /add-checkpoint is put behind it.",
       0,
       0,
       kRestart,
       {},
       "https://witness.example.com"},
      {"audit.witness[].key", kText, AT(witness->key),
       "Its verifier key: name+id+base64, of a cosigner.", 0, 0, kRestart},
      {"audit.anchor.file",
       kPath,
       AT(config->audit.anchor_file),
       "Every checkpoint is also appended to this file, for example on another volume.",
       0,
       0,
       kRestart,
       {},
       "file:/mnt/anchors/checkpoints"},
      {"audit.anchor.webhook",
       kUrl,
       AT(config->audit.anchor_webhook),
       "Checkpoints are also posted there, the newest one each time.",
       0,
       0,
       kRestart,
       {},
       "https://anchor.example.com/checkpoints"},
      {"audit.anchor.sign_with",
       kSecret,
       AT(config->audit.anchor_sign_with),
       "Secret that signs these posts (Standard Webhooks): whsec_ and base64, or any text of 24 "
       "bytes or more.",
       24,
       0,
       kRestart,
       {},
       "${cred:anchor_secret}"},
  };
}

}  // namespace sallyport::config
