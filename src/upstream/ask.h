// SPDX-License-Identifier: Apache-2.0
// The last stage: asks the provider, with the real credential. It trusts every stage before it:
// whoever comes here is identified, allowed, paid for and recorded. The address comes from the
// configuration alone (invariant 8); the client's credential never goes up and the provider's never
// comes down (invariant 3).
//
// Writes x.upstream_*, x.provider_key_id, x.answer, x.error_code and x.on_cancel; gives up x.body,
// x.headers and x.head_bytes once they are sent.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <vector>

#include "exchange/input_count.h"
#include "exchange/stage.h"
#include "upstream/pool.h"
#include "upstream/upstreams.h"

namespace sallyport::upstream {

class Ask final : public Stage, public InputCount {
 public:
  // One per loop. All three outlive the stage; the stage ends before the loop does.
  Ask(net::Loop& loop, net::Resolver& resolver, const Published<Upstreams>& upstreams);
  ~Ask() override;

  const char* name() const override { return "ask"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;
  // Before the call itself, of the same upstream, with its credential and connections
  // (ask_count.cc).
  Task<std::optional<std::int64_t>> count_input(Exchange& x, std::string question,
                                                std::int64_t timeout_ms) override;

  std::size_t idle_connections() const;  // on the loop's thread

 private:
  struct Call;
  struct Arrived {
    Lease lease;
    net::ResponseMeta meta;
  };
  struct Failure {
    Fault fault;
    std::string what;                     // for the operator's log
    bool retry_safe = false;              // the provider cannot have seen the request
    std::optional<Refusal> refusal = {};  // instead of the one that goes with the fault
  };

  struct Pooled {
    const Upstream* upstream;  // kept alive by snapshot_
    std::shared_ptr<Pool> pool;
    Published<provider::Credential>::Reader credential;
  };
  struct Counting;
  std::shared_ptr<const Upstream> choose(const Exchange& x);
  Pooled& pooled_for(const Upstream& upstream);
  Task<Result<std::int64_t>> ask_count(const Exchange& x, Counting& counting, bool fresh);
  Task<std::expected<Arrived, Failure>> ask(Exchange& x, Call& call);
  bool take_newer_credential(Exchange& x, Call& call);
  Task<std::expected<Arrived, Failure>> ask_patiently(Exchange& x, Call& call);
  Task<std::expected<Arrived, Failure>> attempt(Exchange& x, Call& call, bool fresh);
  Task<std::optional<Refusal>> receive(Exchange& x, Call& call, Arrived arrived);
  Task<std::optional<Refusal>> look_at_error(Exchange& x, Call& call);

  net::Loop& loop_;
  net::Resolver& resolver_;
  Published<Upstreams>::Reader reader_;
  std::shared_ptr<const Upstreams> snapshot_;  // the one pools_ were made for
  std::vector<Pooled> pools_;
};

}  // namespace sallyport::upstream
