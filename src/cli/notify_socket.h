// SPDX-License-Identifier: Apache-2.0
// sd_notify without the library: tells systemd (Type=notify) how the service is. Without
// $NOTIFY_SOCKET nothing happens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::cli {

class NotifySocket {
 public:
  // Of this process's environment. The variable is removed, so that no child inherits it.
  static NotifySocket from_environment();
  explicit NotifySocket(std::string path) : path_(std::move(path)) {}

  void ready() const { send("READY=1"); }
  void reloading() const;  // then ready() again when done
  void stopping() const { send("STOPPING=1"); }
  void watchdog() const { send("WATCHDOG=1"); }
  void status(std::string_view text) const { send("STATUS=" + std::string(text)); }

  // How often watchdog() must be called, in ms; 0: never. Half of what systemd allows.
  std::int64_t watchdog_every_ms() const { return watchdog_every_ms_; }

 private:
  void send(const std::string& state) const;
  std::string path_;  // empty: nobody listens
  std::int64_t watchdog_every_ms_ = 0;
};

}  // namespace sallyport::cli
