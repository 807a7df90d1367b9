// SPDX-License-Identifier: Apache-2.0
// The part of the table of fields (fields.h) that is about the provider: where credentials come
// from, what is watched there, what its usage is compared with.
#pragma once

#include <vector>

#include "config/fields.h"

namespace sallyport::config {

std::vector<Field> lease_fields();
std::vector<Field> provider_fields();

// What must be there for the lease's mode, and what is wrong in it: field below `upstream[n].` and
// message. `secrets` false: secrets were not followed and may be missing.
struct LeaseProblem {
  std::string field, message;
};
std::vector<LeaseProblem> check_lease(const upstream::UpstreamConfig& upstream, bool secrets);

// Leases have tasks and rows in the store: those of `running` stay until a restart. True: one
// differed. A lease that is new is not touched here; the upstreams refuse it with its name.
bool keep_leases(const Config& running, Config& next);

}  // namespace sallyport::config
