// SPDX-License-Identifier: Apache-2.0
// What the gate shows the provider. Where it comes from is pluggable: a static secret, a leased
// service account (leases.h), an exchanged token (workload_identity.h). A request takes the
// snapshot of the moment and counts as a use until its stream has ended, so that the one who
// replaces a credential knows when nobody needs the old one any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/published.h"
#include "base/secret.h"
#include "provider/rotation.h"

namespace sallyport::provider {

struct Credential {
  std::string provider_key_id;           // public name for the record; may be empty
  std::shared_ptr<const Secret> secret;  // fits into a header; null: none is sent
  UtcTime issued_at{};
  std::optional<UtcTime> ends_at;

  // Requests under way. The one thing of a snapshot that moves.
  std::atomic<std::int64_t>& uses() const { return uses_; }

 private:
  mutable std::atomic<std::int64_t> uses_{0};
};

// One request's hold on its credential.
class CredentialUse {
 public:
  CredentialUse() = default;
  explicit CredentialUse(std::shared_ptr<const Credential> credential)
      : credential_(std::move(credential)) {
    if (credential_) credential_->uses().fetch_add(1, std::memory_order_acq_rel);
  }
  CredentialUse(CredentialUse&& other) noexcept = default;
  // What was held before goes with `other`, and ends with it.
  CredentialUse& operator=(CredentialUse&& other) noexcept {
    credential_.swap(other.credential_);
    return *this;
  }
  ~CredentialUse() {
    if (credential_) credential_->uses().fetch_sub(1, std::memory_order_acq_rel);
  }
  const Credential* operator->() const { return credential_.get(); }
  const Credential* get() const { return credential_.get(); }
  explicit operator bool() const { return credential_ != nullptr; }

 private:
  std::shared_ptr<const Credential> credential_;
};

class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  // Any thread. The snapshot is null while there is none to show: then nothing may be asked. On the
  // path of a request use a Published::Reader of one's own; it outlives no source.
  virtual const Published<Credential>& published() const = 0;
  std::shared_ptr<const Credential> current() const { return published().snapshot(); }

  // What operators see of it. On the house's loop.
  virtual CredentialStatus status() const;

  // Any thread, cheap. The provider answered 401 to this credential.
  virtual void refused(std::string_view provider_key_id) = 0;
};

class StaticCredential final : public CredentialSource {
 public:
  StaticCredential(std::string provider_key_id, std::shared_ptr<const Secret> secret);
  const Published<Credential>& published() const override { return credential_; }
  void refused(std::string_view) override {}  // only its owner can replace it

 private:
  Published<Credential> credential_;
};

// The sources of upstreams whose credential is not static, by the upstream's name.
class CredentialSources {
 public:
  virtual ~CredentialSources() = default;
  virtual std::shared_ptr<CredentialSource> find(std::string_view upstream) const = 0;  // or null
};

}  // namespace sallyport::provider
