// SPDX-License-Identifier: Apache-2.0
// One thread's event loop: epoll (edge triggered, each descriptor registered once), timers on a
// wheel, work posted from other threads, and the detached tasks it owns. Everything but post() and
// stop() belongs to the loop's own thread. docs/adr/0001 tells why this is ours and not Asio.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/task.h"

namespace sallyport::net {

// Milliseconds on the loop's steady clock. kNever waits without end.
using Deadline = std::int64_t;
inline constexpr Deadline kNever = INT64_MAX;

enum class Ready { kReady, kTimeout, kCancelled };

class Loop;

// An entry on a loop's timer wheel. Fires once, not before `at`, at most kTickMs late. Unlinks
// itself when destroyed. Neither copied nor moved.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();
  void disarm();
  bool armed() const { return loop_ != nullptr; }

 private:
  friend class Loop;
  Loop* loop_ = nullptr;
  Timer* previous_ = nullptr;
  Timer* next_ = nullptr;
  Deadline at_ = 0;
  void (*fire_)(void*) = nullptr;
  void* context_ = nullptr;
};

// Readiness of one descriptor on one loop. Owns the descriptor. At most one reader and one writer
// wait.
class Handle {
 public:
  Handle(Loop& loop, int fd);  // registers; `loop` outlives the handle; fd is non-blocking
  ~Handle();                   // deregisters and closes; nobody may be waiting
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  class Wait;  // awaitable, result Ready
  Wait readable(Deadline until);
  Wait writable(Deadline until);

  // What recv saw: call drained() when it returned EAGAIN or less than it was offered, so that the
  // next readable() waits for a new edge instead of returning at once.
  void drained() {
    if (!peer_closed_) can_read_ = false;
  }
  void congested() { can_write_ = false; }

  // Wakes both waiters with kCancelled; later waits return kCancelled at once.
  void cancel();
  bool cancelled() const { return cancelled_; }

  // Ends the writer's wait with kTimeout and leaves the connection as it is: somebody learned that
  // what is being written is no longer wanted.
  void wake_writer() {
    if (writer_) writer_->finish(Ready::kTimeout);
  }
  // The same for the reader: what is being read is no longer wanted.
  void wake_reader() {
    if (reader_) reader_->finish(Ready::kTimeout);
  }

  // False: no bytes came since the last drained(), as far as the loop has seen.
  bool can_read() const { return can_read_; }

  // The peer sent FIN or RST (EPOLLRDHUP, EPOLLHUP, EPOLLERR). `on_hangup` runs once on the loop
  // when that is seen while set; reset connections report `reset`.
  bool peer_closed() const { return peer_closed_; }
  bool peer_reset() const { return peer_reset_; }
  // If it was seen before, `then` runs soon, from the loop. It may be set to null again.
  void on_hangup(std::move_only_function<void()> then);

  int release();  // deregisters and gives the descriptor away; the handle is spent
  int fd() const { return fd_; }
  Loop& loop() const { return loop_; }

  class Wait {
   public:
    Wait(Handle& handle, bool write, Deadline until)
        : handle_(handle), write_(write), until_(until) {}
    ~Wait();  // a destroyed coroutine leaves no pointer behind
    Wait(const Wait&) = delete;
    bool await_ready();
    void await_suspend(std::coroutine_handle<> waiting);
    Ready await_resume() const { return result_; }

   private:
    friend class Handle;
    friend class Loop;
    void finish(Ready result);  // resumes soon, from the loop, never inside the call
    Handle& handle_;
    bool write_;
    bool queued_ = false;
    Deadline until_;
    Ready result_ = Ready::kReady;
    std::coroutine_handle<> waiting_;
    Timer timer_;
  };

 private:
  friend class Loop;
  void ready(std::uint32_t events);
  Loop& loop_;
  int fd_;
  bool can_read_ = false;
  bool can_write_ = true;
  bool cancelled_ = false;
  bool peer_closed_ = false;
  bool peer_reset_ = false;
  bool hangup_due_ = false;
  void hang_up();
  Wait* reader_ = nullptr;
  Wait* writer_ = nullptr;
  std::move_only_function<void()> on_hangup_;
};

// A buffer of kBufferBytes from the loop's free list; empty after release(). An idle connection
// holds none.
inline constexpr std::size_t kBufferBytes = 16 * 1024;
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { release(); }
  char* data() const { return bytes_; }
  explicit operator bool() const { return bytes_ != nullptr; }
  void release();

 private:
  friend class Loop;
  Buffer(Loop* loop, char* bytes) : loop_(loop), bytes_(bytes) {}
  Loop* loop_ = nullptr;
  char* bytes_ = nullptr;
};

class Loop {
 public:
  static constexpr int kTickMs = 16;

  Loop();
  ~Loop();  // drop_tasks()
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();   // on the calling thread until stop()
  void stop();  // any thread, and signal safe

  // Any thread. Runs `work` on the loop's thread, in order of posting.
  void post(std::move_only_function<void()> work);

  // Loop's thread. Calls `then` once at the end of this turn, before the loop may sleep; asking
  // again with the same arguments changes nothing. For what is better done once for many.
  void at_turn_end(void (*then)(void*), void* context);

  // Starts a task that nobody awaits; the loop owns it. Loop's thread (or before run()).
  void spawn(Task<void> task);
  std::size_t tasks() const { return tasks_; }  // detached tasks not yet ended
  // Destroys the tasks that have not ended and what was posted: before whatever they refer to dies.
  void drop_tasks();

  std::int64_t now_ms() const { return now_ms_; }  // steady; read once a turn of the loop
  void refresh_now();

  void arm(Timer& timer, Deadline at, void (*fire)(void*), void* context);

  class Sleep;
  Sleep sleep_until(Deadline at);
  Sleep sleep_for(std::int64_t ms);

  // Everybody else has a turn first: for one whose socket is never empty.
  class Turn;
  Turn next_turn();

  Buffer buffer();

  class Turn {
   public:
    explicit Turn(Loop& loop) : loop_(loop) {}
    ~Turn() { *alive_ = false; }
    Turn(const Turn&) = delete;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    void await_resume() const {}

   private:
    Loop& loop_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  };

  class Sleep {
   public:
    Sleep(Loop& loop, Deadline at) : loop_(loop), at_(at) {}
    Sleep(const Sleep&) = delete;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    void await_resume() const {}

   private:
    Loop& loop_;
    Deadline at_;
    std::coroutine_handle<> waiting_;
    Timer timer_;
  };

 private:
  friend class Handle;
  friend class Timer;
  friend class Buffer;
  struct Detached;  // the root coroutine of a spawned task, linked into roots_
  friend struct Detached;
  static constexpr std::size_t kSlots = 1024;
  static constexpr int kEventsMax = 256;
  static constexpr std::size_t kFreeBuffersMax = 256;

  void turn();  // once: wait, then run what is due
  void run_timers();
  void run_posted();
  void run_ready();
  void run_turn_end();
  void forget(Handle& handle);
  int wait_ms() const;
  static Detached detach(Loop& loop, Task<void> task);

  int epoll_ = -1;
  int wake_ = -1;  // eventfd
  std::atomic<bool> stopping_{false};
  std::atomic<bool> woken_{false};
  std::int64_t now_ms_ = 0;
  std::int64_t wheel_at_ = 0;  // tick up to which timers have run
  std::size_t armed_ = 0;
  std::array<Timer*, kSlots> wheel_{};
  std::array<std::uint64_t, kSlots / 64> occupied_{};  // a bit for each slot that holds a timer
  std::vector<char*> free_buffers_;
  std::array<epoll_event, kEventsMax> events_;
  int event_count_ = 0;
  std::vector<Handle::Wait*> ready_;  // to be resumed; a null entry was destroyed meanwhile
  std::vector<Handle*> hangups_;      // whose on_hangup is due
  std::vector<std::pair<void (*)(void*), void*>> turn_end_;
  std::size_t tasks_ = 0;
  void* roots_ = nullptr;
  std::mutex posted_mutex_;
  std::vector<std::move_only_function<void()>> posted_;
  std::vector<std::move_only_function<void()>> running_posted_;
};

}  // namespace sallyport::net
