// SPDX-License-Identifier: Apache-2.0
// What the gate answers to callers that have no key: identity tokens for keys (/oauth/token) and
// reports of leaked keys (/leak-report), with what both need: the issuers' public keys, proofs of
// possession, and the hands that make and revoke keys with their records. Routes that are not
// configured are not there.
#pragma once

#include <memory>
#include <vector>

#include "admin/key_acts.h"
#include "admin/rotation_acts.h"
#include "config/config.h"
#include "exchange/own_route.h"
#include "keys/dpop.h"
#include "keys/key_source.h"
#include "keys/leak_report.h"
#include "keys/token_exchange.h"
#include "net/offload.h"

namespace sallyport::cli {

// All outlive it.
struct StrangerParts {
  keys::KeyRing& ring;
  Recorder& recorder;
  net::Resolver& resolver;
  net::Offload& verify;  // signatures; what leaked dies there: never held up by a disk
  net::Offload& mint;    // keys for identities: nobody else waits behind these
  net::Offload& urgent;  // makes ends durable, with nothing before them but other ends
  const Clock& clock;
};

class Strangers final : public keys::LeakReceiver {
 public:
  // kInvalid: an issuer or a place of keys that cannot be used.
  static Result<std::unique_ptr<Strangers>> make(const config::Config& config, StrangerParts parts);

  // A new configuration: identity mappings that are not in it mint nothing any more, also for the
  // ways that are under way; new ones need routes, so call it before those are added. Proofs and
  // leak reports stay as they were at the start. kInvalid: nothing changes. On the house's loop.
  Result<void> take(const config::Config& config);

  // The routes for one thread of the gate.
  void add_routes(std::vector<std::unique_ptr<OwnRoute>>& routes);
  // Null where http.public_url is not configured: keys that are bound to a proof open nothing then.
  keys::DpopProofs* proofs() { return proofs_.get(); }
  // Keeps the issuers' keys fresh; on the house's loop, never ends.
  Task<void> keep_fresh(net::Loop& house) { return sources_.keep_fresh(house); }

  Result<keys::LeakVerdict> report(std::string_view token, std::string_view source,
                                   std::string_view url, std::string_view ip) override;

 private:
  explicit Strangers(StrangerParts parts);
  Result<keys::Issued> mint(const keys::Exchanged& granted);

  StrangerParts parts_;
  admin::KeyActs keys_;
  admin::RotationActs tokens_;
  keys::KeySources sources_;
  std::unique_ptr<keys::DpopProofs> proofs_;
  std::unique_ptr<keys::TokenExchange> exchange_;          // null: not configured
  std::unique_ptr<keys::LeakReportKeys> leak_signatures_;  // null: not configured
};

}  // namespace sallyport::cli
