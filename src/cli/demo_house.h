// SPDX-License-Identifier: Apache-2.0
// What `demo` needs around it for half a minute: a folder that goes away, the simulated provider on
// one thread, the whole gate on another. No process is started, no address but loopback is used.
#pragma once

#include <atomic>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "base/result.h"
#include "cli/commands.h"
#include "cli/serving.h"

namespace sallyport::cli {

class DemoHouse {
 public:
  static Result<std::unique_ptr<DemoHouse>> open(Program serve);
  ~DemoHouse();  // stops the gate, then the provider, then removes the folder
  DemoHouse(const DemoHouse&) = delete;

  std::string base_url() const;  // of the gate, with /v1
  std::uint16_t gate_port() const { return gate_port_; }
  std::string config_file() const { return folder_ + "/sallyport.yaml"; }
  std::string admin_socket() const { return folder_ + "/admin.sock"; }

  bool gate_ended() const { return ended_.load(); }  // it could not start, or a signal ended it
  std::string gate_words() const { return words_.str(); }  // only when gate_ended()

  void stop_gate();

 private:
  struct Provider;
  DemoHouse() = default;
  Result<void> write_files(std::uint16_t provider_port);
  Result<void> start_provider();

  Signals signals_;  // first: blocks the signals that the gate's thread waits for
  std::string folder_;
  std::uint16_t gate_port_ = 0;
  std::unique_ptr<Provider> provider_;
  std::ostringstream words_;  // the gate's thread writes them until it has ended
  std::atomic<bool> ended_{false};
  std::thread gate_;
};

}  // namespace sallyport::cli
