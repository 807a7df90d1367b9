// SPDX-License-Identifier: Apache-2.0
// POST /leak-report: somebody found tokens where they must not be. GitHub's secret scanning signs
// its reports with keys that it publishes, in-house scanners with a shared secret; both send the
// same list. Without a good signature nothing in the list is looked at, so that nobody can ask here
// which tokens are real.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/own_route.h"
#include "keys/identity_config.h"
#include "keys/key_source.h"
#include "net/offload.h"

namespace sallyport::keys {

struct LeakVerdict {
  // The token was issued here, its MAC is right, and it works no more. False: it is not a key of
  // ours, or only looks like one.
  bool ours = false;
  // Of ours: makes its end durable and records it. May block on the disk. An error: it is dead
  // here, but nobody knows for how long; the reporter is asked to come again.
  std::function<Result<void>()> keep = {};
};

// Whoever owns the keys: finds the kid, checks the MAC, kills it here and at once. Never blocks on
// the disk. Killing again is no error. kUnavailable: it could not be told; the reporter is asked to
// come again.
class LeakReceiver {
 public:
  virtual ~LeakReceiver() = default;
  // `source` and `url` say where it was found: a stranger's text, bounded and printable, may be
  // empty. `ip` is the reporter's. The token must not be kept.
  virtual Result<LeakVerdict> report(std::string_view token, std::string_view source,
                                     std::string_view url, std::string_view ip) = 0;
};

// The signatures that count. One for all threads.
class LeakReportKeys {
 public:
  // kInvalid: the secret is shorter than 32 bytes, or the place cannot be used. `sources` outlives
  // it.
  static Result<std::unique_ptr<LeakReportKeys>> make(const LeakReportConfig& config,
                                                      KeySources& sources);

  // The key that a report names, if it may sign reports; fetched when it is not known yet.
  Task<std::shared_ptr<const KeySet>> github(net::Loop& loop, std::string identifier) const;
  bool takes_github() const { return github_ != nullptr; }
  bool takes_in_house() const { return secret_ != nullptr; }
  // HMAC-SHA-256 over the body in hexadecimal, as "sha256=<64 digits>".
  bool in_house(std::string_view header, std::string_view body) const;

 private:
  KeySource* github_ = nullptr;           // null: GitHub's reports are refused
  std::shared_ptr<const Secret> secret_;  // null: in-house reports are refused
};

// One per thread; what is passed outlives the end of both pools' threads.
class LeakReportRoute final : public OwnRoute {
 public:
  static constexpr std::size_t kBodyBytesMax = 1 << 20;
  static constexpr std::size_t kEntriesMax = 1000;
  static constexpr int kUnderWayMax = 4;  // reports being worked on by this thread's route

  // Where the work is done. `end` is never held up by a disk: what leaked dies there; `keep` makes
  // it durable.
  struct Threads {
    net::Offload& end;
    net::Offload& keep;
  };
  LeakReportRoute(const LeakReportKeys& keys, LeakReceiver& receiver, Threads threads)
      : keys_(keys), receiver_(receiver), threads_(threads) {}

  const char* name() const override { return "leak_report"; }
  bool takes(const Exchange& x) const override {
    return x.method == "POST" && x.path == "/leak-report";
  }
  std::size_t body_bytes_max() const override { return kBodyBytesMax; }
  // Neither signature, or both, or one that cannot be right whatever the body says.
  std::optional<OwnAnswer> refuse(Exchange& x) override;
  Task<OwnAnswer> answer(Exchange& x, std::string body) override;

 private:
  struct Report;
  const LeakReportKeys& keys_;
  LeakReceiver& receiver_;
  const Threads threads_;
  std::shared_ptr<std::atomic<int>> under_way_ = std::make_shared<std::atomic<int>>(0);
};

// One entry of a report.
struct LeakEntry {
  std::string token, type, url, source;
};
// kInvalid: not the list, an entry without token or type, or one that is too large.
Result<std::vector<LeakEntry>> parse_leak_report(std::string_view json);

}  // namespace sallyport::keys
