// SPDX-License-Identifier: Apache-2.0
// Forgets what lies sealed in the log: of one key, or of all days before one; and, when the policy
// says how long it is kept, every hour by itself. The secret goes, the log stays as it is, and what
// was made from the log is made anew. Each act is recorded before it is done.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "admin/routes.h"
#include "audit/column_builder.h"
#include "base/clock.h"
#include "base/task.h"
#include "event/ports/recorder.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

class Erasure {
 public:
  struct Parts {  // all outlive it
    // How many secrets are gone; vault/subject_keys.h.
    std::function<Result<std::size_t>(const std::string& key)> forget_key;
    std::function<Result<std::size_t>(UtcTime time)> forget_days_before;
    std::function<Result<std::optional<UtcTime>>()> oldest_day;
    std::function<Result<void>()> wipe_traces;
    audit::ColumnBuilder& columns;
    Recorder& recorder;
    const Clock& clock;
    net::Loop& loop;
    net::Offload& offload;
    std::chrono::milliseconds keep{0};  // 0: for ever
  };
  explicit Erasure(Parts parts) : parts_(std::move(parts)) {}

  // POST /admin/v1/audit/erase.
  Task<net::ServerResponse> erase(AdminRequest request);

  // Until the loop ends.
  Task<void> run();

 private:
  struct Wish {
    std::optional<std::string> key;
    std::optional<UtcTime> before;
    std::optional<UtcTime> since = {};  // no older day is there
    std::string actor;
    std::string ip;
  };
  Result<std::size_t> carry_out(const Wish& wish);
  Result<std::size_t> carry_out_policy();

  const Parts parts_;
};

// `erasure` outlives the routes.
void add_erasure_routes(Routes& routes, Erasure& erasure);

}  // namespace sallyport::admin
