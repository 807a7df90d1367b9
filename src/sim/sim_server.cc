// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_server.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <ostream>

#include "sim/provider.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kBodyMs = 300'000;  // slow uploads are what some tests are about

std::string host_and_port(const net::Endpoint& at) {
  const std::string host = at.address.is_v4() ? at.address.text() : "[" + at.address.text() + "]";
  return host + ":" + std::to_string(at.port);
}

Task<void> stop_at_signal(net::Loop& loop, int fd) {
  net::Handle signal(loop, fd);
  co_await signal.readable(net::kNever);
  loop.stop();
}

}  // namespace

struct SimServer::Parts {
  Parts(net::Loop& loop, SimOptions options)
      : provider(loop, clock, options),
        server(loop, provider,
               {.body_bytes_max = options.body_bytes_max,
                .connections_max = 16'384,
                .body_ms = kBodyMs}) {}
  SystemClock clock;
  Provider provider;
  net::HttpServer server;
  net::Endpoint address;
};

Result<std::unique_ptr<SimServer>> SimServer::open(net::Loop& loop, SimOptions options) {
  const Result<int> listening = net::listen_tcp(options.listen, false);
  if (!listening) return std::unexpected(listening.error());
  auto parts = std::make_unique<Parts>(loop, std::move(options));
  const Result<net::Endpoint> at = net::local_endpoint(*listening);
  if (!at) return std::unexpected(at.error());
  parts->address = *at;
  parts->server.serve(*listening);
  return std::unique_ptr<SimServer>(new SimServer(std::move(parts)));
}

SimServer::SimServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SimServer::~SimServer() = default;

net::Endpoint SimServer::address() const { return parts_->address; }
Provider& SimServer::provider() { return parts_->provider; }

int run_sim(SimOptions options, std::ostream& out, std::ostream& err) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  const int signals = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals < 0) {
    err << "error: the kernel gives no signalfd\n";
    return 1;
  }
  const auto loop = std::make_unique<net::Loop>();
  std::unique_ptr<SimServer> server;
  loop->spawn(stop_at_signal(*loop, signals));
  Result<std::unique_ptr<SimServer>> opened = SimServer::open(*loop, std::move(options));
  if (!opened) {
    err << "error: cannot listen: " << opened.error().what << "\n";
    return 1;
  }
  server = std::move(*opened);
  out << "listening on http://" << host_and_port(server->address()) << "/v1" << std::endl;
  loop->run();
  loop->drop_tasks();  // answers under way refer to the provider, and it to the loop
  return 0;
}

}  // namespace sallyport::sim
