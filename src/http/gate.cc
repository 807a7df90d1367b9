// SPDX-License-Identifier: Apache-2.0
#include "http/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace sallyport::http {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return fail(Code::kUnavailable, "cannot read " + path);
  return text.str();
}

}  // namespace

Result<net::Endpoint> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(Code::kInvalid, "an address needs a port");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = parse_uint(text.substr(colon + 1));
  if (!address || !port || *port > 65535) {
    return fail(Code::kInvalid, "not an address and a port: " + std::string(text));
  }
  return net::Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

struct Gate::Thread {
  struct Door {
    std::unique_ptr<net::Acceptor> acceptor;
    std::shared_ptr<const net::TlsContext> tls;  // null: plaintext
  };
  net::Loop loop;
  std::unique_ptr<Worker> worker;
  std::vector<std::unique_ptr<Door>> doors;
  std::thread thread;
  // Connections that outlived the cut refer to the worker, and the worker's timers to the loop.
  ~Thread() { loop.drop_tasks(); }
};

Gate::Gate(const Config& config, House house, WayMaker maker)
    : config_(config), house_(house), maker_(std::move(maker)) {}
Gate::~Gate() { stop(); }

Result<net::TlsServerFiles> read_tls_files(const std::string& certificate_file,
                                           const std::optional<std::string>& key_file) {
  auto certificate = read_file(certificate_file);
  if (!certificate) return std::unexpected(certificate.error());
  auto key = read_file(key_file.value_or(certificate_file));
  if (!key) return std::unexpected(key.error());
  net::TlsServerFiles files;
  files.certificate = std::move(*certificate);
  files.key = std::move(*key);
  return files;
}

Result<std::shared_ptr<const net::TlsContext>> read_certificates(const ListenerConfig& listener) {
  if (!listener.tls_cert_file) return std::shared_ptr<const net::TlsContext>();
  auto read = read_tls_files(*listener.tls_cert_file, listener.tls_key_file);
  if (!read) return std::unexpected(read.error());
  net::TlsServerFiles& files = *read;
  if (listener.client_ca_file) {
    auto ca = read_file(*listener.client_ca_file);
    if (!ca) return std::unexpected(ca.error());
    files.client_ca = std::move(*ca);
    files.client_certificate_required = listener.client_certificate_required;
  }
  return net::TlsContext::server(files);
}

std::shared_ptr<const Way> Gate::make_way(net::Loop& loop, const Config& config,
                                          const WayMaker& maker) {
  auto way = std::make_shared<Way>();
  way->config = config;
  maker(loop, *way);
  return way;
}

Result<void> Gate::start() {
  const Config& config = config_;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t count = config.threads > 0 ? static_cast<std::size_t>(config.threads) : cores;
  for (std::size_t i = 0; i < count; ++i) threads_.push_back(std::make_unique<Thread>());

  for (const ListenerConfig& listener : config.listeners) {
    auto tls = read_certificates(listener);
    if (!tls) return std::unexpected(tls.error());
    auto at = parse_address(listener.address);
    if (!at) return std::unexpected(at.error());
    // Our threads share the port; another gate of the same user would share it too, and half of the
    // calls would land there. Whoever listens alone learns whether somebody is there already.
    const auto alone = net::listen_tcp(*at, false, 1);
    if (!alone) return std::unexpected(alone.error());
    ::close(*alone);
    for (const auto& thread : threads_) {
      auto fd = net::listen_tcp(*at, true);
      if (!fd) return std::unexpected(fd.error());
      auto bound = net::local_endpoint(*fd);
      if (!bound) return std::unexpected(bound.error());
      at->port = bound->port;  // port 0: the other threads take what the first one got
      auto door = std::make_unique<Thread::Door>();
      door->tls = *tls;
      Thread::Door* const here = door.get();
      Thread* const owner = thread.get();
      door->acceptor = std::make_unique<net::Acceptor>(
          thread->loop, *fd, [owner, here](int client, net::Endpoint peer) {
            owner->worker->accept(client, peer, here->tls);
          });
      thread->doors.push_back(std::move(door));
    }
    addresses_.push_back({listener.name, *at, *tls != nullptr});
  }
  for (const auto& thread : threads_) {
    thread->worker =
        std::make_unique<Worker>(thread->loop, house_, make_way(thread->loop, config_, maker_));
  }
  for (const auto& thread : threads_) {
    thread->thread = std::thread([t = thread.get()] { t->loop.run(); });
  }
  running_ = true;
  return {};
}

Result<void> Gate::reload(const Config& config, WayMaker maker) {
  std::vector<std::shared_ptr<const net::TlsContext>> fresh;
  for (std::size_t i = 0; i < config_.listeners.size(); ++i) {
    // Which listeners there are is fixed at start; their files may have moved.
    auto tls =
        read_certificates(i < config.listeners.size() ? config.listeners[i] : config_.listeners[i]);
    if (!tls) return std::unexpected(tls.error());
    fresh.push_back(std::move(*tls));
  }
  std::vector<ListenerConfig> listeners = std::move(config_.listeners);
  config_ = config;
  config_.listeners = std::move(listeners);
  maker_ = std::move(maker);
  for (const auto& thread : threads_) {
    thread->loop.post([t = thread.get(), fresh, config = config_, make = maker_] {
      for (std::size_t i = 0; i < t->doors.size(); ++i) t->doors[i]->tls = fresh[i];
      t->worker->take(make_way(t->loop, config, make));
    });
  }
  return {};
}

void Gate::stop() {
  if (!std::exchange(running_, false)) return;
  for (const auto& thread : threads_) {
    thread->loop.post([this, t = thread.get()] {
      for (const auto& door : t->doors) door->acceptor->close();
      t->worker->drain(t->loop.now_ms() + config_.drain_ms, [t] { t->loop.stop(); });
    });
  }
  for (const auto& thread : threads_) thread->thread.join();
}

}  // namespace sallyport::http
