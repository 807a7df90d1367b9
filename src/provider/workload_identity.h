// SPDX-License-Identifier: Apache-2.0
// No key of the provider's at rest: the gate signs who it is (identity_key.h) and exchanges that
// for a token of minutes. One exchange for all; it is renewed when two thirds of its life are over,
// and at once when the provider refuses it.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "event/ports/recorder.h"
#include "net/loop.h"
#include "provider/admin_client.h"
#include "provider/config.h"
#include "provider/credential.h"
#include "provider/identity_key.h"
#include "provider/rotation.h"

namespace sallyport::provider {

struct ExchangeTimes {
  std::int64_t tick_ms = 500;
  std::int64_t retry_ms = 1'000;  // after a failure; doubled up to retry_max_ms
  std::int64_t retry_max_ms = 60'000;
  std::int64_t refused_pause_ms = 5'000;  // between two exchanges because of a 401
};

// All outlive the source and its task, which ends with the loop.
struct ExchangeParts {
  net::Loop& loop;
  net::Resolver& resolver;
  const Clock& clock;
  Recorder& recorder;
};

class WorkloadIdentity final : public CredentialSource,
                               public RenewableCredential,
                               public std::enable_shared_from_this<WorkloadIdentity> {
 public:
  // Longer than this no subject token lives, and so no token made from it.
  static constexpr std::chrono::seconds kLifeMax{3'600};

  static Result<std::shared_ptr<WorkloadIdentity>> make(ExchangeParts parts, std::string upstream,
                                                        LeaseConfig config, AskLimits limits = {},
                                                        ExchangeTimes times = {});

  // Any thread.
  const Published<Credential>& published() const override { return token_; }
  void refused(std::string_view) override { refused_.store(true, std::memory_order_relaxed); }

  void start();
  void stop() { stopped_ = true; }

  const std::string& issuer() const { return config_.issuer; }
  std::string jwk() const { return key_->jwk(); }  // public

  Result<void> request(std::string actor, std::optional<std::int64_t> drain_ms) override;
  CredentialStatus status() const override;

 private:
  using Self = std::shared_ptr<WorkloadIdentity>;
  struct Token {
    std::shared_ptr<const Secret> secret;
    std::chrono::seconds life;
  };
  WorkloadIdentity(ExchangeParts parts, std::string upstream, LeaseConfig config, AskLimits limits,
                   ExchangeTimes times, std::shared_ptr<const IdentityKey> key,
                   std::shared_ptr<const net::TlsContext> tls);
  static Task<void> keep(Self self);
  static Task<void> drop_when_over(Self self);
  std::string due();
  Task<bool> renew(std::string trigger);
  Task<Result<Token>> exchange();
  std::chrono::seconds asked_life() const;
  void tell(const Rotation& rotation, const Error* wrong);

  ExchangeParts parts_;
  const std::string upstream_;
  const LeaseConfig config_;
  const AskLimits limits_;
  const ExchangeTimes times_;
  const std::shared_ptr<const IdentityKey> key_;
  const std::shared_ptr<const net::TlsContext> tls_;  // null: plain HTTP

  Published<Credential> token_{nullptr};
  std::atomic<bool> refused_{false};
  bool stopped_ = false;
  bool exchanging_ = false;
  std::optional<std::string> requested_by_;
  std::shared_ptr<Rotation> last_;
  std::int64_t next_try_ms_ = 0, retry_ms_, refused_again_ms_ = 0;
};

}  // namespace sallyport::provider
