// SPDX-License-Identifier: Apache-2.0
// The gate as a whole: one thread a core, each with its own listening sockets (SO_REUSEPORT), loop,
// stages and connections. Certificates are reloaded without touching connections under way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/worker.h"

namespace sallyport::http {

// The way of a request for one thread; called once per thread, on that thread's loop before it
// runs.
using StageList = std::function<std::vector<std::unique_ptr<Stage>>(net::Loop& loop)>;

class Gate {
 public:
  // What the house refers to outlives the gate.
  Gate(const Config& config, House house, WayMaker maker);
  ~Gate();  // stop() first
  Gate(const Gate&) = delete;

  // Reads certificates, binds every listener, starts the threads. On an error nothing runs.
  Result<void> start();

  struct Address {
    std::string name;  // of the listener
    net::Endpoint at;  // with the port that was picked
    bool tls = false;
  };
  const std::vector<Address>& addresses() const { return addresses_; }

  // A new configuration: certificates are read again, requests that begin from now on go the new
  // way. Listeners and threads stay as they are. On an error nothing changes. Not concurrently.
  Result<void> reload(const Config& config, WayMaker maker);

  // Stops accepting, lets exchanges end until the drain deadline, cuts the rest, joins the threads.
  void stop();

 private:
  struct Thread;
  static std::shared_ptr<const Way> make_way(net::Loop& loop, const Config& config,
                                             const WayMaker& maker);

  Config config_;
  House house_;
  WayMaker maker_;
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<Thread>> threads_;
  bool running_ = false;
};

// Reads a PEM chain and its key (the chain's own file when `key_file` is none).
Result<net::TlsServerFiles> read_tls_files(const std::string& certificate_file,
                                           const std::optional<std::string>& key_file);

// What a listener answers TLS with, from its files; null: plaintext. kUnavailable, kInvalid: which
// file cannot be used, and why.
Result<std::shared_ptr<const net::TlsContext>> read_certificates(const ListenerConfig& listener);

// "host:port" or "[v6]:port" of a configuration; the host is an address, not a name.
Result<net::Endpoint> parse_address(std::string_view text);

}  // namespace sallyport::http
