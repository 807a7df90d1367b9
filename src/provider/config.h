// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace sallyport::provider {

// Where an upstream's credential comes from. `mode` decides which of the fields count.
struct LeaseConfig {
  std::string mode = "static";  // static | service_account | workload_identity

  // service_account: one account per lease, made and deleted through the Admin API.
  std::string admin_url;                    // empty: the upstream's base_url
  std::shared_ptr<const Secret> admin_key;  // of the organisation
  std::string project;                      // proj_...
  std::string instance;                     // accounts are named sallyport-<instance>-<generation>
  std::int64_t life_ms = 4 * 3'600'000;     // renewed at half of it
  std::int64_t drain_ms = 10 * 60'000;      // how long streams may keep an old credential

  // workload_identity: a token exchanged for a JWT that we sign.
  std::string token_url = "https://auth.openai.com/oauth/token";
  std::string identity_provider_id;  // idp-...
  std::string service_account_id;
  std::string client_id;  // optional
  std::string issuer;     // iss of our tokens, as it was registered at the provider
  std::string audience = "https://api.openai.com/v1";
  std::string subject;                  // sub; empty: sallyport:<instance>
  std::optional<std::string> key_file;  // PEM; made with mode 0600 when it does not exist
};

// One upstream as this room sees it.
struct UpstreamCredential {
  std::string name;
  std::string base_url;
  std::optional<std::string> ca_file;
  std::string api_key_id;  // of a static one
  LeaseConfig lease;
};

// What is watched at the provider besides usage.
struct Config {
  std::string admin_url = "https://api.openai.com/v1";
  std::shared_ptr<const Secret> admin_key;  // null: nothing is watched
  std::vector<std::string> projects;        // whose keys are ours to know
  std::int64_t audit_every_ms = 60'000;
  std::int64_t keys_every_ms = 10 * 60'000;
  std::int64_t dormant_after_ms = 30ll * 24 * 3'600'000;
  std::vector<std::string> known_keys;  // key ids that are no surprise
  std::string retention = "any";        // expected type; any: not compared
};

// Comparison of the provider's usage with ours; `meter.reconcile` of the file.
struct ReconcileConfig {
  std::shared_ptr<const Secret> admin_key;  // null: nothing is compared
  std::int64_t every_ms = 5 * 60'000;
  double tolerance = 0.02;            // share by which the sums may differ
  std::int64_t lag_ms = 10 * 60'000;  // how late the provider's figures may come
};

}  // namespace sallyport::provider
