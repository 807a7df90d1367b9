// SPDX-License-Identifier: Apache-2.0
// The provable log over the admin API: its checkpoint, proofs, a new signing key, retention.
#pragma once

#include <cstdint>
#include <functional>

#include "admin/routes.h"
#include "audit/tree_keeper.h"
#include "base/clock.h"
#include "event/ports/recorder.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the routes.
struct ProofRouteParts {
  audit::TreeKeeper& keeper;
  Recorder& recorder;
  const Clock& clock;
  net::Loop& loop;
  net::Offload& offload;    // deletes segments
  net::Offload& questions;  // makes proofs
  // The first record that somebody still has to read (the sinks' cursors); UINT64_MAX: nobody. Any
  // thread.
  std::function<std::uint64_t()> keep_from;
};
void add_proof_routes(Routes& routes, ProofRouteParts parts);

}  // namespace sallyport::admin
