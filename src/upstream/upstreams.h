// SPDX-License-Identifier: Apache-2.0
// The upstreams of one configuration: an immutable snapshot. What must outlive a reload (breakers,
// counters) is shared with the snapshot before.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/published.h"
#include "net/http_client.h"
#include "provider/credential.h"
#include "upstream/breaker.h"
#include "upstream/config.h"

namespace sallyport::upstream {

// Why a call got no answer of the provider's, or a bad one; a label of the metrics.
enum class Fault {
  kConnect,  // no connection could be made
  kBusy,     // all connections were in use
  kRefused,  // the breaker did not let it through
  kTimeout,
  kDisconnected,  // the connection died, before or in the middle of the answer
  kMalformed,
  kAuth,    // 401 or 403: our credential failed
  kServer,  // 5xx
  kQuota,   // 429: money is gone
  kRate,    // 429: too fast
};
inline constexpr std::size_t kFaults = 10;
std::string_view name(Fault fault);

// Process-wide, for the metrics page. Relaxed: a sum that is a moment old.
struct Counters {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> connects{0};  // calls that needed a new connection
  std::atomic<std::uint64_t> reused{0};    // calls on a kept one
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> asked_again{0};  // their credential had just been replaced
  std::array<std::atomic<std::uint64_t>, kFaults> faults{};
  void add(Fault fault) {
    faults[static_cast<std::size_t>(fault)].fetch_add(1, std::memory_order_relaxed);
  }
};

struct Upstream {
  UpstreamConfig config;
  net::Url url;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain HTTP
  std::shared_ptr<provider::CredentialSource> credential;
  std::shared_ptr<Breaker> breaker;
  std::shared_ptr<Counters> counters;
};

// What `provider` must know of the upstreams to keep their credentials.
std::vector<provider::UpstreamCredential> credentials_of(const Config& config);

class Upstreams {
 public:
  // kInvalid names the upstream and the field. `previous` may be null. `observer` hears every
  // change of a breaker made for this snapshot. `sources` has the credentials of upstreams whose
  // lease is not static; null: there are none, and such an upstream is kInvalid.
  static Result<std::shared_ptr<const Upstreams>> build(
      const Config& config, Breaker::Observer observer, const Upstreams* previous,
      const provider::CredentialSources* sources = nullptr);

  // The key's own upstream, else the first whose models include `model`, else the default. Nothing
  // if the key names one that is not configured: then there is none for it.
  std::shared_ptr<const Upstream> choose(const std::optional<std::string>& by_key,
                                         const std::optional<std::string>& model) const;
  const std::vector<std::shared_ptr<const Upstream>>& all() const { return all_; }

 private:
  std::vector<std::shared_ptr<const Upstream>> all_;
};

}  // namespace sallyport::upstream
