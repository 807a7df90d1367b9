// SPDX-License-Identifier: Apache-2.0
// The routes below /sim/: not of the API, but of the tests. They tell what came in, order faults,
// and do what a stranger does behind the gateway's back. docs/sim.md lists them.
#pragma once

#include "sim/admin_api.h"
#include "sim/path_faults.h"
#include "sim/request_log.h"

namespace sallyport::sim {

class Control {
 public:
  // All of them outlive this.
  Control(RequestLog& log, PathFaults& faults, AdminApi& admin)
      : log_(log), faults_(faults), admin_(admin) {}

  // 404 for a path that is none of these.
  Answer answer(const Call& call);

 private:
  Answer requests(const Call& call);
  Answer faults(const Call& call);
  Answer keys(const Call& call);
  Answer usage(const Call& call);
  Answer audit_logs(const Call& call);
  Answer identity_providers(const Call& call);
  Answer settings(const Call& call);

  RequestLog& log_;
  PathFaults& faults_;
  AdminApi& admin_;
};

}  // namespace sallyport::sim
