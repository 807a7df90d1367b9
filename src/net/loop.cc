// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace sallyport::net {
namespace {

std::int64_t steady_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

// --- Timer: an intrusive, doubly linked member of one wheel slot. Its slot follows from its
// deadline.

Timer::~Timer() { disarm(); }

void Timer::disarm() {
  if (loop_ == nullptr) return;
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    const auto slot = static_cast<std::size_t>(at_ / Loop::kTickMs) % Loop::kSlots;
    loop_->wheel_[slot] = next_;
    if (next_ == nullptr) loop_->occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  }
  if (next_ != nullptr) next_->previous_ = previous_;
  --loop_->armed_;
  loop_ = nullptr;
  previous_ = next_ = nullptr;
}

void Loop::arm(Timer& timer, Deadline at, void (*fire)(void*), void* context) {
  timer.disarm();
  if (at == kNever) return;
  // Never in a slot that this round has already passed.
  at = std::max(at, (wheel_at_ + 1) * kTickMs);
  const auto slot = static_cast<std::size_t>(at / kTickMs) % kSlots;
  timer.loop_ = this;
  timer.at_ = at;
  timer.fire_ = fire;
  timer.context_ = context;
  timer.previous_ = nullptr;
  timer.next_ = wheel_[slot];
  if (timer.next_ != nullptr) timer.next_->previous_ = &timer;
  wheel_[slot] = &timer;
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  ++armed_;
}

void Loop::run_timers() {
  // A slot is due when its last millisecond has passed: nothing fires before its deadline.
  const std::int64_t until = now_ms_ / kTickMs - 1;
  if (armed_ == 0) {
    wheel_at_ = until;
    return;
  }
  // After a long sleep every slot is looked at once.
  wheel_at_ = std::max(wheel_at_, until - static_cast<std::int64_t>(kSlots));
  while (wheel_at_ < until) {
    ++wheel_at_;
    const std::int64_t due = (wheel_at_ + 1) * kTickMs - 1;
    Timer* timer = wheel_[static_cast<std::size_t>(wheel_at_) % kSlots];
    while (timer != nullptr) {
      if (timer->at_ > due) {  // of a later round
        timer = timer->next_;
        continue;
      }
      const auto fire = timer->fire_;
      void* const context = timer->context_;
      timer->disarm();
      fire(context);
      // What fired may have changed the slot: begin again. Each pass removes one timer.
      timer = wheel_[static_cast<std::size_t>(wheel_at_) % kSlots];
    }
  }
}

// How long nothing is due: until the next slot that holds a timer (of whatever round), or for ever.
int Loop::wait_ms() const {
  if (!ready_.empty() || !hangups_.empty() || !turn_end_.empty()) return 0;
  if (armed_ == 0) return -1;
  const auto first = static_cast<std::size_t>(wheel_at_ + 1) % kSlots;
  const std::uint64_t from_first = ~std::uint64_t{0} << (first % 64);
  for (std::size_t i = 0; i <= occupied_.size(); ++i) {
    const std::size_t word = (first / 64 + i) % occupied_.size();
    std::uint64_t bits = occupied_[word];
    if (i == 0) bits &= from_first;
    if (i == occupied_.size()) bits &= ~from_first;  // once round: what lies before the first
    if (bits == 0) continue;
    const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    const auto ahead = static_cast<std::int64_t>((slot + kSlots - first) % kSlots);
    const std::int64_t due = (wheel_at_ + 1 + ahead + 1) * kTickMs;
    // The turn that ends here took time itself: ask the clock, not now_ms_.
    return static_cast<int>(std::max<std::int64_t>(due - steady_ms(), 0));
  }
  return -1;
}

// --- Waiting for a descriptor.

Handle::Handle(Loop& loop, int fd) : loop_(loop), fd_(fd) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (::epoll_ctl(loop_.epoll_, EPOLL_CTL_ADD, fd_, &event) != 0) {
    cancelled_ = true;  // every wait says so: the connection ends at its first use
  }
}

Handle::~Handle() {
  loop_.forget(*this);
  if (fd_ >= 0) ::close(fd_);  // leaves the epoll set with its last descriptor
}

int Handle::release() {
  loop_.forget(*this);
  ::epoll_ctl(loop_.epoll_, EPOLL_CTL_DEL, fd_, nullptr);
  return std::exchange(fd_, -1);
}

Handle::Wait Handle::readable(Deadline until) { return Wait(*this, false, until); }
Handle::Wait Handle::writable(Deadline until) { return Wait(*this, true, until); }

bool Handle::Wait::await_ready() {
  if (handle_.cancelled_) {
    result_ = Ready::kCancelled;
    return true;
  }
  return write_ ? handle_.can_write_ : handle_.can_read_;
}

void Handle::Wait::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  (write_ ? handle_.writer_ : handle_.reader_) = this;
  handle_.loop_.arm(
      timer_, until_, [](void* self) { static_cast<Wait*>(self)->finish(Ready::kTimeout); }, this);
}

Handle::Wait::~Wait() {
  Wait*& place = write_ ? handle_.writer_ : handle_.reader_;
  if (place == this) place = nullptr;
  if (!queued_) return;
  for (Wait*& entry : handle_.loop_.ready_) {
    if (entry == this) entry = nullptr;
  }
}

void Handle::Wait::finish(Ready result) {
  Wait*& place = write_ ? handle_.writer_ : handle_.reader_;
  if (place == this) place = nullptr;
  if (queued_) return;
  timer_.disarm();
  result_ = result;
  queued_ = true;
  handle_.loop_.ready_.push_back(this);
}

void Handle::cancel() {
  cancelled_ = true;
  if (reader_ != nullptr) reader_->finish(Ready::kCancelled);
  if (writer_ != nullptr) writer_->finish(Ready::kCancelled);
}

void Handle::on_hangup(std::move_only_function<void()> then) {
  on_hangup_ = std::move(then);
  if (on_hangup_ && peer_closed_) hang_up();
}

void Handle::hang_up() {
  if (!on_hangup_ || std::exchange(hangup_due_, true)) return;
  loop_.hangups_.push_back(this);
}

void Handle::ready(std::uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) peer_reset_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_closed_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    can_read_ = true;
    if (reader_ != nullptr) reader_->finish(Ready::kReady);
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    can_write_ = true;
    if (writer_ != nullptr) writer_->finish(Ready::kReady);
  }
  if (peer_closed_) hang_up();
}

// --- Buffers.

Buffer::Buffer(Buffer&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), bytes_(std::exchange(other.bytes_, nullptr)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  loop_ = std::exchange(other.loop_, nullptr);
  bytes_ = std::exchange(other.bytes_, nullptr);
  return *this;
}

void Buffer::release() {
  if (bytes_ == nullptr) return;
  if (loop_->free_buffers_.size() < Loop::kFreeBuffersMax) {
    loop_->free_buffers_.push_back(bytes_);
  } else {
    ::free(bytes_);
  }
  bytes_ = nullptr;
}

Buffer Loop::buffer() {
  char* bytes = nullptr;
  if (free_buffers_.empty()) {
    bytes = static_cast<char*>(::malloc(kBufferBytes));
    if (bytes == nullptr) std::abort();
  } else {
    bytes = free_buffers_.back();
    free_buffers_.pop_back();
  }
  return Buffer(this, bytes);
}

// --- Detached tasks: a root coroutine owns the task and unlinks itself at its end.

struct Loop::Detached {
  struct promise_type {
    // The loop comes as the first argument of detach().
    promise_type(Loop& owner, Task<void>&) : loop(owner) {
      next = static_cast<promise_type*>(loop.roots_);
      if (next != nullptr) next->previous = this;
      loop.roots_ = this;
      ++loop.tasks_;
    }
    ~promise_type() {
      if (previous != nullptr) {
        previous->next = next;
      } else {
        loop.roots_ = next;
      }
      if (next != nullptr) next->previous = previous;
      --loop.tasks_;
    }
    static void* operator new(std::size_t size) { return detail::allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) { detail::free_frame(frame, size); }
    Detached get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }  // destroys the frame
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }

    Loop& loop;
    promise_type* previous = nullptr;
    promise_type* next = nullptr;
  };
  std::coroutine_handle<promise_type> handle;
};

Loop::Detached Loop::detach(Loop&, Task<void> task) { co_await task; }

void Loop::spawn(Task<void> task) { detach(*this, std::move(task)).handle.resume(); }

// --- The loop itself.

Loop::Loop() {
  ::signal(SIGPIPE, SIG_IGN);  // a peer that closed is an error of the write, not of the process
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (epoll_ < 0 || wake_ < 0) std::abort();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  refresh_now();
  wheel_at_ = now_ms_ / kTickMs - 1;
}

Loop::~Loop() {
  drop_tasks();
  for (char* bytes : free_buffers_) ::free(bytes);
  ::close(wake_);
  ::close(epoll_);
}

void Loop::drop_tasks() {
  std::vector<std::move_only_function<void()>> posted;
  {
    const std::lock_guard lock(posted_mutex_);
    posted.swap(posted_);
  }
  posted.clear();
  while (roots_ != nullptr) {
    auto& promise = *static_cast<Detached::promise_type*>(roots_);
    std::coroutine_handle<Detached::promise_type>::from_promise(promise).destroy();
  }
}

void Loop::refresh_now() { now_ms_ = steady_ms(); }

void Loop::forget(Handle& handle) {
  for (int i = 0; i < event_count_; ++i) {
    if (events_[static_cast<std::size_t>(i)].data.ptr == &handle) {
      events_[static_cast<std::size_t>(i)].events = 0;
    }
  }
  if (handle.hangup_due_) std::erase(hangups_, &handle);
}

void Loop::run() {
  refresh_now();  // the program may have started long after the loop was made
  while (!stopping_.load(std::memory_order_acquire)) turn();
  run_posted();
  run_turn_end();
}

void Loop::turn() {
  const int count = ::epoll_wait(epoll_, events_.data(), kEventsMax, wait_ms());
  refresh_now();
  if (count < 0 && errno != EINTR) std::abort();  // a bug: the descriptor is ours
  event_count_ = std::max(count, 0);
  for (int i = 0; i < event_count_; ++i) {
    const epoll_event event = events_[static_cast<std::size_t>(i)];
    if (event.events == 0) continue;  // its handle is gone
    if (event.data.ptr == nullptr) {
      std::uint64_t seen = 0;
      if (::read(wake_, &seen, sizeof seen) < 0) continue;
      continue;
    }
    static_cast<Handle*>(event.data.ptr)->ready(event.events);
  }
  event_count_ = 0;
  run_posted();
  run_ready();
  run_timers();
  run_ready();
  run_turn_end();
}

void Loop::at_turn_end(void (*then)(void*), void* context) {
  const std::pair entry(then, context);
  if (std::find(turn_end_.begin(), turn_end_.end(), entry) != turn_end_.end()) return;
  turn_end_.push_back(entry);
}

void Loop::run_turn_end() {
  for (std::size_t i = 0; i < turn_end_.size(); ++i) {
    const auto [then, context] = turn_end_[i];  // by value: it may ask for more
    then(context);
  }
  turn_end_.clear();
}

// Resumes whoever became ready. Each of them may make others ready or destroy others' waits.
void Loop::run_ready() {
  while (!hangups_.empty()) {
    Handle* const handle = hangups_.back();
    hangups_.pop_back();
    handle->hangup_due_ = false;
    if (handle->on_hangup_) std::exchange(handle->on_hangup_, nullptr)();
  }
  for (std::size_t i = 0; i < ready_.size(); ++i) {
    Handle::Wait* const wait = std::exchange(ready_[i], nullptr);
    if (wait == nullptr) continue;
    wait->queued_ = false;
    wait->waiting_.resume();
  }
  ready_.clear();
}

void Loop::run_posted() {
  if (!woken_.exchange(false, std::memory_order_acquire)) return;
  {
    const std::lock_guard lock(posted_mutex_);
    running_posted_.swap(posted_);
  }
  for (auto& work : running_posted_) work();
  running_posted_.clear();
}

void Loop::post(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
  }
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  if (::write(wake_, &one, sizeof one) < 0) return;  // full: it is awake anyway
}

void Loop::stop() {
  const int interrupted = errno;  // called from a signal handler: its victim must not notice
  stopping_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  errno = interrupted;
}

// --- Sleeping, and letting others go first: what is posted now runs after the next look at the
// sockets.

Loop::Turn Loop::next_turn() { return Turn(*this); }

void Loop::Turn::await_suspend(std::coroutine_handle<> waiting) {
  loop_.post([alive = alive_, waiting] {
    if (*alive) waiting.resume();
  });
}

Loop::Sleep Loop::sleep_until(Deadline at) { return Sleep(*this, at); }
Loop::Sleep Loop::sleep_for(std::int64_t ms) { return Sleep(*this, now_ms_ + ms); }

void Loop::Sleep::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  loop_.arm(timer_, at_, [](void* self) { static_cast<Sleep*>(self)->waiting_.resume(); }, this);
}

}  // namespace sallyport::net
