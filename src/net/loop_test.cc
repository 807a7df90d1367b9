// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/socket_pair_for_test.h"

namespace sallyport::net {
namespace {

using Log = std::vector<std::string>;

const char* text(Ready ready) {
  return ready == Ready::kReady ? "ready" : ready == Ready::kTimeout ? "timeout" : "cancelled";
}

Task<void> stop_after(Loop& loop, std::int64_t ms) {
  co_await loop.sleep_for(ms);
  loop.stop();
}

// Runs what is due now and what follows from it within `ms`.
void run_for(Loop& loop, std::int64_t ms) {
  loop.refresh_now();
  loop.spawn(stop_after(loop, ms));
  loop.run();
}

// --- Once for all that a turn did.

TEST(LoopTurnEnd, RunsOnceATurnHoweverOftenItWasAskedForAndAfterTheWork) {
  Loop loop;
  Log log;
  const auto end = [](void* into) { static_cast<Log*>(into)->push_back("end"); };
  for (int i = 0; i < 3; ++i) {
    loop.post([&] {
      log.push_back("work");
      loop.at_turn_end(end, &log);
    });
  }
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(log, (Log{"work", "work", "work", "end"}));
}

TEST(LoopTurnEnd, AskedForBeforeTheLoopRunsItDoesNotWaitForAnEvent) {
  Loop loop;
  loop.at_turn_end([](void* self) { static_cast<Loop*>(self)->stop(); }, &loop);
  loop.run();  // would wait for ever
}

// --- Work from elsewhere.

TEST(LoopPost, RunsEachWorkOnceInTheOrderOfItsThread) {
  constexpr int kThreads = 4;
  constexpr int kWorks = 2000;
  Loop loop;
  std::vector<std::vector<int>> ran(kThreads);
  int count = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWorks; ++i) {
        loop.post([&, t, i] {
          ran[t].push_back(i);
          if (++count == kThreads * kWorks) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (const auto& works : ran) {
    ASSERT_EQ(works.size(), static_cast<std::size_t>(kWorks));
    EXPECT_TRUE(std::is_sorted(works.begin(), works.end()));
  }
}

TEST(LoopPost, WhatIsPostedBeforeRunAndWhilePostedWorkRunsIsRun) {
  Loop loop;
  Log log;
  loop.post([&] {
    log.push_back("first");
    loop.post([&] {
      log.push_back("from within");
      loop.stop();
    });
  });
  loop.post([&] { log.push_back("second"); });
  loop.run();
  EXPECT_EQ(log, (Log{"first", "second", "from within"}));
}

TEST(LoopPost, WorkNeverRunIsDestroyedWithTheLoop) {
  const auto held = std::make_shared<int>();
  {
    Loop loop;
    loop.post([held] {});
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

Loop* signalled = nullptr;

TEST(LoopStop, WorksFromASignalHandlerAndKeepsErrno) {
  Loop loop;
  signalled = &loop;
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) { signalled->stop(); };
  ::sigaction(SIGUSR1, &action, &before);
  int seen = 0;
  loop.post([&] {
    errno = ENOENT;
    ::raise(SIGUSR1);
    seen = errno;
  });
  loop.run();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(seen, ENOENT);
}

// --- Timers: order and never too early; how late is the machine's matter.

struct Alarm {
  Alarm(Loop& l, Log& g, std::string n) : loop(&l), log(&g), name(std::move(n)) {}
  Timer timer;
  Loop* loop;
  Log* log;
  std::string name;
  std::optional<std::int64_t> fired_at;
  std::move_only_function<void()> then;
  void set(std::int64_t at) {
    loop->arm(timer, at, [](void* self) { static_cast<Alarm*>(self)->fire(); }, this);
  }
  void fire() {
    fired_at = loop->now_ms();
    log->push_back(name);
    if (then) then();
  }
};

TEST(LoopTimer, FireInTheOrderOfTheirDeadlinesAndNotBefore) {
  Loop loop;
  Log log;
  const std::int64_t start = loop.now_ms();
  const int after_ms[] = {90, 0, 45, -1000, 68, 18};  // a tick apart: within one, any may be first
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (const int ms : after_ms) {
    alarms.push_back(std::make_unique<Alarm>(loop, log, std::to_string(ms)));
    alarms.back()->set(start + ms);
  }
  run_for(loop, 130);
  ASSERT_EQ(log.size(), 6u);
  EXPECT_EQ(Log(log.begin() + 2, log.end()), (Log{"18", "45", "68", "90"}));
  for (std::size_t i = 0; i < alarms.size(); ++i) {
    ASSERT_TRUE(alarms[i]->fired_at);
    EXPECT_GE(*alarms[i]->fired_at, start + after_ms[i]) << "fired before its time";
    EXPECT_FALSE(alarms[i]->timer.armed());
  }
}

TEST(LoopTimer, OneOfALaterRoundOfTheWheelWaitsForItsRound) {
  Loop loop;
  Log log;
  Alarm later(loop, log, "later round");
  Alarm now(loop, log, "this round");
  const std::int64_t at = loop.now_ms() + 20;
  later.set(at + 1024 * Loop::kTickMs);  // the same slot
  now.set(at);
  run_for(loop, 70);
  EXPECT_EQ(log, (Log{"this round"}));
  EXPECT_TRUE(later.timer.armed());
}

TEST(LoopTimer, DisarmedOrDestroyedByAnotherOfItsSlotItDoesNotFire) {
  Loop loop;
  Log log;
  Alarm a(loop, log, "one");
  Alarm b(loop, log, "one");
  auto c = std::make_unique<Alarm>(loop, log, "never");
  a.then = [&] {
    b.timer.disarm();
    c.reset();
  };
  b.then = [&] {
    a.timer.disarm();
    c.reset();
  };
  const std::int64_t at = loop.now_ms() + 30;
  c->set(at);  // linked first, looked at last
  a.set(at);
  b.set(at);
  run_for(loop, 70);
  EXPECT_EQ(log, (Log{"one"}));
}

TEST(LoopTimer, ArmedAgainItFiresOnceAtTheNewTime) {
  Loop loop;
  Log log;
  Alarm alarm(loop, log, "fired");
  const std::int64_t start = loop.now_ms();
  alarm.set(start + 20);
  alarm.set(start + 60);
  run_for(loop, 110);
  EXPECT_EQ(log, (Log{"fired"}));
  EXPECT_GE(*alarm.fired_at, start + 60);
}

TEST(LoopTimer, NeverIsNotArmed) {
  Loop loop;
  Timer timer;
  loop.arm(timer, kNever, [](void*) {}, nullptr);
  EXPECT_FALSE(timer.armed());
}

// How often the loop's thread went to sleep while `ms` passed.
long sleeps_while(Loop& loop, std::chrono::milliseconds ms) {
  const auto sleeps = [&loop] {
    std::promise<long> told;
    loop.post([&told] {
      rusage usage{};
      ::getrusage(RUSAGE_THREAD, &usage);
      told.set_value(usage.ru_nvcsw);
    });
    return told.get_future().get();
  };
  const long before = sleeps();
  std::this_thread::sleep_for(ms);
  return sleeps() - before;
}

TEST(LoopTimer, AnIdleLoopSleepsAlsoWithAFarTimer) {
  Loop loop;
  Timer timer;
  loop.arm(timer, loop.now_ms() + 10'000, [](void*) {}, nullptr);
  std::jthread thread([&loop] { loop.run(); });
  // One sleep until the second question; a tick every 16 ms would be 15.
  EXPECT_LE(sleeps_while(loop, std::chrono::milliseconds(250)), 5);
  loop.stop();
  thread.join();
}

Task<void> sleep_then_note(Loop& loop, std::int64_t ms, Log& log, std::string name) {
  co_await loop.sleep_for(ms);
  log.push_back(name);
}

TEST(LoopSleep, WakesInOrder) {
  Loop loop;
  Log log;
  loop.spawn(sleep_then_note(loop, 60, log, "late"));
  loop.spawn(sleep_then_note(loop, 1, log, "early"));
  run_for(loop, 100);
  EXPECT_EQ(log, (Log{"early", "late"}));
}

// --- Tasks.

Task<void> hold_for_ever(Loop& loop, std::shared_ptr<int> held) {
  const std::shared_ptr<int> again = held;
  co_await loop.sleep_until(kNever);
}

Task<void> end_at_once() { co_return; }

TEST(LoopSpawn, CountsAndDestroysWhatHasNotEnded) {
  const auto held = std::make_shared<int>();
  {
    Loop loop;
    for (int i = 0; i < 3; ++i) loop.spawn(hold_for_ever(loop, held));
    loop.spawn(end_at_once());
    EXPECT_EQ(loop.tasks(), 3u);
    EXPECT_GT(held.use_count(), 1);
  }
  EXPECT_EQ(held.use_count(), 1);
}

// --- Descriptors.

Task<void> wait_and_note(Handle& handle, Deadline until, Log& log, std::string name) {
  const Ready ready = co_await handle.readable(until);
  log.push_back(name + " " + text(ready));
}

Task<void> take_turns(Loop& loop, Log& log, std::string name) {
  for (int i = 0; i < 3; ++i) {
    log.push_back(name);
    co_await loop.next_turn();
  }
}

TEST(LoopTurn, OthersComeInBetweenAndADeadOneIsNotResumed) {
  Log log;
  Loop loop;
  loop.spawn(take_turns(loop, log, "a"));
  loop.spawn(take_turns(loop, log, "b"));
  run_for(loop, 50);
  EXPECT_EQ(log, (Log{"a", "b", "a", "b", "a", "b"}));
  loop.spawn(take_turns(loop, log, "dead"));
  loop.drop_tasks();
  EXPECT_EQ(loop.tasks(), 0u);
  EXPECT_EQ(log.size(), 7u);
}

Task<void> hold(Loop& loop, std::shared_ptr<int>) { co_await loop.sleep_for(100'000); }

// What tasks refer to may end before the loop does.
TEST(LoopSpawn, DroppedTasksEndBeforeWhatTheyReferTo) {
  Loop loop;
  auto referred = std::make_shared<int>(0);
  loop.spawn(hold(loop, referred));
  loop.post([referred] {});
  EXPECT_EQ(referred.use_count(), 3);
  loop.drop_tasks();
  EXPECT_EQ(referred.use_count(), 1);
}

TEST(HandleReadable, WaitsForBytesAndTimesOutWithoutThem) {
  Loop loop;
  SocketPair quiet;
  SocketPair talks;
  Handle a(loop, quiet.take_near());
  Handle b(loop, talks.take_near());
  Log log;
  loop.spawn(wait_and_note(a, loop.now_ms() + 30, log, "quiet"));
  loop.spawn(wait_and_note(b, loop.now_ms() + 10'000, log, "talks"));
  talks.say("x");
  run_for(loop, 80);
  EXPECT_EQ(log, (Log{"talks ready", "quiet timeout"}));
}

Task<void> cancel_other(Loop& loop, Handle& other, Log& log) {
  co_await loop.sleep_for(1);
  log.push_back("before");
  other.cancel();
  log.push_back("after");
  const Ready again = co_await other.readable(kNever);
  log.push_back(std::string("again ") + text(again));
}

TEST(HandleCancel, WakesFromTheLoopNeverInsideTheCallAndStays) {
  Loop loop;
  SocketPair pair;
  Handle handle(loop, pair.take_near());
  Log log;
  loop.spawn(wait_and_note(handle, kNever, log, "waiter"));
  loop.spawn(cancel_other(loop, handle, log));
  run_for(loop, 60);
  EXPECT_EQ(log, (Log{"before", "after", "again cancelled", "waiter cancelled"}));
}

Task<void> wait_writable(Handle& handle, Log& log) {
  handle.congested();
  const Ready ready = co_await handle.writable(kNever);
  log.push_back(std::string("writer ") + text(ready));
}

TEST(HandleWakeWriter, EndsTheWaitAndLeavesTheConnection) {
  Loop loop;
  SocketPair pair;
  Handle handle(loop, pair.take_near());
  while (::send(handle.fd(), "xxxxxxxxxxxxxxxx", 16, MSG_NOSIGNAL) > 0) {
  }
  Log log;
  loop.spawn(wait_writable(handle, log));
  loop.post([&] { handle.wake_writer(); });
  run_for(loop, 40);
  EXPECT_EQ(log, (Log{"writer timeout"}));
  EXPECT_FALSE(handle.cancelled());
}

struct Peer {
  SocketPair pair;
  std::optional<Handle> handle;
  Started waiter;
  void vanish() {
    waiter.reset();
    handle.reset();
  }
};

Started wait_then_end(Peer& mine, Peer& other, Log& log, std::string name) {
  const Ready ready = co_await mine.handle->readable(kNever);
  log.push_back(name + " " + text(ready));
  other.vanish();
}

// Both have events in one batch; whoever comes first destroys the other and its descriptor.
TEST(HandleDestroyed, WithAnEventPendingInTheSameBatchNobodyIsResumed) {
  Loop loop;
  Peer a;
  Peer b;
  a.handle.emplace(loop, a.pair.take_near());
  b.handle.emplace(loop, b.pair.take_near());
  Log log;
  a.waiter = wait_then_end(a, b, log, "one");
  b.waiter = wait_then_end(b, a, log, "one");
  a.pair.say("x");
  b.pair.say("x");
  run_for(loop, 40);
  EXPECT_EQ(log, (Log{"one ready"}));
}

TEST(HandleDestroyed, AWaiterThatDiesAfterCancelIsNotResumed) {
  Loop loop;
  Peer peer;
  peer.handle.emplace(loop, peer.pair.take_near());
  Peer other;
  Log log;
  peer.waiter = wait_then_end(peer, other, log, "waiter");
  loop.post([&] {
    peer.handle->cancel();
    peer.vanish();
  });
  run_for(loop, 40);
  EXPECT_EQ(log, Log{});
}

// --- The peer goes.

TEST(HandleHangup, RunsOnceWhenThePeerCloses) {
  Loop loop;
  SocketPair pair;
  Handle handle(loop, pair.take_near());
  int count = 0;
  handle.on_hangup([&] { ++count; });
  loop.post([&] {
    EXPECT_EQ(count, 0);
    pair.close_far();
  });
  run_for(loop, 60);
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(handle.peer_closed());
}

TEST(HandleHangup, SeenBeforeItWasSetItRunsSoonButNotInsideTheCall) {
  Loop loop;
  SocketPair pair;
  Handle handle(loop, pair.take_near());
  pair.close_far();
  Log log;
  loop.spawn(sleep_then_note(loop, 1, log, "slept"));
  Timer timer;
  struct Context {
    Handle* handle;
    Log* log;
  } context{&handle, &log};
  loop.arm(
      timer, loop.now_ms() + 30,
      [](void* at) {
        auto& c = *static_cast<Context*>(at);
        EXPECT_TRUE(c.handle->peer_closed());
        c.handle->on_hangup([log = c.log] { log->push_back("hangup"); });
        c.log->push_back("set");
      },
      &context);
  run_for(loop, 80);
  EXPECT_EQ(log, (Log{"slept", "set", "hangup"}));
}

TEST(HandleHangup, TakenBackItDoesNotRunAndItMayEndTheHandle) {
  Loop loop;
  SocketPair a;
  SocketPair b;
  Handle kept(loop, a.take_near());
  auto ends = std::make_unique<Handle>(loop, b.take_near());
  int count = 0;
  kept.on_hangup([&] { ++count; });
  kept.on_hangup(nullptr);
  ends->on_hangup([&] { ends.reset(); });
  a.close_far();
  b.close_far();
  run_for(loop, 40);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(ends, nullptr);
}

TEST(HandleHangup, AfterItDrainedNoLongerHidesTheEnd) {
  Loop loop;
  SocketPair pair;
  Handle handle(loop, pair.take_near());
  pair.say("last words");
  pair.close_far();
  Log log;
  loop.spawn(wait_and_note(handle, kNever, log, "words"));
  loop.post([&] {
    loop.post([&] {
      handle.drained();  // a short read, data and end in one edge
      loop.spawn(wait_and_note(handle, loop.now_ms() + 20, log, "end"));
    });
  });
  run_for(loop, 60);
  EXPECT_EQ(log, (Log{"words ready", "end ready"}));
}

TEST(HandleRelease, GivesTheDescriptorAwayOpen) {
  Loop loop;
  SocketPair pair;
  int fd = -1;
  {
    Handle handle(loop, pair.take_near());
    fd = handle.release();
  }
  pair.say("x");
  char byte = 0;
  EXPECT_EQ(::recv(fd, &byte, 1, 0), 1);
  ::close(fd);
}

// --- Buffers.

TEST(LoopBuffer, ReleasedItIsEmptyAndUsedAgain) {
  Loop loop;
  Buffer first = loop.buffer();
  char* const bytes = first.data();
  __builtin_memset(bytes, 1, kBufferBytes);
  Buffer second = loop.buffer();
  EXPECT_NE(second.data(), bytes);
  Buffer moved = std::move(first);
  EXPECT_EQ(moved.data(), bytes);
  moved.release();
  EXPECT_FALSE(moved);
  EXPECT_EQ(loop.buffer().data(), bytes);
}

}  // namespace
}  // namespace sallyport::net
