// SPDX-License-Identifier: Apache-2.0
// For tests: an HTTP receiver on this machine that answers as it is told and remembers what it was
// asked, on a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/http_server.h"

namespace sallyport::notify {

class HttpReceiverForTest final : public net::ServerHandler {
 public:
  using Answer = std::function<net::ServerResponse(const net::ServerRequest&)>;

  explicit HttpReceiverForTest(Answer answer) : answer_(std::move(answer)) {
    const auto listening = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
    port_ = net::local_endpoint(*listening)->port;
    server_ = std::make_unique<net::HttpServer>(loop_, *this, net::ServerLimits{});
    server_->serve(*listening);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~HttpReceiverForTest() override {
    loop_.stop();
    thread_.join();
    loop_.drop_tasks();
    server_.reset();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::uint16_t port() const { return port_; }
  std::vector<net::ServerRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    net::ServerResponse answer;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      answer = answer_(request);
    }
    co_return answer;
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<net::ServerRequest> requests_;
  net::Loop loop_;
  std::uint16_t port_ = 0;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

// Runs one task on a loop of its own until it is done.
template <class T>
T run_for_test(net::Loop& loop, Task<T> task) {
  std::optional<T> result;
  struct Runner {
    static Task<void> run(Task<T> inner, std::optional<T>* out, net::Loop* on) {
      out->emplace(co_await inner);
      on->stop();
    }
  };
  loop.spawn(Runner::run(std::move(task), &result, &loop));
  loop.run();
  return std::move(*result);
}

}  // namespace sallyport::notify
