// SPDX-License-Identifier: Apache-2.0
// A sink is a receiver that gets a copy of the record: it knows how to say a batch in its own
// protocol and how to read the answer. All else - cursor, batches, waiting, dead letters, metrics -
// is the same for all of them and lies in notify/sink_runner.h. Nothing here is on the path of a
// request, and a record holds no text of prompts, so none can reach a receiver.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "event/event.h"
#include "event/ports/metrics.h"
#include "event/ports/sealer.h"
#include "net/connect.h"
#include "net/loop.h"
#include "notify/config.h"

namespace sallyport::notify {

// One record on its way out.
struct Outgoing {
  std::uint64_t seq = 0;
  std::string id;    // "<origin>:<seq>": the same at every attempt, so that a receiver can tell
  std::string line;  // as the log has it, without its newline; sealed fields are open
  Event event;       // the same, parsed
  std::string sealed_line = {};  // as it lies in the log, where that differs
  // What may lie on our disk: an erasure must not find an open field there.
  const std::string& at_rest() const { return sealed_line.empty() ? line : sealed_line; }
};
using Batch = std::vector<Outgoing>;  // ascending seq, never empty

// What a receiver said to one batch.
struct Verdict {
  enum class Kind {
    kDone,   // all taken, but for the dead ones
    kAgain,  // may work later: all of it, or only `again`; without `why` nothing failed
    kHalve,  // too large: in two halves; a single record that is too large is dead
    kStop,   // will not work before a person has changed something (401, 403, 404, 410)
  };
  struct Dead {
    std::size_t index = 0;  // in the batch
    std::string reason;
  };

  Kind kind = Kind::kDone;
  std::vector<std::size_t> again = {};  // indexes; empty with kAgain: the whole batch
  std::vector<Dead> dead = {};          // will never be taken: into the dead letters
  std::chrono::milliseconds wait{0};    // the receiver's word (Retry-After); 0: ours
  std::string why = {};  // for the operator; no secret, nothing a receiver could forge
  // How many the receiver really took, where that is not all the rest: a sink had nothing to say
  // about some, or does not know which of the dead were taken after all.
  std::optional<std::size_t> taken = {};
};

// What sinks need of the house. All of it outlives them.
struct SinkParts {
  net::Resolver& resolver;
  const Clock& clock;
  std::string origin;   // of the log: with the seq it names a record everywhere
  std::string host;     // of this machine, as receivers show it
  std::string version;  // of this program
  // What is counted in the house, for receivers of metrics; filled before the sinks start. Null:
  // nothing.
  const std::vector<const MetricSource*>* metrics = nullptr;
  Sealer* sealer = nullptr;  // opens what lies sealed in the log: receivers get it in the clear
};

class Sink {
 public:
  virtual ~Sink() = default;
  // One attempt within the configured time. On the sinks' own loop, one call at a time. The batch
  // lives as long as somebody holds it.
  virtual Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) = 0;
  // Called now and then although there is no record (metrics to push, connections to keep).
  virtual Task<void> idle(net::Loop&) { co_return; }
  // The loop ends: connections of it are given up. No call is under way, and none follows.
  virtual void let_go() {}
};

}  // namespace sallyport::notify
