// SPDX-License-Identifier: Apache-2.0
#include "provider/credential.h"

namespace sallyport::provider {
namespace {

std::shared_ptr<const Credential> make(std::string id, std::shared_ptr<const Secret> secret) {
  auto credential = std::make_shared<Credential>();
  credential->provider_key_id = std::move(id);
  credential->secret = std::move(secret);
  return credential;
}

}  // namespace

std::string trouble_of(const CredentialStatus& status) {
  if (!status.last) return status.mode == "static" ? "" : "none was obtained yet";
  if (status.last->state == Rotation::State::kRunning) {
    return status.issued_at ? "" : "one is being obtained";
  }
  if (status.last->state == Rotation::State::kDone) return "";
  for (const RotationStep& step : status.last->steps) {
    if (!step.ok) return step.name + " failed: " + step.what;
  }
  return "the last renewal failed";
}

CredentialStatus CredentialSource::status() const {
  CredentialStatus status;
  status.mode = "static";
  if (const auto now = current()) status.provider_key_id = now->provider_key_id;
  return status;
}

StaticCredential::StaticCredential(std::string provider_key_id,
                                   std::shared_ptr<const Secret> secret)
    : credential_(make(std::move(provider_key_id), std::move(secret))) {}

}  // namespace sallyport::provider
