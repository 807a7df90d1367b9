// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <array>
#include <atomic>
#include <cstdlib>

namespace sallyport {
namespace {

// A child of fork must not hand out the bytes that its parent still holds.
std::atomic<unsigned> fork_generation{0};

void watch_forks() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
  if (registered != 0) abort();
}

// Bytes drawn ahead for identifiers, not for keys: each is wiped when it is given out.
class Reserve {
 public:
  Reserve() { watch_forks(); }
  ~Reserve() { explicit_bzero(bytes_.data(), bytes_.size()); }
  Reserve(const Reserve&) = delete;

  unsigned char next() {
    if (left_ == 0 || generation_ != fork_generation.load(std::memory_order_relaxed)) {
      fill_random(bytes_);
      left_ = bytes_.size();
      generation_ = fork_generation.load(std::memory_order_relaxed);
    }
    --left_;
    const unsigned char byte = bytes_[left_];
    bytes_[left_] = 0;
    return byte;
  }

 private:
  std::array<unsigned char, 1024> bytes_{};
  std::size_t left_ = 0;
  unsigned generation_ = 0;
};

constexpr unsigned kFair = 62 * 4;  // bytes from here on would favour the first characters

}  // namespace

void fill_random(std::span<unsigned char> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      // Without randomness no key, nonce or session is safe: there is nothing to go on with.
      fputs("getrandom failed: no secure randomness, stopping\n", stderr);
      abort();
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::string random_base62(std::size_t length) {
  std::string out;
  out.reserve(length);
  std::array<unsigned char, 64> bytes;
  while (out.size() < length) {
    fill_random(bytes);
    for (const unsigned char byte : bytes) {
      if (byte < kFair && out.size() < length) out.push_back(kBase62[byte % 62]);
    }
  }
  explicit_bzero(bytes.data(), bytes.size());
  return out;
}

std::string make_request_id() {
  thread_local Reserve reserve;
  std::string id = "req_";
  id.reserve(28);
  while (id.size() < 28) {
    const unsigned char byte = reserve.next();
    if (byte < kFair) id.push_back(kBase62[byte % 62]);
  }
  return id;
}

}  // namespace sallyport
