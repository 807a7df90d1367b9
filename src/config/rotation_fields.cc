// SPDX-License-Identifier: Apache-2.0
#include "config/rotation_fields.h"

namespace sallyport::config {
namespace {

constexpr std::int64_t kHour = 3'600'000, kDay = 24 * kHour;
constexpr Reload kRestart = Reload::kRestart;

}  // namespace

#define AT(expression) [](Place& p) -> Slot { return &p.expression; }

std::vector<Field> rotation_fields() {
  using enum Type;
  return {
      {"keys.derive_key",
       kSecret,
       AT(config->keys.derive_key),
       "32 bytes or more that encrypt the roots of derived tokens in the store; without it no key "
       "can have any.",
       32,
       0,
       kRestart,
       {},
       "${cred:derive_key}"},
      {"keys.rotate.every", kDuration, AT(config->keys.rotate.every),
       "Age at which the gate itself replaces a key that keys.deliver has a target for; 0s: never.",
       0, 30 * kDay, kRestart},
      {"keys.rotate.grace", kDuration, AT(config->keys.rotate.grace),
       "How long the old key works on after the new one was delivered.", 0, kDay, kRestart},
      {"keys.rotate.end_early", kBool, AT(config->keys.rotate.end_early),
       "End the old key as soon as the new one was used.", 0, 0, kRestart},
      {"keys.deliver[].key",
       kText,
       AT(delivery->key),
       "Whose new secret goes here: a key's name, or a prefix that ends in *; left out, any.",
       0,
       0,
       kRestart,
       {},
       "app-*"},
      {"keys.deliver[].layer",
       kText,
       AT(delivery->layer),
       "Only keys on this layer; a * at the end stands for any rest.",
       0,
       0,
       kRestart,
       {},
       "acme/support/*"},
      {"keys.deliver[].to",
       kTarget,
       AT(delivery->to),
       "A file (file:/run/keys/{name}, mode 0600, in a directory that others cannot write to) or "
       "an https address that takes a signed message.",
       0,
       0,
       kRestart,
       {},
       "file:/run/keys/{name}"},
      {"keys.deliver[].sign_with",
       kSecret,
       AT(delivery->sign_with),
       "Secret that signs the message (Standard Webhooks): whsec_ and base64, or any text of 24 "
       "bytes or more.",
       24,
       0,
       kRestart,
       {},
       "${cred:delivery_secret}"},
      {"keys.deliver[].ca",
       kPath,
       AT(delivery->ca_file),
       "Authorities (PEM) to trust for the address instead of the system's.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/receiver-ca.crt"},
  };
}

}  // namespace sallyport::config
