// SPDX-License-Identifier: Apache-2.0
#include "http/worker.h"

#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "http/connection.h"

namespace sallyport::http {
namespace {

constexpr std::int64_t kExpiryCheckMs = 1000;

}  // namespace

Worker::Worker(net::Loop& loop, House house, std::shared_ptr<const Way> way)
    : loop_(loop), house_(house), way_(std::move(way)) {
  arm_watch();
}

Worker::~Worker() { record_folded(); }

void Worker::accept(int fd, net::Endpoint peer, std::shared_ptr<const net::TlsContext> tls) {
  Counters& counters = house_.counters;
  const auto open = counters.connections_open.load(std::memory_order_relaxed);
  const bool full = open >= static_cast<std::int64_t>(way_->config.connections_max);
  const bool blocked =
      house_.admission != nullptr && house_.admission->blocked(peer.address, house_.clock.now());
  if (draining_ || full || blocked) {
    counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    ::close(fd);
    return;
  }
  counters.connections.fetch_add(1, std::memory_order_relaxed);
  counters.connections_open.fetch_add(1, std::memory_order_relaxed);
  ++open_;
  loop_.spawn(serve(fd, peer, std::move(tls)));
}

Task<void> Worker::serve(int fd, net::Endpoint peer, std::shared_ptr<const net::TlsContext> tls) {
  std::unique_ptr<net::Stream> stream;
  if (tls) {
    const net::Deadline until = loop_.now_ms() + way_->config.head_ms;
    handshakes_.insert(fd);
    Result<std::unique_ptr<net::Stream>> secured = co_await tls->accept(loop_, fd, until);
    handshakes_.erase(fd);
    if (secured) {
      stream = std::move(*secured);
    } else {
      house_.counters.tls_failures.fetch_add(1, std::memory_order_relaxed);
      log::debug("tls.handshake_failed",
                 {{"peer", peer.address.text()}, {"reason", secured.error().what}});
    }
  } else {
    stream = net::plain_stream(loop_, fd);
  }
  if (stream) {
    Connection connection(*this, std::move(stream), peer);
    co_await connection.run();
    connection.close();
  }
  --open_;
  house_.counters.connections_open.fetch_sub(1, std::memory_order_relaxed);
  check_drained();
}

bool Worker::fold(const IpAddress& source, const Event& refusal) {
  if (!house_.recorder->accepting()) return false;  // said to the caller, as for every record
  if (!refusals_.fold(source, refusal, loop_.now_ms())) return false;
  if (!fold_timer_.armed()) {
    loop_.arm(
        fold_timer_, refusals_.due_ms(),
        [](void* self) { static_cast<Worker*>(self)->record_folded(); }, this);
  }
  return true;
}

void Worker::record_folded() {
  for (Event& event : refusals_.take_due()) {
    const std::string ip = event.ip;
    const std::int64_t repeated = event.repeated.value_or(0);
    house_.recorder->record(
        std::move(event), Durability::kWritten, [ip, repeated](Result<std::uint64_t> recorded) {
          if (recorded) return;
          log::error("record.refusals_lost", {{"ip", ip}, {"refusals", std::to_string(repeated)}});
        });
  }
}

void Worker::arm_watch() {
  loop_.arm(
      watch_timer_, loop_.now_ms() + kWatchMs,
      [](void* self) { static_cast<Worker*>(self)->watch(); }, this);
}

// A key that was revoked or expired takes its streams with it (invariant 5).
void Worker::watch() {
  arm_watch();
  if (house_.revocations == nullptr) return;
  const std::uint64_t version = house_.revocations->version();
  const bool changed = version != ring_version_;
  const bool due = loop_.now_ms() - expiry_checked_ms_ >= kExpiryCheckMs;
  if (!changed && !due) return;
  ring_version_ = version;
  expiry_checked_ms_ = loop_.now_ms();
  const UtcTime now = house_.clock.now();
  for (Connection* connection : connections_) {
    Exchange* const x = connection->exchange();
    if (x == nullptr || !x->principal || x->principal->kid.empty()) continue;
    if (house_.revocations->alive(*x->principal, now)) continue;
    if (x->cancelled != Cancel::kNone) continue;
    house_.counters.streams_cut.fetch_add(1, std::memory_order_relaxed);
    connection->cut(Cancel::kKeyRevoked);
  }
}

void Worker::drain(net::Deadline until, std::move_only_function<void()> then) {
  draining_ = true;
  drained_ = std::move(then);
  for (Connection* connection : connections_) connection->close_if_idle();
  // Who has not even shaken hands has asked nothing, and must not hold up the stop.
  for (const int fd : handshakes_) ::shutdown(fd, SHUT_RDWR);
  loop_.arm(
      drain_timer_, until,
      [](void* self) {
        auto* const worker = static_cast<Worker*>(self);
        for (Connection* connection : worker->connections_) {
          connection->cut(Cancel::kShutdown);
          connection->close_if_idle();
        }
        worker->loop_.arm(
            worker->drain_timer_, worker->loop_.now_ms() + kCutMs,
            [](void* late) {
              auto* const slow = static_cast<Worker*>(late);
              if (slow->drained_) std::exchange(slow->drained_, nullptr)();
            },
            self);
      },
      this);
  check_drained();
}

void Worker::check_drained() {
  if (draining_ && open_ == 0 && drained_) std::exchange(drained_, nullptr)();
}

}  // namespace sallyport::http
