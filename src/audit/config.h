// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace sallyport::audit {

// Somebody who looks at every checkpoint and signs that it contradicts none before.
struct WitnessConfig {
  std::string url;  // in front of /add-checkpoint
  std::string key;  // its verifier key: name+id+key
};

struct Config {
  bool enabled = true;  // false: no record, for measurements only; doctor says so
  std::string path = "/var/lib/sallyport/journal";
  bool refuse_on_write_failure = true;      // false: pass_unrecorded, counted and alarmed
  bool outcome_synced = false;              // true: an answer's last byte waits for the fsync
  std::size_t segment_bytes = 64ull << 20;  // preallocated in steps, sealed when full
  std::size_t queue_records_max = 65536;    // beyond it records are refused, not dropped

  // The provable log (docs/provable-log.md).
  std::string origin = {};  // its name for ever; empty: made at the first start
  std::chrono::milliseconds checkpoint_every{1'000};
  // What was signed last, and the key: outside of the journal, so that a copy of the journal that
  // is put back is found out. Nothing: <the store's folder>/<the journal's name>.last_signed and
  // .signing_key.
  std::optional<std::string> last_signed = {};
  std::optional<std::string> signing_key = {};
  std::shared_ptr<const Secret> signing_seed = {};  // base64 of 32 bytes, instead of a file
  std::vector<WitnessConfig> witness = {};
  std::optional<std::string> anchor_file = {};     // every checkpoint is appended to it
  std::optional<std::string> anchor_webhook = {};  // and posted there
  std::shared_ptr<const Secret> anchor_sign_with = {};
  std::chrono::milliseconds retention{0};  // segments that are older are deleted; 0: none

  // Personal fields that lie sealed in the log (vault/field_sealer.h), so that they can be
  // forgotten.
  std::vector<std::string> seal_fields = {};         // ip, geo, network; none: all lies open
  std::chrono::milliseconds seal_keep{0};            // days that are older are forgotten; 0: none
  std::shared_ptr<const Secret> seal_root_key = {};  // at least 32 bytes, instead of a file
  std::optional<std::string> seal_key =
      {};  // the file; nothing: <journal>.seal_key beside the store
};

// Fills in last_signed, signing_key and seal_key where the configuration is silent.
void fill_paths(Config& config, const std::string& folder);

}  // namespace sallyport::audit
