// SPDX-License-Identifier: Apache-2.0
// The body of the provider's answer as the stages pull it. It holds the place in the pool: at the
// clean end the connection goes back, in every other case it is closed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/body.h"
#include "upstream/pool.h"
#include "upstream/upstreams.h"

namespace sallyport::upstream {

class AnswerBody final : public net::BodySource {
 public:
  AnswerBody(Lease lease, std::shared_ptr<Flight> flight, std::shared_ptr<const Upstream> upstream,
             provider::CredentialUse credential)
      : lease_(std::move(lease)),
        flight_(std::move(flight)),
        upstream_(std::move(upstream)),
        credential_(std::move(credential)) {}
  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return lease_.connection().body().finished(); }
  bool at_hand() const override { return lease_.connection().body().at_hand(); }

 private:
  void broke(const Error& error);
  Lease lease_;
  std::shared_ptr<Flight> flight_;
  std::shared_ptr<const Upstream> upstream_;
  provider::CredentialUse credential_;  // it stays in use until the stream has ended
};

// Bytes that were looked at already, then the rest of the body they came from.
class ResumedBody final : public net::BodySource {
 public:
  ResumedBody(std::string seen, std::unique_ptr<net::BodySource> rest)
      : seen_(std::move(seen)), rest_(std::move(rest)) {}
  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return given_ && rest_->finished(); }

 private:
  std::string seen_;
  std::unique_ptr<net::BodySource> rest_;
  bool given_ = false;
};

}  // namespace sallyport::upstream
