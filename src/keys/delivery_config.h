// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace sallyport::keys {

// Where the new secret of a key goes when the key is rotated. The first entry that fits counts.
struct DeliveryConfig {
  // Name of keys, or a prefix that ends in '*'; empty: any.
  std::string key;
  // Layer the key hangs on, "acme/support/user_42"; a '*' at the end stands for any rest.
  std::string layer;
  // "file:/run/keys/{name}" or "https://host/path" ("http://" to this machine only).
  std::string to;
  // Of a webhook: whsec_ and base64, or any text of 24 bytes or more (Standard Webhooks).
  std::shared_ptr<const Secret> sign_with;
  std::optional<std::string> ca_file;  // authorities (PEM) to trust instead of the system's
};

// Keys that have a target above are rotated by the gate itself.
struct RotationConfig {
  std::chrono::milliseconds every{0};                          // 0: not by itself
  std::chrono::milliseconds grace = std::chrono::minutes(10);  // how long the old one works on
  bool end_early = false;  // the old one ends when the new one was seen
};

}  // namespace sallyport::keys
