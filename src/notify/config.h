// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/secret.h"

namespace sallyport::notify {

// One receiver of records. What every receiver has is a field; what only its type knows is an
// option, which the type's own table (notify/sink_table.h) names, explains and checks.
struct SinkConfig {
  std::string name;  // stable: the cursor in the journal hangs on it
  std::string type;  // a row of sink_types()
  std::string url;   // https, or http to this machine; of syslog tcp:// or tls://host:port
  std::shared_ptr<const Secret> token;  // what the receiver wants to see: token, password, key
  std::string user;                     // where the receiver wants a name with it
  std::optional<std::string> ca_file;   // authorities (PEM) to trust instead of the system's
  // Private or loopback networks the receiver may be in; otherwise such addresses are refused.
  std::vector<Cidr> allow;
  // Which records go: kinds ("request", "admin", "finding" ...), "refused" (status >= 400),
  // "failed" (status >= 500), "all". Empty: what the type is for.
  std::vector<std::string> only;
  std::size_t batch_records = 500;
  std::size_t batch_bytes = 1u << 20;
  std::chrono::milliseconds batch_wait{1'000};  // a batch that is not full waits for more
  std::chrono::milliseconds timeout{30'000};    // for one attempt
  std::string begin = "end";  // of the log: where a sink without a cursor begins; or "beginning"
  std::map<std::string, std::string> options;
};

struct Config {
  std::vector<SinkConfig> sinks;
};

}  // namespace sallyport::notify
