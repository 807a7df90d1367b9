// SPDX-License-Identifier: Apache-2.0
// The public keys of one issuer, kept fresh: from an https address (plain http only on loopback),
// from a file, or from where the issuer's discovery document points to, on the issuer's own host.
// While the source is silent the last good set serves on, until it is too old to be believed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "keys/jwks.h"
#include "net/connect.h"
#include "net/offload.h"
#include "net/tls.h"

namespace sallyport::keys {

// What fetching needs of the house; all of it outlives the source.
struct FetchParts {
  net::Resolver& resolver;
  net::Offload& offload;  // reads files
  const Clock& clock;
};

class KeySource {
 public:
  // A set is fetched anew after kFreshUs, and serves for kStaleMaxUs after it was last fetched.
  // Whoever asks for an unknown key makes us fetch at most once in kAskAgainUs, apart from the
  // fetches that were due: an issuer may change its keys just after one of them.
  static constexpr std::int64_t kFreshUs = 600'000'000;        // 10 minutes
  static constexpr std::int64_t kStaleMaxUs = 86'400'000'000;  // 24 hours
  static constexpr std::int64_t kAskAgainUs = 60'000'000;      // 1 minute
  static constexpr std::int64_t kFetchMs = 5'000;              // one fetch, all of it

  // Who may wait for a fetch at one time; further ones are judged by what is known.
  static constexpr int kWaitersMax = 64;

  enum class Format { kJwks, kGithub };
  struct Place {
    Format format = Format::kJwks;
    std::optional<std::string> url, file;
    std::optional<std::string> issuer;  // discovery, where neither is given
    std::optional<std::string> ca_file;
    friend bool operator==(const Place&, const Place&) = default;
  };

  // kInvalid: no place, plain http to another machine, or a CA file that cannot be used.
  static Result<std::unique_ptr<KeySource>> make(Place place, FetchParts parts);

  // The last good set; null: none, or it is too old. Any thread; takes a lock shortly.
  std::shared_ptr<const KeySet> current() const;

  // The set, fetched anew if it is missing or does not know `kid`, if that is allowed just now. On
  // `loop`'s thread; any thread may call it. kUnavailable: there is no set to judge by.
  Task<Result<std::shared_ptr<const KeySet>>> find(net::Loop& loop, std::string kid);

  // Fetches if the set is due (kFreshUs) or the last fetch failed a minute ago.
  Task<void> refresh_if_due(net::Loop& loop);

  const Place& place() const { return place_; }

 private:
  class Turn;  // at most one fetch at a time
  class Waiter;
  KeySource(Place place, FetchParts parts, std::shared_ptr<const net::TlsContext> tls);
  Task<Result<std::string>> read_file(net::Loop& loop);
  Task<Result<std::string>> get(net::Loop& loop, std::string url);
  Task<Result<std::string>> discover(net::Loop& loop);
  Task<Result<std::string>> read(net::Loop& loop);
  Task<void> fetch(net::Loop& loop);
  void take(Result<std::string> text);
  Task<void> wait_for_fetch(net::Loop& loop);
  bool may_fetch(std::int64_t now_us, bool due_only);

  const Place place_;
  const FetchParts parts_;
  const std::shared_ptr<const net::TlsContext> tls_;

  mutable std::mutex mutex_;
  std::shared_ptr<const KeySet> set_;
  std::int64_t fetched_us_ = 0;               // when set_ came
  std::optional<std::int64_t> attempted_us_;  // the last fetch, good or not
  std::optional<std::int64_t> asked_us_;      // the last one that an unknown key began
  bool fetching_ = false;
  std::atomic<int> waiting_{0};
};

// All sources of one gate; a place that several mappings name is fetched once.
class KeySources {
 public:
  explicit KeySources(FetchParts parts) : parts_(parts) {}
  // The source lives as long as this. On the loop of keep_fresh, or before that runs.
  Result<KeySource*> add(KeySource::Place place);

  // Keeps them all fresh; never ends. Spawn it on one loop, which must drop its tasks before this
  // dies.
  Task<void> keep_fresh(net::Loop& loop);

 private:
  FetchParts parts_;
  std::vector<std::unique_ptr<KeySource>> sources_;
};

}  // namespace sallyport::keys
