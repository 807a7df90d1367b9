// SPDX-License-Identifier: Apache-2.0
#include "cli/quickstart.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "http/gate.h"
#include "net/loop.h"
#include "sim/sim_server.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kSimulatedKey = "sk-sim";

// Writes a file that must not exist yet, readable by its owner alone. An existing one stays as it
// is.
Result<void> write_new(const std::string& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST) return {};
  if (fd < 0) return fail(Code::kUnavailable, path + ": " + strerror(errno));
  const ssize_t written = ::write(fd, text.data(), text.size());
  const int error = errno;
  ::close(fd);
  if (written != static_cast<ssize_t>(text.size())) {
    ::unlink(path.c_str());
    return fail(Code::kUnavailable, path + ": " + strerror(error));
  }
  return {};
}

std::string configuration(const std::string& gate, const std::string& upstream) {
  return "# Made by `sallyport serve --quickstart`; yours to change. All fields: sallyport config "
         "explain\n"
         "version: 1\n\n"
         "http:\n"
         "  listeners:\n"
         "    - name: gate\n"
         "      address: " +
         gate +
         "\n\n"
         "keys:\n"
         "  pepper: file:key_pepper\n\n"
         "upstream:\n" +
         upstream +
         "\n"
         "audit:\n"
         "  path: journal\n\n"
         "store:\n"
         "  path: sallyport.db\n\n"
         "admin:\n"
         "  listener: {address: 127.0.0.1:9443}\n"
         "  socket: admin.sock\n";
}

}  // namespace

struct Quickstart::Provider {
  net::Loop loop;
  std::unique_ptr<sim::SimServer> server;
  std::thread thread;
  ~Provider() {  // the loop ends before the server
    loop.stop();
    if (thread.joinable()) thread.join();
    loop.drop_tasks();
  }
};

Quickstart::Quickstart() = default;
Quickstart::~Quickstart() = default;

bool Quickstart::simulated() const { return provider_ != nullptr; }

Result<std::unique_ptr<Quickstart>> Quickstart::prepare(const std::string& folder,
                                                        const std::string& gate) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(Code::kUnavailable, folder + ": " + strerror(errno));
  }
  std::unique_ptr<Quickstart> start(new Quickstart);
  const char* const key = std::getenv("OPENAI_API_KEY");
  if (key == nullptr || *key == '\0') {
    const Result<void> provider = start->start_provider();
    if (!provider) return std::unexpected(provider.error());
  }
  const Result<void> written = start->write_files(folder, gate);
  if (!written) return std::unexpected(written.error());
  return start;
}

Result<void> Quickstart::start_provider() {
  provider_ = std::make_unique<Provider>();
  sim::SimOptions options;
  options.listen = {IpAddress::v4(0x7f000001), 0};
  options.key = kSimulatedKey;
  options.token_delay_ms = 20;  // slow enough that a stream is seen to be one
  auto server = sim::SimServer::open(provider_->loop, std::move(options));
  if (!server) return std::unexpected(server.error());
  provider_->server = std::move(*server);
  provider_->thread = std::thread([loop = &provider_->loop] { loop->run(); });
  return {};
}

Result<void> Quickstart::write_files(const std::string& folder, const std::string& gate) {
  std::string pepper(32, '\0');
  fill_random({reinterpret_cast<unsigned char*>(pepper.data()), pepper.size()});
  const Result<void> peppered = write_new(folder + "/key_pepper", base64_encode(pepper) + "\n");
  if (!peppered) return peppered;
  if (!provider_) {
    config_file_ = folder + "/sallyport.yaml";
    return write_new(config_file_, configuration(gate,
                                                 "  - name: openai\n"
                                                 "    base_url: https://api.openai.com/v1\n"
                                                 "    api_key: ${env:OPENAI_API_KEY}\n"));
  }
  // The simulation takes another port at every start: its configuration is written anew.
  config_file_ = folder + "/simulated.yaml";
  const std::string base_url =
      "http://127.0.0.1:" + std::to_string(provider_->server->address().port) + "/v1";
  const Result<void> secret =
      write_new(folder + "/simulated_key", std::string(kSimulatedKey) + "\n");
  if (!secret) return secret;
  ::unlink(config_file_.c_str());
  return write_new(config_file_,
                   configuration(gate, "  - name: simulation\n    base_url: " + base_url +
                                           "\n    api_key: file:simulated_key\n"));
}

}  // namespace sallyport::cli
