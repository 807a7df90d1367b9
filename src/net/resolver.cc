// SPDX-License-Identifier: Apache-2.0
#include <netdb.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "net/connect.h"
#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

using Addresses = std::vector<IpAddress>;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kFresh = std::chrono::seconds(30);
constexpr auto kStale = std::chrono::minutes(10);
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

}  // namespace

// One answer awaited by one coroutine on its loop. The coroutine may die first: then nobody is
// resumed.
struct Waiter {
  Loop* loop = nullptr;
  std::optional<Result<Addresses>> answer;
  std::coroutine_handle<> waiting;
  Timer deadline;
};

struct Resolver::State {
  struct Known {
    Addresses addresses;
    SteadyClock::time_point at;
  };
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::string> asked;
  std::map<std::string, std::vector<std::shared_ptr<Waiter>>> waiting;
  std::map<std::string, Known> known;
  bool stopping = false;
  std::thread thread;

  void run();
  Result<Addresses> answer(const std::string& host, Result<Addresses> fresh);
};

// The system's answer, or the last good one for a while. Holds the mutex.
Result<Addresses> Resolver::State::answer(const std::string& host, Result<Addresses> fresh) {
  if (fresh) {
    if (known.size() < kNamesMax || known.contains(host))
      known[host] = {*fresh, SteadyClock::now()};
    return fresh;
  }
  const auto last = known.find(host);
  if (last == known.end() || SteadyClock::now() - last->second.at > kStale) return fresh;
  log::warn("resolver.stale_answer", {{"host", host}, {"reason", fresh.error().what}});
  return last->second.addresses;
}

void Resolver::State::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return stopping || !asked.empty(); });
    if (stopping) return;
    const std::string host = std::move(asked.front());
    asked.pop_front();
    lock.unlock();
    Result<Addresses> fresh = ask_system(host);
    lock.lock();
    const Result<Addresses> told = answer(host, std::move(fresh));
    const auto waiters = std::exchange(waiting[host], {});
    waiting.erase(host);
    for (const std::shared_ptr<Waiter>& waiter : waiters) {
      waiter->loop->post([waiter, told] {
        if (waiter->answer) return;  // the deadline was first
        waiter->answer = told;
        if (waiter->waiting) std::exchange(waiter->waiting, nullptr).resume();
      });
    }
  }
}

namespace {

class Answered {
 public:
  Answered(std::shared_ptr<Waiter> waiter, Deadline until)
      : waiter_(std::move(waiter)), until_(until) {}
  ~Answered() {
    waiter_->waiting = nullptr;
    waiter_->deadline.disarm();
  }
  Answered(const Answered&) = delete;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiter_->waiting = waiting;
    waiter_->loop->arm(
        waiter_->deadline, until_,
        [](void* self) {
          auto* const late = static_cast<Waiter*>(self);
          if (late->answer) return;
          late->answer = fail(Code::kExhausted, "resolve: deadline");
          if (late->waiting) std::exchange(late->waiting, nullptr).resume();
        },
        waiter_.get());
  }
  void await_resume() const {}

 private:
  std::shared_ptr<Waiter> waiter_;
  Deadline until_;
};

}  // namespace

Resolver::Resolver() : state_(std::make_shared<State>()) {
  state_->thread = std::thread([state = state_] { state->run(); });
}

Resolver::~Resolver() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  // getaddrinfo cannot be interrupted: the thread keeps the state and ends when the system answers.
  state_->thread.detach();
}

Task<Result<std::vector<IpAddress>>> Resolver::resolve(Loop& loop, std::string host,
                                                       Deadline until) {
  if (const auto literal = IpAddress::parse(host)) co_return Addresses{*literal};
  auto waiter = std::make_shared<Waiter>();
  waiter->loop = &loop;
  {
    const std::lock_guard lock(state_->mutex);
    const auto known = state_->known.find(host);
    if (known != state_->known.end() && SteadyClock::now() - known->second.at < kFresh) {
      co_return known->second.addresses;
    }
    auto& waiters = state_->waiting[host];
    if (waiters.empty()) state_->asked.push_back(host);
    waiters.push_back(waiter);
  }
  state_->wake.notify_one();
  Answered answered(waiter, until);
  co_await answered;
  co_return std::move(*waiter->answer);
}

}  // namespace sallyport::net
