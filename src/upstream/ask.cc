// SPDX-License-Identifier: Apache-2.0
#include "upstream/ask.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "upstream/answer_body.h"
#include "upstream/answer_head.h"
#include "upstream/gunzip.h"
#include "upstream/request_head.h"

namespace sallyport::upstream {
namespace {

constexpr std::size_t kErrorPeekBytesMax = 64 * 1024;  // of an error answer, to learn its code
constexpr std::int64_t kErrorPeekMs = 10'000;          // an error that trickles in is cut
constexpr std::int64_t kRetryPauseMs = 50;             // doubled with each retry
// A larger body is given up when it is sent: answers may be minutes away, and its memory is wanted.
constexpr std::uint64_t kKeptBodyBytesMax = 256 * 1024;
constexpr std::uint64_t kRetriesFree = 10;  // beyond them retries are at most a tenth of the calls

Refusal refusal_for(Fault fault) {
  switch (fault) {
    case Fault::kConnect:
      return {502, "upstream_unreachable", "The provider cannot be reached.", "server_error"};
    case Fault::kBusy:
      return {.status = 503,
              .code = "upstream_busy",
              .message = "All connections to the provider are in use.",
              .type = "server_error",
              .retry_after_s = 1};
    case Fault::kTimeout:
      return {504, "upstream_timeout", "The provider did not answer in time.", "server_error"};
    case Fault::kAuth:
      return {
          502, "upstream_auth_failed",
          "The gateway's own credential was refused by the provider; its operator has been told.",
          "server_error"};
    case Fault::kMalformed:
      return {502, "upstream_malformed", "The provider's answer is malformed.", "server_error"};
    default:
      return {502, "upstream_disconnected", "The provider closed the connection without an answer.",
              "server_error"};
  }
}

// Our own disk failed before a byte was sent: not the provider's fault.
Refusal spool_unavailable() {
  return {.status = 503,
          .code = "spool_unavailable",
          .message = "The gateway could not read the request back from its disk.",
          .type = "server_error"};
}

// Its source has none to show yet: a lease that could not be made, a token not exchanged.
Refusal no_credential() {
  return {.status = 503,
          .code = "upstream_credential_unavailable",
          .message = "The gateway has no credential for the provider at the moment.",
          .type = "server_error",
          .retry_after_s = 5};
}

Refusal client_gone() { return {499, "client_gone", "The client went away."}; }

Refusal refusal_for(const Breaker::Permit& permit) {
  const auto wait_s =
      static_cast<int>(std::clamp<std::int64_t>((permit.wait_ms + 999) / 1000, 1, 60));
  if (permit.state == BreakerState::kQuota) {
    return {.status = 503,
            .code = "upstream_quota_exhausted",
            .message = "The provider's quota is used up.",
            .type = "server_error",
            .retry_after_s = wait_s};
  }
  return {.status = 503,
          .code = "upstream_unavailable",
          .message = "The provider is failing; calls are held back for a moment.",
          .type = "server_error",
          .retry_after_s = wait_s};
}

Outcome outcome_of(Fault fault) {
  switch (fault) {
    case Fault::kConnect:
      return Outcome::kConnectFailed;
    case Fault::kTimeout:
      return Outcome::kTimeout;
    case Fault::kBusy:
      return Outcome::kNone;  // our own limit
    default:
      return Outcome::kServerError;
  }
}

bool is_safe(const std::string& method) { return method == "GET" || method == "HEAD"; }

// May this request be needed once more? Only a credential that can be replaced makes it so.
bool keeps_request(const Exchange& x, const Upstream& upstream) {
  return x.asked_again == nullptr && upstream.config.lease.mode != "static" && !x.body.spool &&
         x.body.size() <= kKeptBodyBytesMax;
}

// The request is on its way for good: its memory is not needed while the answer is awaited.
void give_up_request(Exchange& x) {
  x.body.release();
  x.headers.clear();
  x.headers.shrink_to_fit();
  std::string().swap(x.head_bytes);
}

void set_header(Answer& answer, std::string_view name, std::string_view value) {
  std::erase_if(answer.headers, [&](const auto& field) { return field.first == name; });
  answer.headers.emplace_back(name, value);
}

// Cuts an error answer that trickles in.
struct PeekLimit {
  std::shared_ptr<Flight> flight;
  net::Timer timer;
  bool passed = false;
  static void fire(void* self) {
    auto* limit = static_cast<PeekLimit*>(self);
    limit->passed = true;
    const std::shared_ptr<Flight> flight = limit->flight;  // the limit may end while it is woken
    flight->cancel();
  }
};

}  // namespace

// One exchange's call: the permit must be reported whatever happens.
struct Ask::Call {
  net::Loop& loop;
  std::shared_ptr<const Upstream> upstream;
  std::shared_ptr<Pool> pool;
  std::shared_ptr<Flight> flight;
  provider::CredentialUse credential;
  Breaker::Permit permit;
  bool request_kept = false;  // it may be sent again, also after it was sent whole
  bool own_payer = false;     // the client's organisation pays, not the project
  bool reported = false;

  void report(Outcome outcome) {
    if (std::exchange(reported, true)) return;
    upstream->breaker->report(outcome, permit.probe, loop.now_ms());
  }
  ~Call() { report(Outcome::kNone); }
};

Ask::Ask(net::Loop& loop, net::Resolver& resolver, const Published<Upstreams>& upstreams)
    : loop_(loop), resolver_(resolver), reader_(upstreams) {}

Ask::~Ask() {
  for (const Pooled& pooled : pools_) pooled.pool->close();
}

std::size_t Ask::idle_connections() const {
  std::size_t idle = 0;
  for (const Pooled& pooled : pools_) idle += pooled.pool->idle();
  return idle;
}

// After a reload the old pools keep serving the exchanges that hold them and then end.
Ask::Pooled& Ask::pooled_for(const Upstream& upstream) {
  for (Pooled& pooled : pools_) {
    if (pooled.upstream == &upstream) return pooled;
  }
  const UpstreamConfig& config = upstream.config;
  PoolLimits limits;
  limits.connections_max = config.connections_max;
  limits.idle_ms = config.pool_idle_ms;
  limits.connect_ms = config.connect_ms;
  limits.timeouts.first_byte_ms = config.first_byte_ms;
  limits.timeouts.idle_ms = config.idle_ms;
  auto pool = std::make_shared<Pool>(loop_, resolver_, upstream.url, upstream.tls, limits);
  pools_.push_back({&upstream, std::move(pool),
                    Published<provider::Credential>::Reader(upstream.credential->published())});
  return pools_.back();
}

std::shared_ptr<const Upstream> Ask::choose(const Exchange& x) {
  if (reader_.latest() != snapshot_) {
    for (const Pooled& pooled : pools_) pooled.pool->close();
    pools_.clear();
    snapshot_ = reader_.latest();
  }
  return snapshot_->choose(x.principal ? x.principal->upstream : std::nullopt, x.model);
}

Task<std::optional<Refusal>> Ask::admit(Exchange& x) {
  std::shared_ptr<const Upstream> upstream = choose(x);
  if (!upstream) {
    log::error("upstream.not_configured", {{"upstream", x.principal->upstream.value_or("")}});
    co_return Refusal{503, "upstream_not_configured", "The upstream of this key is not configured.",
                      "server_error"};
  }
  x.upstream_name = upstream->config.name;
  Pooled& pooled = pooled_for(*upstream);
  provider::CredentialUse credential(pooled.credential.latest());
  if (!credential) co_return no_credential();
  if (!credential->provider_key_id.empty()) x.provider_key_id = credential->provider_key_id;

  const Breaker::Permit permit = upstream->breaker->admit(loop_.now_ms());
  if (!permit.allowed) {
    upstream->counters->add(Fault::kRefused);
    co_return refusal_for(permit);
  }
  Call call{loop_, upstream, pooled.pool, std::make_shared<Flight>(), std::move(credential),
            permit};
  call.own_payer = names_own_organization(x);
  upstream->counters->calls.fetch_add(1, std::memory_order_relaxed);
  x.on_cancel = [flight = call.flight] { flight->cancel(); };
  if (x.cancelled != Cancel::kNone) co_return client_gone();

  std::expected<Arrived, Failure> arrived = co_await ask(x, call);
  if (arrived) give_up_request(x);
  if (x.cancelled != Cancel::kNone) co_return client_gone();
  if (!arrived) {
    const Failure& failure = arrived.error();
    if (failure.refusal) co_return failure.refusal;
    call.report(outcome_of(failure.fault));
    upstream->counters->add(failure.fault);
    log::warn("upstream.failed", {{"upstream", x.upstream_name},
                                  {"request_id", x.request_id},
                                  {"fault", upstream::name(failure.fault)},
                                  {"reason", failure.what}});
    co_return refusal_for(failure.fault);
  }
  std::optional<Refusal> refusal = co_await receive(x, call, std::move(*arrived));
  if (x.cancelled != Cancel::kNone) co_return client_gone();
  co_return refusal;
}

// The credential was replaced between its use and the provider's 401, which is then no news: true,
// and the request may be asked again with the one of now. Never more than once, nothing of the
// answer having been sent; a 401 to the newer one goes its usual way. A 401 costs nothing, so this
// is no second bill.
bool Ask::take_newer_credential(Exchange& x, Call& call) {
  if (x.cancelled != Cancel::kNone || !call.request_kept) return false;
  provider::CredentialUse newer(call.upstream->credential->current());
  if (!newer || !newer->secret || newer.get() == call.credential.get()) return false;
  const std::shared_ptr<const Secret>& shown = call.credential->secret;
  if (shown && *shown == *newer->secret) return false;
  log::info("upstream.asked_again", {{"upstream", x.upstream_name},
                                     {"request_id", x.request_id},
                                     {"refused", call.credential->provider_key_id},
                                     {"now", newer->provider_key_id}});
  call.upstream->counters->asked_again.fetch_add(1, std::memory_order_relaxed);
  x.asked_again = "credential_replaced";
  if (!newer->provider_key_id.empty()) x.provider_key_id = newer->provider_key_id;
  call.credential = std::move(newer);
  return true;
}

Task<std::expected<Ask::Arrived, Ask::Failure>> Ask::ask(Exchange& x, Call& call) {
  {
    std::expected<Arrived, Failure> arrived = co_await ask_patiently(x, call);
    const bool refused = arrived && arrived->meta.status == 401;
    if (!refused || !take_newer_credential(x, call)) co_return arrived;
  }  // the refused one's connection is closed before another is taken
  std::expected<Arrived, Failure> again = co_await ask_patiently(x, call);
  co_return again;
}

// Asks again only where the provider cannot have seen the request; a retried POST is billed twice.
Task<std::expected<Ask::Arrived, Ask::Failure>> Ask::ask_patiently(Exchange& x, Call& call) {
  Counters& counters = *call.upstream->counters;
  for (int retry = 0;; ++retry) {
    std::expected<Arrived, Failure> arrived = co_await attempt(x, call, retry > 0);
    if (arrived || !arrived.error().retry_safe || retry >= call.upstream->config.retries_max ||
        call.flight->cancelled()) {
      co_return arrived;
    }
    const std::uint64_t retries = counters.retries.load(std::memory_order_relaxed);
    const std::uint64_t calls = counters.calls.load(std::memory_order_relaxed);
    if (retries >= kRetriesFree + calls / 10) co_return arrived;  // a storm must not double itself
    counters.retries.fetch_add(1, std::memory_order_relaxed);
    if (arrived.error().fault == Fault::kConnect) co_await loop_.sleep_for(kRetryPauseMs << retry);
  }
}

Task<std::expected<Ask::Arrived, Ask::Failure>> Ask::attempt(Exchange& x, Call& call, bool fresh) {
  std::expected<std::string, Refusal> head =
      write_request_head(x, *call.upstream, *call.credential.get());
  if (!head) {
    Failure malformed{Fault::kMalformed, "request"};
    malformed.refusal = std::move(head.error());
    co_return std::unexpected(std::move(malformed));
  }
  Result<Lease> lease = co_await Pool::take(call.pool, call.flight, fresh);
  if (!lease) {
    const bool busy = lease.error().code == Code::kExhausted;
    const Fault fault = busy ? Fault::kBusy : Fault::kConnect;
    co_return std::unexpected(Failure{fault, lease.error().what, !busy});
  }
  const bool reused = lease->reused();
  Counters& counters = *call.upstream->counters;
  (reused ? counters.reused : counters.connects).fetch_add(1, std::memory_order_relaxed);

  net::ClientConnection& connection = lease->connection();
  const bool safe = is_safe(x.method);
  call.request_kept = keeps_request(x, *call.upstream);
  std::unique_ptr<net::BodySource> body = x.body.open();
  const bool asked_before = std::exchange(x.asked, true);
  Result<void> sent = co_await connection.send(std::move(*head), body.get(), false);
  body.reset();
  if (!sent) {
    x.asked = asked_before || connection.sent_any();
    const bool timeout = sent.error().code == Code::kExhausted;
    const Fault fault = timeout ? Fault::kTimeout : Fault::kDisconnected;
    Failure failure{fault, sent.error().what, reused && safe && !timeout};
    if (!connection.sent_any()) {
      log::error("spool.read_failed", {{"reason", failure.what}});
      failure.refusal = spool_unavailable();
    }
    co_return std::unexpected(std::move(failure));
  }
  if (!safe && !call.request_kept) give_up_request(x);
  Result<net::ResponseMeta> meta = co_await connection.read_head(x.method);
  if (!meta) {
    Fault fault = Fault::kDisconnected;
    if (meta.error().code == Code::kExhausted) fault = Fault::kTimeout;
    if (meta.error().code == Code::kCorrupt) fault = Fault::kMalformed;
    const bool died_idle =
        fault == Fault::kDisconnected && reused && safe && !connection.received_any();
    co_return std::unexpected(Failure{fault, meta.error().what, died_idle});
  }
  co_return Arrived{std::move(*lease), std::move(*meta)};
}

// The head is here: what of it goes on, and what it says about the upstream.
Task<std::optional<Refusal>> Ask::receive(Exchange& x, Call& call, Arrived arrived) {
  const net::ResponseMeta& meta = arrived.meta;
  x.upstream_status = meta.status;
  x.upstream_request_id = request_id_of(meta);
  if (meta.status == 401 || meta.status == 403) {
    // Its text quotes our key and account: none of it goes on, not even to the log.
    call.report(Outcome::kNone);
    call.upstream->counters->add(Fault::kAuth);
    if (meta.status == 401) {
      call.upstream->credential->refused(call.credential->provider_key_id);
    }
    log::error("upstream.credential_refused",
               {{"upstream", x.upstream_name},
                {"status", meta.status},
                {"upstream_request_id", x.upstream_request_id.value_or("")},
                {"hint", "the provider refused the gateway's own credential: renew api_key"}});
    co_return refusal_for(Fault::kAuth);
  }
  const Coding coding = meta.has_body ? coding_of(meta) : Coding::kIdentity;
  if (coding == Coding::kUnknown) {
    call.report(Outcome::kServerError);
    call.upstream->counters->add(Fault::kMalformed);
    log::warn("upstream.failed",
              {{"upstream", x.upstream_name}, {"fault", "malformed"}, {"reason", "encoding"}});
    co_return refusal_for(Fault::kMalformed);
  }
  x.answer = keep_of_head(meta);
  const bool look = meta.status >= 400 && meta.has_body && is_json(meta);
  if (meta.has_body) {
    x.answer.body = std::make_unique<AnswerBody>(std::move(arrived.lease), call.flight,
                                                 call.upstream, std::move(call.credential));
  }
  if (coding == Coding::kGzip) {
    x.answer.body = std::make_unique<GunzipBody>(std::move(x.answer.body));
    x.answer.content_length.reset();
  }
  if (look) {
    std::optional<Refusal> refusal = co_await look_at_error(x, call);
    if (refusal) co_return refusal;
  }
  if (meta.status >= 400 && !x.error_code) x.error_code = "upstream_error";

  Outcome outcome = upstream::outcome_of(meta.status, x.error_code);
  if (outcome == Outcome::kServerError) call.upstream->counters->add(Fault::kServer);
  if (outcome == Outcome::kRate) call.upstream->counters->add(Fault::kRate);
  if (outcome == Outcome::kQuota) {
    call.upstream->counters->add(Fault::kQuota);
    set_header(x.answer, "x-should-retry", "false");  // money does not come back by asking again
    // Who brings an organisation of their own must not be able to close the project's door.
    if (call.own_payer) outcome = Outcome::kAnswered;
  }
  call.report(outcome);
  co_return std::nullopt;
}

// Reads the beginning of an error's body for its code. The body goes on unchanged.
Task<std::optional<Refusal>> Ask::look_at_error(Exchange& x, Call& call) {
  PeekLimit limit;
  limit.flight = call.flight;
  loop_.arm(limit.timer, loop_.now_ms() + kErrorPeekMs, &PeekLimit::fire, &limit);

  std::string seen;
  bool whole = false;
  while (!whole && seen.size() < kErrorPeekBytesMax) {
    Result<std::string_view> piece = co_await x.answer.body->pull();
    if (!piece) {
      // A broken error answer is no answer; what it was meant to say is not known.
      const bool timeout = limit.passed || piece.error().code == Code::kExhausted;
      const bool malformed = piece.error().code == Code::kCorrupt;
      x.answer = Answer();
      call.report(timeout ? Outcome::kTimeout : Outcome::kServerError);
      if (timeout) co_return refusal_for(Fault::kTimeout);
      co_return refusal_for(malformed ? Fault::kMalformed : Fault::kDisconnected);
    }
    whole = piece->empty();
    seen += *piece;
  }
  limit.timer.disarm();
  if (!whole) {
    x.answer.body = std::make_unique<ResumedBody>(std::move(seen), std::move(x.answer.body));
    co_return std::nullopt;
  }
  x.error_code = error_code_of(seen);
  x.answer.content_length = seen.size();
  x.answer.body = std::make_unique<net::BytesBody>(std::move(seen));
  co_return std::nullopt;
}

}  // namespace sallyport::upstream
