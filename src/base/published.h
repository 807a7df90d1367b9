// SPDX-License-Identifier: Apache-2.0
// An immutable snapshot with one publisher and many reading threads (keys, policy, configuration).
// A reader costs one atomic load per look-up; only when the version moved does it take the lock and
// the new pointer. (std::atomic<shared_ptr> of libstdc++ 12 is not lock-free and TSan flags it.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace sallyport {

template <class T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> first) : current_(std::move(first)) {}
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  // Any thread. Readers see `next` at their next look-up, never half of it.
  void publish(std::shared_ptr<const T> next) {
    const std::lock_guard lock(mutex_);
    current_.swap(next);
    version_.fetch_add(1, std::memory_order_release);
  }

  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Any thread; takes the lock.
  std::shared_ptr<const T> snapshot() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  // One per reading thread; the Published outlives it.
  class Reader {
   public:
    explicit Reader(const Published& from) : from_(&from) {}

    const T& operator*() { return *latest(); }
    const T* operator->() { return latest().get(); }

    // The snapshot stays valid while the caller keeps the returned pointer (across a co_await: copy
    // it).
    const std::shared_ptr<const T>& latest() {
      const std::uint64_t version = from_->version();
      if (version != seen_ || !held_) {
        held_ = from_->snapshot();
        seen_ = version;
      }
      return held_;
    }

   private:
    const Published* from_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const T> held_;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> current_;
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace sallyport
