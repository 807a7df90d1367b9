// SPDX-License-Identifier: Apache-2.0
// Carries checkpoints to those who keep us honest: witnesses (C2SP tlog-witness), who sign that
// they saw no other history of this log, and a webhook that keeps a copy. And deletes what
// retention says. On the house's loop; nothing of it holds up the signing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/tree_keeper.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "event/ports/recorder.h"
#include "net/connect.h"
#include "net/offload.h"
#include "net/tls.h"

namespace sallyport::audit {

// All outlive the courier.
struct CourierParts {
  TreeKeeper& keeper;
  Recorder& recorder;
  const Clock& clock;
  net::Resolver& resolver;
  net::Offload& disk;
  // The Standard Webhooks signature of a message; empty: posts are not signed.
  std::function<Result<std::string>(std::string_view id, std::int64_t timestamp_s,
                                    std::string_view body)>
      sign;
  // The first record that somebody still has to read; empty: nobody.
  std::function<std::uint64_t()> keep_from;
};

class LogCourier {
 public:
  // What make() would refuse: a witness's key or an address.
  static Result<void> check(const Config& config);
  // kInvalid: what check() says.
  static Result<std::unique_ptr<LogCourier>> make(CourierParts parts);

  // Until the loop drops it.
  Task<void> run(net::Loop& loop);
  // One round: the newest checkpoint to everyone who does not have it.
  Task<void> carry(net::Loop& loop);
  Task<void> prune_old(net::Loop& loop);

 private:
  struct Witness {
    std::string url;
    VerifierKey key;
    std::shared_ptr<const net::TlsContext> tls;
    std::optional<std::uint64_t> size;  // of the checkpoint it holds, as far as it told us
    std::string done;                   // text of the checkpoint that it signed last, or refused
    bool told = false;                  // a failure was logged, and it goes on
  };
  explicit LogCourier(CourierParts parts) : parts_(std::move(parts)) {}

  Task<void> ask_witness(net::Loop& loop, Witness& witness,
                         std::shared_ptr<const TreeKeeper::Published> now);
  Task<Result<std::string>> request_body(net::Loop& loop, std::uint64_t old_size,
                                         std::shared_ptr<const TreeKeeper::Published> now);
  Task<Result<void>> take_cosignature(net::Loop& loop, const Witness& witness, std::string answer,
                                      std::shared_ptr<const TreeKeeper::Published> now);
  void trouble(Witness& witness, TreeCounters::Count& count, const std::string& why);
  Task<void> post_anchor(net::Loop& loop, std::shared_ptr<const TreeKeeper::Published> now);

  CourierParts parts_;
  std::vector<std::unique_ptr<Witness>> witnesses_;
  std::shared_ptr<const net::TlsContext> anchor_tls_;
  std::string anchored_;
};

}  // namespace sallyport::audit
