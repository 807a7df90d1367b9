// SPDX-License-Identifier: Apache-2.0
#include "provider/lease_store.h"

#include "base/text.h"

namespace sallyport::provider {
namespace {

std::string prefix_of(std::string_view instance) {
  return "sallyport-" + std::string(instance) + "-";
}

}  // namespace

std::string_view name(LeaseState state) {
  switch (state) {
    case LeaseState::kCreating:
      return "creating";
    case LeaseState::kActive:
      return "active";
    case LeaseState::kRetiring:
      return "retiring";
  }
  return "unknown";
}

std::string lease_name(std::string_view instance, std::uint64_t generation) {
  return prefix_of(instance) + std::to_string(generation);
}

bool is_lease_name(std::string_view name, std::string_view instance) {
  const std::string prefix = prefix_of(instance);
  return name.starts_with(prefix) && parse_uint(name.substr(prefix.size())).has_value();
}

const UpstreamCredential* owner_of(const LeaseRow& row,
                                   const std::vector<UpstreamCredential>& upstreams) {
  const auto leases = [](const UpstreamCredential& one) {
    return one.lease.mode == "service_account";
  };
  for (const UpstreamCredential& one : upstreams) {
    if (leases(one) && one.name == row.upstream) return &one;
  }
  for (const UpstreamCredential& one : upstreams) {
    const bool same = leases(one) && one.lease.project == row.project;
    if (same && is_lease_name(row.name, one.lease.instance)) return &one;
  }
  return nullptr;
}

}  // namespace sallyport::provider
