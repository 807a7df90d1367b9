// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "base/secret.h"
#include "keys/delivery_config.h"
#include "keys/identity_config.h"

namespace sallyport::keys {

struct Config {
  bool required = true;    // false: an open gate, for measurements only; doctor says so
  Secret pepper;           // 32 bytes or more; keys the MACs at rest
  Secret pepper_previous;  // rows under it still count, and are rewritten when used; empty: none
  // 32 bytes or more that wrap the roots of derived tokens; empty: no key can have any.
  Secret derive_key;
  std::vector<DeliveryConfig> deliver;
  RotationConfig rotate;
  std::chrono::milliseconds life = std::chrono::hours(8);
  std::chrono::milliseconds life_max = std::chrono::hours(24);
  // When the store is silent for more than 5 s: false refuses every key, true goes on with what is
  // known, deaf to what other processes revoke.
  bool keep_on_store_failure = false;
  std::vector<IdentityMapping> identity_exchange;  // empty: POST /oauth/token is not there
  LeakReportConfig leak_report;                    // nothing in it: POST /leak-report is not there
};

}  // namespace sallyport::keys
