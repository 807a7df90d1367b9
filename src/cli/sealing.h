// SPDX-License-Identifier: Apache-2.0
// What personal fields of the log are sealed with: the root key, the secrets in the store, and the
// sealer made of them.
#pragma once

#include <memory>

#include "audit/file_system.h"
#include "base/result.h"
#include "cli/commands.h"
#include "config/config.h"
#include "store/sqlite_subject_keys.h"
#include "vault/field_sealer.h"
#include "vault/subject_keys.h"

namespace sallyport::cli {

class Sealing {
 public:
  enum class Missing { kMake, kNone };  // of a root key

  // Null: nothing is to be sealed, and nothing ever was.
  static Result<std::unique_ptr<Sealing>> open(const config::Config& config,
                                               audit::FileSystem& files, Missing missing);

  // For a command that reads: the configuration with its secrets. Null where nothing lies sealed,
  // or when this user may not open it; that is told.
  static std::unique_ptr<Sealing> for_reading(const Invocation& call, audit::FileSystem& files);

  Sealer& sealer() { return *sealer_; }
  vault::SubjectKeys& keys() { return *keys_; }

 private:
  std::unique_ptr<store::SqliteSubjectKeys> store_;
  std::unique_ptr<vault::SubjectKeys> keys_;
  std::unique_ptr<vault::FieldSealer> sealer_;
};

}  // namespace sallyport::cli
