// SPDX-License-Identifier: Apache-2.0
// Keys for what is to be forgotten. Whatever belongs to a subject and a day is sealed under a key
// made of two secrets, the subject's and the day's (HMAC-SHA-256 of one under the other): without
// either of them it cannot be had any more. So one subject is forgotten at once (crypto-shredding),
// and a whole day when its time is over. The secrets are stored wrapped under a root key that is
// not in the store.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace sallyport::vault {

// `owner`: "subject:user_42" or "day:20261125". `id` is random and says nothing of the owner.
struct StoredSecret {
  std::string owner;
  std::string id;
  std::string wrapped;
};

class SubjectKeyStore {
 public:
  virtual ~SubjectKeyStore() = default;
  virtual Result<std::optional<StoredSecret>> of_owner(std::string_view owner) = 0;
  virtual Result<std::optional<StoredSecret>> of_id(std::string_view id) = 0;
  // What is stored for the owner afterwards: another process may have been first.
  virtual Result<StoredSecret> put_new(const StoredSecret& secret) = 0;
  // How many there were. Their traces in the write-ahead log stay until wipe_traces().
  virtual Result<std::size_t> forget(std::string_view owner) = 0;
  virtual Result<std::size_t> forget_days_before(std::string_view day) = 0;  // "20261125"
  virtual Result<std::optional<std::string>> oldest_day() = 0;
  // May wait two seconds for others that read; nothing else of the store waits for it.
  virtual Result<void> wipe_traces() = 0;
};

inline constexpr char kRootOwner[] =
    "root";  // a secret that only tells whether the root key is right

std::string day_of(UtcTime time);  // "20261125", UTC

// Any thread. At most kCachedMax subjects are in memory.
class SubjectKeys {
 public:
  static constexpr std::size_t kCachedMax = 10'000;
  struct Key {
    std::string id;  // of the subject's secret
    std::shared_ptr<const Secret> key;
  };

  // `root` has any bytes, at least 32; `store` outlives it. kDenied: the store's secrets were
  // wrapped under another root key.
  static Result<std::unique_ptr<SubjectKeys>> make(const Secret& root, SubjectKeyStore& store);

  // Makes what is not there yet.
  Result<Key> for_sealing(std::string_view subject, std::string_view day);
  // kNotFound: forgotten.
  Result<std::shared_ptr<const Secret>> for_opening(std::string_view id, std::string_view day);

  // Both return how many secrets are gone, and wipe no traces yet.
  Result<std::size_t> forget_subject(std::string_view subject);
  Result<std::size_t> forget_days_before(UtcTime time);
  Result<std::optional<UtcTime>> oldest_day();  // of those that are not forgotten
  Result<void> wipe_traces() { return store_.wipe_traces(); }

 private:
  SubjectKeys(Secret root, SubjectKeyStore& store) : root_(std::move(root)), store_(store) {}
  using Shared = std::shared_ptr<const Secret>;
  struct Known {
    std::string id;
    Shared secret;
  };

  Result<Known> own(const std::string& owner);
  Result<Known> unwrap(const StoredSecret& stored) const;
  Result<Shared> combine(const std::string& id, const Secret& subject, std::string_view day,
                         const Secret& of_day);
  void drop_cache();

  const Secret root_;
  SubjectKeyStore& store_;
  std::mutex mutex_;
  std::map<std::string, Known, std::less<>> owners_;
  std::map<std::string, Shared, std::less<>> by_id_;     // subjects' secrets
  std::map<std::string, Shared, std::less<>> combined_;  // "<id> <day>"
};

}  // namespace sallyport::vault
