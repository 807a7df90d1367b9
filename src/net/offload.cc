// SPDX-License-Identifier: Apache-2.0
#include "net/offload.h"

#include <utility>

namespace sallyport::net {
namespace {

struct Job {
  bool done = false;
  std::coroutine_handle<> waiting;
};

class JobDone {
 public:
  explicit JobDone(std::shared_ptr<Job> job) : job_(std::move(job)) {}
  ~JobDone() { job_->waiting = nullptr; }
  JobDone(const JobDone&) = delete;
  bool await_ready() const { return job_->done; }
  void await_suspend(std::coroutine_handle<> waiting) { job_->waiting = waiting; }
  void await_resume() const {}

 private:
  std::shared_ptr<Job> job_;
};

}  // namespace

Offload::Offload(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

void Offload::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  threads_.clear();  // joins
}

Task<void> Offload::run(Loop& loop, std::function<void()> work) {
  auto job = std::make_shared<Job>();
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back([&loop, job, work = std::move(work)]() mutable {
      work();
      work = nullptr;  // what it owned dies here, not on the loop
      loop.post([job] {
        job->done = true;
        if (job->waiting) std::exchange(job->waiting, nullptr).resume();
      });
    });
  }
  wake_.notify_one();
  JobDone done(job);
  co_await done;
}

void Offload::work() {
  for (;;) {
    std::move_only_function<void()> next;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    next();
  }
}

}  // namespace sallyport::net
