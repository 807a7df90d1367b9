// SPDX-License-Identifier: Apache-2.0
#include "base/task.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace sallyport {
namespace {

// Starts a task at once and destroys it, finished or not, with itself: what a loop does.
class Root {
 public:
  struct promise_type {
    Root get_return_object() {
      return Root(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  explicit Root(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Root(const Root&) = delete;
  ~Root() { handle_.destroy(); }
  bool done() const { return handle_.done(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

Root start(Task<void> task) { co_await task; }

template <class T>
Task<void> keep(Task<T> from, T& into) {
  into = co_await from;
}

Task<int> add(int a, int b) { co_return a + b; }

Task<std::unique_ptr<std::string>> owned(std::string text) {
  co_return std::make_unique<std::string>(std::move(text));
}

Task<Result<std::string>> even(int number) {
  if (number % 2 != 0) co_return fail(Code::kInvalid, "odd");
  co_return "even";
}

TEST(Task, HandsItsValueToItsAwaiter) {
  int sum = 0;
  const Root root = start(keep(add(40, 2), sum));
  EXPECT_TRUE(root.done());
  EXPECT_EQ(sum, 42);
}

TEST(Task, HandsOverWhatCannotBeCopied) {
  std::unique_ptr<std::string> text;
  const Root root = start(keep(owned("handed over, not copied: longer than a short string"), text));
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "handed over, not copied: longer than a short string");
}

TEST(Task, AnExpectedFailureIsAValue) {
  Result<std::string> two = fail(Code::kCorrupt, "");
  Result<std::string> three = "";
  const Root a = start(keep(even(2), two));
  const Root b = start(keep(even(3), three));
  EXPECT_EQ(two.value(), "even");
  ASSERT_FALSE(three);
  EXPECT_EQ(three.error().code, Code::kInvalid);
}

Task<void> note(std::vector<int>& order, int mark) {
  order.push_back(mark);
  co_return;
}

Task<void> lazily(std::vector<int>& order) {
  Task<void> second = note(order, 2);
  order.push_back(1);
  co_await second;
  order.push_back(3);
}

TEST(Task, StartsWhenAwaitedNotBefore) {
  std::vector<int> order;
  const Root root = start(lazily(order));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

Task<std::int64_t> depth(std::int64_t left) {
  if (left == 0) co_return 0;
  const std::int64_t below = co_await depth(left - 1);
  co_return below + 1;
}

Task<std::int64_t> one_after_another(std::int64_t count) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const int one = co_await add(0, 1);
    sum += one;
  }
  co_return sum;
}

TEST(Task, AChainOfAnyDepthUsesConstantStack) {
  std::int64_t reached = 0;
  const Root root = start(keep(depth(200'000), reached));
  EXPECT_EQ(reached, 200'000);
}

TEST(Task, AnyNumberOfAwaitsUsesConstantStack) {
  std::int64_t reached = 0;
  const Root root = start(keep(one_after_another(300'000), reached));
  EXPECT_EQ(reached, 300'000);
}

// Counts itself.
class Alive {
 public:
  explicit Alive(int& count) : count_(&count) { ++*count_; }
  Alive(Alive&& other) noexcept : count_(other.count_) { ++*count_; }
  Alive(const Alive&) = delete;
  ~Alive() { --*count_; }

 private:
  int* count_;
};

Task<void> hang(Alive argument, int& alive) {
  const Alive local(alive);
  co_await std::suspend_always();
}

Task<void> hang_below(Alive argument, int& alive) {
  const Alive local(alive);
  Alive handed(alive);
  co_await hang(std::move(handed), alive);
}

TEST(Task, DestroyedWhileItWaitsItDestroysAllItHolds) {
  int alive = 0;
  {
    const Root root = start(hang_below(Alive(alive), alive));
    EXPECT_FALSE(root.done());
    EXPECT_GE(alive, 5);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Task, NeverAwaitedItStillDestroysItsArguments) {
  int alive = 0;
  {
    const Task<void> never = hang(Alive(alive), alive);
    EXPECT_GE(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Task, AssignedOverItDestroysWhatItWas) {
  int alive = 0;
  {
    Task<void> task = hang(Alive(alive), alive);
    std::vector<int> order;
    task = note(order, 1);
    EXPECT_EQ(alive, 0);
  }
}

TEST(Frame, EverySizeIsWritableAndAligned) {
  for (std::size_t size = 1; size < 10'000; size += 61) {
    void* const frame = detail::allocate_frame(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame) % __STDCPP_DEFAULT_NEW_ALIGNMENT__, 0u);
    __builtin_memset(frame, 0x5a, size);
    detail::free_frame(frame, size);
  }
}

TEST(Frame, TwoInUseNeverShareBytes) {
  std::vector<std::pair<unsigned char*, std::size_t>> frames;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 1500; ++i) {
      const std::size_t size = 1 + (i * 37) % 5000;
      auto* const frame = static_cast<unsigned char*>(detail::allocate_frame(size));
      __builtin_memset(frame, static_cast<int>(i % 251), size);
      frames.emplace_back(frame, size);
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto [frame, size] = frames[i];
      ASSERT_EQ(frame[0], i % 251) << "of frame " << i;
      ASSERT_EQ(frame[size - 1], i % 251) << "of frame " << i;
      detail::free_frame(frame, size);
    }
    frames.clear();
  }
}

}  // namespace
}  // namespace sallyport
