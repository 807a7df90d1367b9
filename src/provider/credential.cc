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

StaticCredential::StaticCredential(std::string provider_key_id,
                                   std::shared_ptr<const Secret> secret)
    : credential_(make(std::move(provider_key_id), std::move(secret))) {}

}  // namespace sallyport::provider
