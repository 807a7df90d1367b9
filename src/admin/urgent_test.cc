// SPDX-License-Identifier: Apache-2.0
// What ends a key is in force before anything that can block, whatever else waits for the disk.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include "admin/house_for_test.h"

namespace sallyport::admin {
namespace {

// The one thread that works on the disk is stuck for as long as the gate is closed.
class BusyHouse : public AdminHouse {
 protected:
  Task<void> hold() {
    std::function<void()> held = [this] { const std::lock_guard lock(gate_); };
    co_await offload_.run(loop_, std::move(held));
  }
  keys::KeyFault check(std::string_view key) {
    return keys::KeyRing::Reader::make(*ring_)->check(key, {.now = clock_.now()}).fault;
  }
  static Ask post(const std::string& path, std::string body) {
    return {.method = "POST",
            .path = path,
            .extra = "content-type: application/json\r\n",
            .body = std::move(body)};
  }
  // Is it so within five seconds?
  static bool soon(const std::function<bool()>& is) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!is()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }
  // Asks while the disk is stuck; the answer comes when it is free again.
  Answer while_stuck(const Ask& ask, const std::function<bool()>& in_force) {
    std::unique_lock closed(gate_);
    loop_.post([this] { loop_.spawn(hold()); });
    Answer answer;
    std::thread asking([&] { answer = local(ask); });
    EXPECT_TRUE(soon(in_force)) << ask.path;
    closed.unlock();
    asking.join();
    return answer;
  }
  std::mutex gate_;
};

TEST_F(BusyHouse, AnEndDoesNotWaitForTheDisk) {
  using keys::KeyFault;
  ASSERT_EQ(local(post("/admin/v1/layers", R"({"path":"acme"})")).status, 201);
  const auto make = [&](const char* name, const char* more = "") {
    return local(create(std::string("{\"name\":\"") + name + "\"" + more + "}")).text("key");
  };
  const std::string revoked = make("a"), blocked = make("b"),
                    below = make("c", R"(,"layer":"acme")");
  const struct {
    const char* path;
    const std::string& key;
    KeyFault fault;
    const char* before;
  } kCases[] = {
      {"/admin/v1/keys/a/revoke", revoked, KeyFault::kRevoked, R"("before":{"status":"active"})"},
      {"/admin/v1/keys/b/block", blocked, KeyFault::kBlocked, R"("status":"active")"},
      {"/admin/v1/layers/acme/reissue", below, KeyFault::kIssuedBefore, R"("issued_before":null)"},
      {"/admin/v1/layers/acme/revoke", below, KeyFault::kLayerRevoked, R"("status":"active")"},
  };
  for (const auto& c : kCases) {
    ASSERT_NE(check(c.key), c.fault);
    clock_.advance(std::chrono::seconds(1));
    const Answer answer = while_stuck(post(c.path, "{}"), [&] { return check(c.key) == c.fault; });
    EXPECT_EQ(answer.status, 200) << c.path << ": " << answer.body;
    EXPECT_EQ(answer.json().at("durable")->boolean(), true) << c.path;
    const Event record = recorder_.events().back();
    EXPECT_TRUE(record.detail->contains(c.before)) << c.path << ": " << *record.detail;
  }
}

}  // namespace
}  // namespace sallyport::admin
