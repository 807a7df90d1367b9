// SPDX-License-Identifier: Apache-2.0
// A few threads for work that would hold up a loop: checking a body of megabytes. The coroutine
// waits, the loop goes on. The queue is bounded by the connections that can wait in it.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "net/loop.h"

namespace sallyport::net {

class Offload {
 public:
  explicit Offload(int threads);
  ~Offload() { stop(); }
  Offload(const Offload&) = delete;

  // Finishes what is queued and ends the threads: afterwards no loop hears of it any more. Later
  // work is never run.
  void stop();

  // Runs `work` on a thread of the pool and resumes on `loop`. What `work` refers to must stay
  // alive until it has run, also if the waiting coroutine is destroyed: hand over ownership.
  Task<void> run(Loop& loop, std::function<void()> work);

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace sallyport::net
