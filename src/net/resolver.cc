// SPDX-License-Identifier: Apache-2.0
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "net/connect.h"
#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

using Addresses = Resolver::Addresses;

const SystemClock kSystemClock;
constexpr std::size_t kNamesMax = 1024;  // names come from configuration: more is a bug

Result<Addresses> ask_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return fail(Code::kUnavailable, "resolve " + host + ": " + gai_strerror(error));
  Addresses addresses;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    sockaddr_storage address{};
    __builtin_memcpy(&address, info->ai_addr,
                     std::min<std::size_t>(info->ai_addrlen, sizeof address));
    addresses.push_back(to_endpoint(address).address);
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return fail(Code::kUnavailable, "resolve " + host + ": no address");
  return addresses;
}

// One answer awaited by one coroutine. The coroutine may die first: then nobody is resumed.
struct Waiter {
  Loop* loop =
      nullptr;  // under the mutex; null when the coroutine is gone, and perhaps the loop too
  // The rest belongs to the loop's thread.
  std::optional<Result<Addresses>> answer;
  std::coroutine_handle<> waiting;
  Timer deadline;

  void tell(Result<Addresses> what) {
    if (answer) return;  // the deadline was first
    answer = std::move(what);
    if (waiting) std::exchange(waiting, nullptr).resume();
  }
};

}  // namespace

struct Resolver::State {
  struct Known {
    Addresses addresses;
    std::int64_t at_us = 0;
    std::optional<std::int64_t> failed_us;  // when asking again failed
  };
  State(Ask a, Times t, const Clock& c) : ask(std::move(a)), times(t), clock(c) {}

  const Ask ask;
  const Times times;
  const Clock& clock;  // not touched after the resolver's end
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::string> asked;
  std::map<std::string, std::vector<std::shared_ptr<Waiter>>> pending;  // asked and not answered
  std::map<std::string, Known> known;
  bool stopping = false;

  void run();
  // All below hold the mutex.
  Result<Addresses> learn(const std::string& host, Result<Addresses> fresh);
  bool fresh(const Known& last) const;
  const Known* usable(const std::string& host) const;
  Addresses fall_back(const std::string& host, const std::string& reason);
  void enlist(const std::string& host, std::shared_ptr<Waiter> waiter);
};

namespace {

// Waits for a Waiter's answer; takes the Waiter off the list when the coroutine goes on or dies.
class Answered {
 public:
  Answered(std::shared_ptr<Resolver::State> state, const std::string& host,
           std::shared_ptr<Waiter> waiter, Deadline until)
      : state_(std::move(state)), host_(host), waiter_(std::move(waiter)), until_(until) {}
  ~Answered() {
    waiter_->waiting = nullptr;
    waiter_->deadline.disarm();
    const std::lock_guard lock(state_->mutex);
    waiter_->loop = nullptr;
    const auto found = state_->pending.find(host_);
    if (found != state_->pending.end()) std::erase(found->second, waiter_);
  }
  Answered(const Answered&) = delete;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiter_->waiting = waiting;
    waiter_->loop->arm(
        waiter_->deadline, until_,
        [](void* self) {
          static_cast<Waiter*>(self)->tell(fail(Code::kExhausted, "resolve: deadline"));
        },
        waiter_.get());
  }
  void await_resume() const {}

 private:
  std::shared_ptr<Resolver::State> state_;
  const std::string& host_;  // lives in the coroutine's frame
  std::shared_ptr<Waiter> waiter_;
  Deadline until_;
};

}  // namespace

bool Resolver::State::fresh(const Known& last) const {
  return clock.steady_us() - last.at_us < times.fresh_ms * 1000;
}

const Resolver::State::Known* Resolver::State::usable(const std::string& host) const {
  const auto last = known.find(host);
  if (last == known.end()) return nullptr;
  return clock.steady_us() - last->second.at_us < times.stale_ms * 1000 ? &last->second : nullptr;
}

// The last good answer, of which usable() was sure. Said once a failure.
Resolver::Addresses Resolver::State::fall_back(const std::string& host, const std::string& reason) {
  Known& last = known.at(host);
  last.failed_us = clock.steady_us();
  log::warn("resolver.stale_answer", {{"host", host}, {"reason", reason}});
  return last.addresses;
}

Result<Addresses> Resolver::State::learn(const std::string& host, Result<Addresses> fresh) {
  if (fresh) {
    if (known.size() < kNamesMax || known.contains(host)) {
      known[host] = Known{*fresh, clock.steady_us(), std::nullopt};
    }
    return fresh;
  }
  if (usable(host) == nullptr) return fresh;
  return fall_back(host, fresh.error().what);
}

void Resolver::State::enlist(const std::string& host, std::shared_ptr<Waiter> waiter) {
  const auto [entry, first] = pending.try_emplace(host);
  entry->second.push_back(std::move(waiter));
  if (!first) return;
  asked.push_back(host);
  wake.notify_one();
}

void Resolver::State::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return stopping || !asked.empty(); });
    if (stopping) return;
    const std::string host = std::move(asked.front());
    asked.pop_front();
    lock.unlock();
    Result<Addresses> fresh = ask(host);
    lock.lock();
    if (stopping) return;
    const Result<Addresses> told = learn(host, std::move(fresh));
    const auto waiters = std::move(pending.extract(host).mapped());
    // Under the mutex a waiter's loop is alive as long as it is named.
    for (const std::shared_ptr<Waiter>& waiter : waiters) {
      waiter->loop->post([waiter, told] { waiter->tell(told); });
    }
  }
}

Resolver::Resolver() : Resolver(ask_system, Times(), kSystemClock) {}

Resolver::Resolver(Ask ask, Times times, const Clock& clock)
    : state_(std::make_shared<State>(std::move(ask), times, clock)) {
  // getaddrinfo cannot be interrupted: the thread keeps the state and ends when the system answers.
  std::thread([state = state_] { state->run(); }).detach();
}

Resolver::~Resolver() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_all();
}

Task<Result<std::vector<IpAddress>>> Resolver::resolve(Loop& loop, std::string host,
                                                       Deadline until) {
  if (const auto literal = IpAddress::parse(host)) co_return Addresses{*literal};
  const std::shared_ptr<State> state = state_;
  auto waiter = std::make_shared<Waiter>();
  waiter->loop = &loop;
  Deadline patience = until;
  {
    const std::lock_guard lock(state->mutex);
    if (const State::Known* const last = state->usable(host)) {
      if (state->fresh(*last)) co_return last->addresses;
      const std::int64_t retry_us = state->times.retry_ms * 1000;
      if (last->failed_us && state->clock.steady_us() - *last->failed_us < retry_us) {
        co_return last->addresses;
      }
      patience = std::min(until, loop.now_ms() + state->times.retry_ms);
    }
    state->enlist(host, waiter);
  }
  {
    Answered answered(state, host, waiter, patience);
    co_await answered;
  }
  if (!*waiter->answer && waiter->answer->error().code == Code::kExhausted) {
    const std::lock_guard lock(state->mutex);
    if (state->usable(host) != nullptr) co_return state->fall_back(host, "silence");
  }
  co_return std::move(*waiter->answer);
}

}  // namespace sallyport::net
