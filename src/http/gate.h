// SPDX-License-Identifier: Apache-2.0
// The gate as a whole: one thread a core, each with its own listening sockets (SO_REUSEPORT), loop,
// stages and connections. Certificates are reloaded without touching connections under way.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/worker.h"

namespace sallyport::http {

// The way of a request for one thread; called once per thread, on that thread's loop before it
// runs.
using StageList = std::function<std::vector<std::unique_ptr<Stage>>(net::Loop& loop)>;

class Gate {
 public:
  Gate(House house, StageList stages);  // what the house refers to outlives the gate
  ~Gate();                              // stop() first
  Gate(const Gate&) = delete;

  // Reads certificates, binds every listener, starts the threads. On an error nothing runs.
  Result<void> start();

  struct Address {
    std::string name;  // of the listener
    net::Endpoint at;  // with the port that was picked
    bool tls = false;
  };
  const std::vector<Address>& addresses() const { return addresses_; }

  // Reads the certificate files again; on an error the old ones stay. Any thread.
  Result<void> reload_certificates();

  // Stops accepting, lets exchanges end until the drain deadline, cuts the rest, joins the threads.
  void stop();

 private:
  struct Thread;
  Result<std::shared_ptr<const net::TlsContext>> read_certificates(const ListenerConfig& listener);

  House house_;
  StageList stages_;
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<Thread>> threads_;
  bool running_ = false;
};

// "host:port" or "[v6]:port" of a configuration; the host is an address, not a name.
Result<net::Endpoint> parse_address(std::string_view text);

}  // namespace sallyport::http
