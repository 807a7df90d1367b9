// SPDX-License-Identifier: Apache-2.0
// What `serve` does around the gate: reads the configuration, tells the operator, opens the admin
// doors, waits for signals, keeps the key ring fresh. It holds no decision about a request.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/admin_api.h"
#include "audit/journal.h"
#include "audit/tree_keeper.h"
#include "cli/commands.h"
#include "cli/ground.h"
#include "cli/notify_socket.h"
#include "cli/quickstart.h"
#include "config/config.h"
#include "config/reload.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "http/gate.h"
#include "keys/key_ring.h"
#include "net/http_server.h"
#include "net/offload.h"
#include "upstream/breaker.h"

namespace sallyport::cli {

// SIGTERM, SIGINT and SIGHUP as a descriptor. Made before the first thread, so that all inherit the
// mask.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// The journal and the keeper of its tree, or, where the configuration switched it off, nothing
// behind the same port.
class Record {
 public:
  Record(std::unique_ptr<audit::TreeKeeper> keeper, std::unique_ptr<audit::Journal> journal,
         std::unique_ptr<Recorder> none);
  Recorder& port() const;
  const audit::Journal* journal() const { return journal_.get(); }
  audit::TreeKeeper* keeper() const { return keeper_.get(); }  // null without a journal
  void stop();

 private:
  std::unique_ptr<audit::Journal> journal_;
  std::unique_ptr<Recorder> none_;
  std::unique_ptr<audit::TreeKeeper> keeper_;  // reads how far the journal is
};
Result<Record> open_record(const audit::Config& config, const Clock& clock,
                           audit::FileSystem& files, Sealer* sealer);

// Each change of a breaker is a record and a line in the operator's log. Both arguments outlive it.
upstream::Breaker::Observer breaker_recorder(Recorder& recorder, const Clock& clock);

// For what can only fail when OpenSSL does: ends the process with a message.
[[noreturn]] void die(const Error& why);
template <class T>
T must(Result<T> made) {
  if (!made) die(made.error());
  return std::move(*made);
}

class Serving {
 public:
  explicit Serving(const Invocation& call);
  ~Serving();

  bool configured() const { return config_ != nullptr; }  // false: the problems have been told
  std::shared_ptr<const config::Config> config() const { return config_; }

  // "cannot DO: WHY" for the operator; the exit code.
  int cannot(const char* what, const Error& why) const;
  int cannot(const Failed& failed) const;

  // Listens on the admin address and socket; makes the admin token at the first start.
  Result<void> open_doors(net::Loop& house, admin::AdminApi& api, SettingStore& settings);

  // What a person needs after the start: addresses; with --quickstart a first key and a line to
  // try.
  void welcome(const std::vector<http::Gate::Address>& gate, admin::KeyActs acts);

  // Serves the admin doors and keeps the ring fresh until a signal says stop.
  void run(net::Loop& house, const Signals& signals, net::Offload& disk, keys::KeyRing& ring,
           std::function<void()> reload);
  void goodbye() const;

  // The file again; null when it is invalid (told in the log).
  std::shared_ptr<const config::Config> reload();
  void keep(const char* what, const Error& why) const;  // the old configuration stays, because
  void took();                                          // all of what reload() gave is in use

 private:
  Task<void> watch_signals(net::Loop& house, int fd, std::function<void()> reload);
  Task<void> watch_keys(net::Loop& house, net::Offload& disk, keys::KeyRing& ring);
  Task<void> feed_watchdog(net::Loop& house);

  const Invocation& call_;
  NotifySocket supervisor_;
  std::unique_ptr<Quickstart> quickstart_;  // only with --quickstart
  std::string config_file_;
  std::shared_ptr<const config::Config> config_;
  std::optional<config::Reloaded> reloaded_;  // read, not yet taken
  std::vector<std::unique_ptr<net::HttpServer>> doors_;
  std::string admin_address_;
};

}  // namespace sallyport::cli
