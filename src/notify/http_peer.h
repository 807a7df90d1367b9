// SPDX-License-Identifier: Apache-2.0
// The receiver behind a sink's url: one bounded question at a time, only to addresses that the sink
// may reach, never following a redirect. For sinks that need several questions for one batch; the
// others are an HttpFormat (notify/http_sink.h).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "notify/config.h"
#include "notify/sink.h"

namespace sallyport::notify {

class HttpPeer {
 public:
  static constexpr std::size_t kAnswerBytesMax = 4u << 20;

  // `url`: the address that is checked, config.url or what the sink makes of its options. kInvalid:
  // "url: ..." or "ca: ...".
  static Result<std::unique_ptr<HttpPeer>> make(const SinkConfig& config, const std::string& url,
                                                const SinkParts& parts);

  // Time limit, bound of the answer and check of the address are set here, and the body goes as the
  // entry's `compression` says. Asked once more if a connection that was kept turns out closed, so
  // a question may arrive twice. On the sinks' loop, one call at a time; this outlives the task.
  Task<Result<net::Reply>> ask(net::Loop& loop, net::Question question);
  void tidy(std::int64_t now_ms) { talk_.tidy(now_ms); }  // hangs up when idle for long
  void hang_up() { talk_.hang_up(); }                     // needed before the loop ends

  // The receiver's Retry-After; 0: it said nothing.
  std::chrono::milliseconds wait(const net::Reply& reply) const;
  UtcTime now() const { return parts_.clock.now(); }

  // What a failed ask means: again, or stop where it can never work.
  static Verdict verdict_of_error(const Error& error);

 private:
  HttpPeer(const SinkParts& parts, std::int64_t timeout_ms)
      : parts_(parts), timeout_ms_(timeout_ms) {}
  SinkParts parts_;
  std::int64_t timeout_ms_;
  net::AddressCheck may_reach_;
  std::shared_ptr<const net::TlsContext> tls_;
  net::Conversation talk_;
  bool gzip_ = false;
};

}  // namespace sallyport::notify
