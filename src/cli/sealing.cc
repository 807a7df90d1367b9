// SPDX-License-Identifier: Apache-2.0
#include "cli/sealing.h"

#include <ostream>
#include <utility>

#include "audit/log_keys.h"
#include "cli/audit_options.h"
#include "config/load.h"

namespace sallyport::cli {
namespace {

// Null: there is none, and none is wanted.
Result<std::shared_ptr<const Secret>> root_key(const audit::Config& config,
                                               audit::FileSystem& files, bool make) {
  if (config.seal_root_key) return config.seal_root_key;
  auto key = audit::read_seed(*config.seal_key);
  if (key || key.error().code != Code::kNotFound) return key;
  if (!make) return std::shared_ptr<const Secret>();
  return audit::make_seed(files, *config.seal_key);
}

}  // namespace

Result<std::unique_ptr<Sealing>> Sealing::open(const config::Config& config,
                                               audit::FileSystem& files, Missing missing) {
  if (!config.audit.enabled) return nullptr;
  const bool make = missing == Missing::kMake && !config.audit.seal_fields.empty();
  auto root = root_key(config.audit, files, false);
  if (!root) return std::unexpected(root.error());
  if (!*root && !make) return nullptr;
  auto sealing = std::make_unique<Sealing>();
  auto store = store::SqliteSubjectKeys::open(config.store);
  if (!store) return std::unexpected(store.error());
  sealing->store_ = std::move(*store);
  if (!*root) {
    const auto rows = sealing->store_->of_owner(vault::kRootOwner);
    if (!rows) return std::unexpected(rows.error());
    if (*rows) {
      return fail(Code::kDenied, *config.audit.seal_key +
                                     " is gone, and the store has secrets that only it opens; put "
                                     "it back (docs/sealing.md)");
    }
    root = root_key(config.audit, files, true);
    if (!root) return std::unexpected(root.error());
  }
  auto keys = vault::SubjectKeys::make(**root, *sealing->store_);
  if (!keys) return std::unexpected(keys.error());
  sealing->keys_ = std::move(*keys);
  sealing->sealer_ =
      std::make_unique<vault::FieldSealer>(config.audit.seal_fields, *sealing->keys_);
  return sealing;
}

std::unique_ptr<Sealing> Sealing::for_reading(const Invocation& call, audit::FileSystem& files) {
  const auto shape = config_of(call);
  const bool perhaps = shape && (!shape->audit.seal_fields.empty() ||
                                 files.size(*shape->audit.seal_key).has_value());
  if (!perhaps) return nullptr;
  Error why{Code::kUnavailable, "the configuration's secrets cannot be read"};
  const config::LoadResult loaded = config::load_file(call.config_file);
  if (loaded) {
    auto sealing = open(loaded->config, files, Missing::kNone);
    if (sealing) return std::move(*sealing);
    why = sealing.error();
  }
  if (!call.quiet) call.err << "what lies sealed is shown sealed: " << why.what << '\n';
  return nullptr;
}

}  // namespace sallyport::cli
