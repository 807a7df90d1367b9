// SPDX-License-Identifier: Apache-2.0
// The way in: heads, stages, refusals. The way out is relay.cc; routes of our own are
// own_routes.cc.
#include "http/connection.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "http/credential.h"
#include "http/source_address.h"

namespace sallyport::http {
namespace {

// After a refusal that ends the connection, what the client still sends is dropped for a moment, so
// that it sees the answer instead of a reset. Malformed framing gets less patience than a refused
// upload.
constexpr std::uint64_t kMalformedDrainBytes = 64 * 1024;
constexpr std::int64_t kMalformedDrainMs = 1'000;
constexpr std::uint64_t kRefusedDrainBytes = 16 << 20;
constexpr std::int64_t kRefusedDrainMs = 2'000;
constexpr std::uint64_t kKeepAliveDrainBytes = 64 * 1024;

constexpr std::size_t kEndpointBytesMax = 256;

Refusal gone() {
  return {.status = 499, .code = "client_gone", .message = "The client went away."};
}

// Why an exchange was cancelled, as its caller may hear it.
Refusal cancelled_refusal(Cancel why) {
  switch (why) {
    case Cancel::kKeyRevoked:
      return {.status = 401, .code = "invalid_api_key", .message = "Incorrect API key provided."};
    case Cancel::kShutdown:
      return {.status = 503,
              .code = "shutting_down",
              .message = "The gateway is shutting down.",
              .type = "server_error",
              .retry_after_s = 5,
              .close = true};
    default:
      return gone();
  }
}

}  // namespace

Connection::Connection(Worker& worker, std::unique_ptr<net::Stream> stream, net::Endpoint peer)
    : worker_(worker),
      stream_(std::move(stream)),
      peer_(peer),
      input_{*stream_, worker.loop(), {}},
      way_(worker.way()),
      incoming_(input_) {
  worker_.connections_.insert(this);
}

Connection::~Connection() { worker_.connections_.erase(this); }

void Connection::close_if_idle() {
  if (exchange_ == nullptr) stream_->cancel();
}

void Connection::cut(Cancel why) {
  if (exchange_ == nullptr) return;
  if (why == Cancel::kClientGone) {
    client_gone(*exchange_);
  } else {
    exchange_->cancel(why);
  }
  incoming_.abandon();
  if (!cut_timer_.armed()) hurry();
}

// Again and again, since what is being written may wait for something else just now.
void Connection::hurry() {
  worker_.loop().arm(
      cut_timer_, worker_.loop().now_ms() + kLastWordsMs,
      [](void* self) {
        auto* const connection = static_cast<Connection*>(self);
        connection->stream_->handle().wake_writer();
        connection->hurry();
      },
      this);
}

void Connection::close() {
  if (!broken_ && stream_->encrypted()) stream_->shutdown_write();
}

Task<void> Connection::run() {
  while (!worker_.draining()) {
    way_ = worker_.way();  // a reload counts from the next request on
    const Head head = co_await read_head();
    if (head == Head::kClosed) co_return;
    if (head == Head::kRefused) {
      co_await linger(kMalformedDrainBytes, kMalformedDrainMs);
      co_return;
    }
    const bool keep = co_await one_exchange();
    if (!keep) co_return;
  }
}

Task<Connection::Head> Connection::read_head() {
  const Config& config = way_->config;
  net::Loop& loop = worker_.loop();
  net::HeadScanner scanner(config.head_bytes_max);
  net::Deadline until = loop.now_ms() + (input_.bytes.empty() ? config.idle_ms : config.head_ms);
  for (bool started = !input_.bytes.empty();;) {
    if (!input_.bytes.empty()) {
      const net::HeadScanner::State state = scanner.scan(input_.bytes);
      if (state == net::HeadScanner::State::kBad) {
        co_await refuse_head(scanner.error());
        co_return Head::kRefused;
      }
      if (state == net::HeadScanner::State::kDone) break;
    } else {
      std::string().swap(input_.bytes);  // an idle connection holds no buffer
    }
    const net::Ready ready = co_await stream_->readable(until);
    if (ready == net::Ready::kTimeout && started) {
      const net::HeadError late = {408, "request_timeout"};
      co_await refuse_head(late);
      co_return Head::kRefused;
    }
    if (ready != net::Ready::kReady) co_return Head::kClosed;
    if (!std::exchange(started, true)) until = loop.now_ms() + config.head_ms;
    net::Buffer buffer = loop.buffer();
    const std::span<char> room(buffer.data(), net::kBufferBytes);
    const Result<std::size_t> got = co_await stream_->read_some(room, until);
    if (!got && got.error().code == Code::kExhausted) continue;  // the deadline, told above
    if (!got || *got == 0) co_return Head::kClosed;
    input_.bytes.append(buffer.data(), *got);
  }
  const std::string_view head =
      std::string_view(input_.bytes).substr(scanner.start(), scanner.size() - scanner.start());
  const auto error = net::parse_request_head(head, worker_.head_scratch());
  if (error) {
    co_await refuse_head(*error);
    co_return Head::kRefused;
  }
  head_start_ = scanner.start();
  head_size_ = scanner.size();
  co_return Head::kReady;
}

bool Connection::is_our_host(const net::RequestHead& head) const {
  if (head.authority.empty()) return true;
  if (!equal_ascii_nocase(head.authority, head.host)) return false;
  std::string_view host = head.authority;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    host = host.substr(0, colon);
  }
  const auto& ours = way_->config.hosts;
  if (std::any_of(ours.begin(), ours.end(),
                  [&](const std::string& name) { return equal_ascii_nocase(name, host); })) {
    return true;
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const IpAddress local = stream_->local().address;
  if (equal_ascii_nocase(host, "localhost")) return local.is_loopback();
  const auto literal = IpAddress::parse(host);
  return literal && *literal == local;
}

// Fills in what the head says. The scratch head still points into input_.bytes, so its views are
// moved over to the exchange's own copy by offset. No suspension may come between read_head and
// here.
std::optional<Refusal> Connection::begin(Exchange& x, const net::RequestHead& head) {
  const House& house = worker_.house();
  x.loop = &worker_.loop();
  x.request_id = make_request_id();
  x.received_at = house.clock.now();
  x.received_us = house.clock.steady_us();
  x.method = head.method;
  x.path = head.path;
  x.query = head.query;
  const bool leaks = names_our_key(x.path) || names_our_key(x.query);
  x.endpoint = (x.method + " " + (leaks ? "/***" : x.path)).substr(0, kEndpointBytesMax);
  x.head_bytes.assign(input_.bytes, 0, head_size_);
  const char* const from = input_.bytes.data();
  const char* const to = x.head_bytes.data();
  x.headers.reserve(head.header_count);
  for (const net::Header& field : head.fields()) {
    x.headers.push_back({{to + (field.name.data() - from), field.name.size()},
                         {to + (field.value.data() - from), field.value.size()}});
  }
  x.source = source_address(peer_.address, x.headers, way_->config.trusted_proxies);
  if (stream_->encrypted()) x.certificate_thumbprint = stream_->peer_certificate_thumbprint();
  minor_ = head.minor;
  client_keeps_alive_ = head.keep_alive;
  head_method_ = head.method == "HEAD";
  x.incoming_length = head.content_length;
  const bool ours = is_our_host(head);
  input_.bytes.erase(0, head_size_);  // the scratch head is void from here on
  incoming_.expect(head, way_->config);
  if (incoming_.announced()) x.incoming = &incoming_;
  if (!ours) {
    return Refusal{.status = 400,
                   .code = "foreign_host",
                   .message = "The target names another host.",
                   .close = true};
  }
  if (leaks) {
    return Refusal{.status = 400,
                   .code = "credential_in_target",
                   .message =
                       "A key does not belong into the address. Send it in the "
                       "Authorization header, and replace this one: it may stand in logs."};
  }
  return take_credential(x.headers, x.credential);
}

Task<bool> Connection::one_exchange() {
  Exchange x;
  exchange_ = &x;
  std::optional<Refusal> refusal = begin(x, worker_.head_scratch());
  std::size_t admitted = 0;
  OwnRoute* const own = refusal ? nullptr : own_route(x);
  if (!refusal && own == nullptr) refusal = co_await admit(x, admitted);
  bool keep = false;
  if (x.cancelled != Cancel::kNone && refusal) refusal = cancelled_refusal(x.cancelled);
  if (own != nullptr) {
    keep = co_await serve_own(x, *own);
  } else if (refusal) {
    keep = co_await refuse(x, std::move(*refusal), admitted);
  } else {
    keep = co_await relay(x);
  }
  stream_->handle().on_hangup(nullptr);
  half_close_timer_.disarm();
  cut_timer_.disarm();
  drain_timer_.disarm();
  watching_client_ = false;
  relaying_ = false;
  exchange_ = nullptr;
  co_return keep && !worker_.draining();
}

Task<std::optional<Refusal>> Connection::admit(Exchange& x, std::size_t& admitted) {
  for (const std::unique_ptr<Stage>& stage : way_->stages) {
    // Once the body is in, the client's silence means something: a FIN while we wait is a farewell.
    if (incoming_.finished()) watch_client(x);
    std::optional<Refusal> refusal = co_await stage->admit(x);
    if (refusal) co_return refusal;
    ++admitted;
  }
  co_return std::nullopt;
}

// A client that resets is gone. One that only finished sending may still read: it gets a moment,
// then the call is given up, since tokens that nobody reads cost money all the same.
void Connection::watch_client(Exchange& x) {
  if (std::exchange(watching_client_, true)) return;
  stream_->handle().on_hangup([this, &x] {
    if (stream_->handle().peer_reset()) {
      client_gone(x);
      return;
    }
    worker_.loop().arm(
        half_close_timer_, worker_.loop().now_ms() + way_->config.half_close_grace_ms,
        [](void* self) {
          auto* const connection = static_cast<Connection*>(self);
          connection->cut(Cancel::kClientGone);
        },
        this);
  });
}

// A refusal is an answer too: settled, recorded, then sent.
Task<bool> Connection::refuse(Exchange& x, Refusal refusal, std::size_t admitted) {
  x.answer.status = refusal.status;
  x.error_code = refusal.code;
  if (x.cancelled == Cancel::kKeyRevoked) x.denied_because = "revoked";
  const bool gone = refusal.status == 499;
  const bool recorded = co_await settle(x, admitted);
  if (gone) co_return false;
  if (!recorded && way_->refuse_without_record) refusal = journal_unavailable();

  bool keep = client_keeps_alive_ && !refusal.close && !worker_.draining();
  if (keep && !incoming_.finished()) {
    const bool small = x.incoming_length && *x.incoming_length <= kKeepAliveDrainBytes;
    keep = small && !incoming_.held_by_client();
    if (keep) {
      const net::Deadline until = worker_.loop().now_ms() + kMalformedDrainMs;
      keep = co_await incoming_.discard(kKeepAliveDrainBytes, until);
    }
  }
  const std::string answer =
      write_refusal(refusal, x.request_id, keep, head_method_, x.limit_fields);
  const bool sent = co_await write(answer);
  if (!sent) co_return false;
  if (!keep && !incoming_.finished()) co_await linger(kRefusedDrainBytes, kRefusedDrainMs);
  co_return keep;
}

// A head that never became a request: one record, one answer, and the end of the connection.
Task<void> Connection::refuse_head(net::HeadError error) {
  const House& house = worker_.house();
  house.counters.heads_refused.fetch_add(1, std::memory_order_relaxed);
  Exchange x;
  x.loop = &worker_.loop();
  x.request_id = make_request_id();
  x.received_at = house.clock.now();
  x.received_us = house.clock.steady_us();
  x.source = peer_.address;
  Refusal refusal{.status = error.status,
                  .code = error.status == 400 ? "malformed_request" : error.reason,
                  .message = "The request is malformed or not accepted by this gateway.",
                  .close = true};
  x.answer.status = refusal.status;
  x.error_code = error.reason;
  const bool recorded = co_await settle(x, 0);
  if (!recorded && way_->refuse_without_record) refusal = journal_unavailable();
  const std::string answer = write_refusal(refusal, x.request_id, false, false);
  co_await write(answer);
}

Task<void> Connection::linger(std::uint64_t bytes_max, std::int64_t ms) {
  stream_->shutdown_write();
  const net::Deadline until = worker_.loop().now_ms() + ms;
  std::uint64_t dropped = 0;
  while (dropped < bytes_max && !worker_.draining()) {
    const net::Ready ready = co_await stream_->readable(until);
    if (ready != net::Ready::kReady) co_return;
    net::Buffer buffer = worker_.loop().buffer();
    const std::span<char> room(buffer.data(), net::kBufferBytes);
    const Result<std::size_t> got = co_await stream_->read_some(room, until);
    if (!got || *got == 0) co_return;
    dropped += *got;
  }
}

bool Connection::keeps_alive(const Exchange&) const {
  return client_keeps_alive_ && incoming_.finished() && !worker_.draining() && !broken_;
}

}  // namespace sallyport::http
