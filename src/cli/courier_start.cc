// SPDX-License-Identifier: Apache-2.0
#include "cli/courier_start.h"

#include <utility>

#include "keys/webhook_signature.h"

namespace sallyport::cli {

Result<void> check_courier(const audit::Config& config) {
  if (const auto& secret = config.anchor_sign_with) {
    const auto proof = keys::webhook_signature(*secret, "checkpoint_0", 0, "");
    if (!proof) return fail(Code::kInvalid, "audit.anchor.sign_with: " + proof.error().what);
  }
  return audit::LogCourier::check(config);
}

Result<std::unique_ptr<audit::LogCourier>> open_courier(const Record& record, const Clock& clock,
                                                        net::Resolver& resolver, net::Offload& disk,
                                                        std::function<std::uint64_t()> keep_from) {
  if (record.keeper() == nullptr) return std::unique_ptr<audit::LogCourier>();
  const Result<void> usable = check_courier(record.keeper()->config());
  if (!usable) return std::unexpected(usable.error());
  audit::CourierParts parts{.keeper = *record.keeper(),
                            .recorder = record.port(),
                            .clock = clock,
                            .resolver = resolver,
                            .disk = disk,
                            .sign = {},
                            .keep_from = std::move(keep_from)};
  if (const auto secret = record.keeper()->config().anchor_sign_with) {
    parts.sign = [secret](std::string_view id, std::int64_t timestamp_s, std::string_view body) {
      return keys::webhook_signature(*secret, id, timestamp_s, body);
    };
  }
  return audit::LogCourier::make(std::move(parts));
}

}  // namespace sallyport::cli
