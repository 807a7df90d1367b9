// SPDX-License-Identifier: Apache-2.0
// How much memory all request bodies together may take, with what reading them costs: a parser
// needs many times the size of a large body. Without a common limit a handful of callers with valid
// keys could exhaust the host. One per process, shared by all threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace sallyport {

class BodyMemory {
 public:
  // Bodies up to this size are not counted: connections_max bounds them well enough.
  static constexpr std::uint64_t kFreeBytes = 16 * 1024;

  explicit BodyMemory(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  BodyMemory(const BodyMemory&) = delete;

  // A part of the memory, given back when it dies.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(memory_, other.memory_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() {
      if (memory_ != nullptr) memory_->used_.fetch_sub(bytes_, std::memory_order_relaxed);
    }

    // Makes the share `bytes` large, if it is smaller. False: there is not so much left.
    bool grow(BodyMemory& memory, std::uint64_t bytes) {
      if (bytes <= kFreeBytes || bytes <= bytes_) return true;
      const std::uint64_t more = bytes - bytes_;
      const std::uint64_t before = memory.used_.fetch_add(more, std::memory_order_relaxed);
      if (before + more > memory.bytes_max_.load(std::memory_order_relaxed)) {
        memory.used_.fetch_sub(more, std::memory_order_relaxed);
        memory.refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
      memory_ = &memory;
      bytes_ = bytes;
      return true;
    }

   private:
    BodyMemory* memory_ = nullptr;  // outlives the share
    std::uint64_t bytes_ = 0;
  };

  void limit(std::uint64_t bytes_max) { bytes_max_.store(bytes_max, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> bytes_max_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> refused_{0};  // requests that were sent away
};

}  // namespace sallyport
