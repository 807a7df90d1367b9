// SPDX-License-Identifier: Apache-2.0
#include "cli/demo_house.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "net/connect.h"
#include "net/loop.h"
#include "sim/sim_server.h"

namespace sallyport::cli {
namespace {

constexpr std::uint32_t kLoopback = 0x7f000001;
constexpr std::int64_t kTokenDelayMs = 30;  // slow enough that a stream is seen to be one

// A port that was free a moment ago. Should somebody take it first, the gate says so and the
// demonstration ends.
Result<std::uint16_t> free_port() {
  const Result<int> fd = net::listen_tcp({IpAddress::v4(kLoopback), 0}, false, 1);
  if (!fd) return std::unexpected(fd.error());
  const Result<net::Endpoint> at = net::local_endpoint(*fd);
  ::close(*fd);
  if (!at) return std::unexpected(at.error());
  return at->port;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return fail(Code::kUnavailable, path + " cannot be written");
  ::chmod(path.c_str(), 0600);
  return {};
}

}  // namespace

struct DemoHouse::Provider {
  net::Loop loop;
  std::unique_ptr<sim::SimServer> server;
  std::thread thread;
  ~Provider() {  // the loop ends before the server
    loop.stop();
    if (thread.joinable()) thread.join();
    loop.drop_tasks();
  }
};

Result<std::unique_ptr<DemoHouse>> DemoHouse::open(Program serve) {
  std::unique_ptr<DemoHouse> house(new DemoHouse);
  std::string folder = (std::filesystem::temp_directory_path() / "sallyport-demo-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return fail(Code::kUnavailable, folder + ": " + strerror(errno));
  }
  house->folder_ = folder;
  const Result<void> started = house->start_provider();
  if (!started) return std::unexpected(started.error());
  house->gate_ = std::thread([house = house.get(), serve] {
    Invocation call{.config_file = house->config_file(),
                    .values = {},
                    .out = house->words_,
                    .err = house->words_};
    serve(call);
    house->ended_.store(true);
  });
  return house;
}

Result<void> DemoHouse::start_provider() {
  provider_ = std::make_unique<Provider>();
  sim::SimOptions options;
  options.listen = {IpAddress::v4(kLoopback), 0};
  options.token_delay_ms = kTokenDelayMs;
  options.request_log = false;
  auto server = sim::SimServer::open(provider_->loop, std::move(options));
  if (!server) return std::unexpected(server.error());
  provider_->server = std::move(*server);
  provider_->thread = std::thread([loop = &provider_->loop] { loop->run(); });
  return write_files(provider_->server->address().port);
}

Result<void> DemoHouse::write_files(std::uint16_t provider_port) {
  const Result<std::uint16_t> gate = free_port();
  if (!gate) return std::unexpected(gate.error());
  const Result<std::uint16_t> admin = free_port();
  if (!admin) return std::unexpected(admin.error());
  gate_port_ = *gate;
  std::string pepper(32, '\0');
  fill_random({reinterpret_cast<unsigned char*>(pepper.data()), pepper.size()});
  const std::string configuration =
      "version: 1\n"
      "http:\n  threads: 1\n  listeners:\n    - {name: gate, address: \"127.0.0.1:" +
      std::to_string(*gate) +
      "\"}\n  timeouts: {drain: 1s}\n"
      "keys: {pepper: \"file:key_pepper\"}\n"
      "upstream:\n  - {name: simulation, base_url: \"http://127.0.0.1:" +
      std::to_string(provider_port) +
      "/v1\", api_key: \"file:provider_key\"}\n"
      "audit: {path: journal}\nstore: {path: sallyport.db}\n"
      "admin:\n  listener: {address: \"127.0.0.1:" +
      std::to_string(*admin) + "\"}\n  socket: admin.sock\n";
  for (const auto& [name, text] :
       {std::pair<std::string, std::string>{"/key_pepper", base64_encode(pepper)},
        {"/provider_key", sim::SimOptions().key},
        {"/sallyport.yaml", configuration}}) {
    const Result<void> written = write_file(folder_ + name, text + "\n");
    if (!written) return written;
  }
  return {};
}

std::string DemoHouse::base_url() const {
  return "http://127.0.0.1:" + std::to_string(gate_port_) + "/v1";
}

void DemoHouse::stop_gate() {
  if (!gate_.joinable()) return;
  // The gate stops as it stops for an operator: by the signal that its thread waits for.
  if (!ended_.load()) ::kill(::getpid(), SIGTERM);
  gate_.join();
}

DemoHouse::~DemoHouse() {
  stop_gate();
  provider_.reset();
  std::error_code ignored;  // a folder that stays behind in /tmp holds nothing of worth
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace sallyport::cli
