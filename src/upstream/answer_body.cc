// SPDX-License-Identifier: Apache-2.0
#include "upstream/answer_body.h"

#include "base/log.h"

namespace sallyport::upstream {

Task<Result<std::string_view>> AnswerBody::pull() {
  net::BodySource& body = lease_.connection().body();
  Result<std::string_view> piece = co_await body.pull();
  if (!piece) broke(piece.error());
  co_return piece;
}

// An answer that broke off counts against the upstream, unless it was we who ended it.
void AnswerBody::broke(const Error& error) {
  if (flight_->cancelled()) return;
  Fault fault = Fault::kDisconnected;
  if (error.code == Code::kExhausted) fault = Fault::kTimeout;
  if (error.code == Code::kCorrupt) fault = Fault::kMalformed;
  upstream_->counters->add(fault);
  const std::int64_t now_ms = lease_.connection().stream().handle().loop().now_ms();
  upstream_->breaker->report(Outcome::kServerError, false, now_ms);
  log::warn("upstream.answer_broke",
            {{"upstream", upstream_->config.name}, {"reason", error.what}});
}

Task<Result<std::string_view>> ResumedBody::pull() {
  if (!given_ && !seen_.empty()) {
    given_ = true;
    co_return std::string_view(seen_);
  }
  given_ = true;
  std::string().swap(seen_);
  Result<std::string_view> piece = co_await rest_->pull();
  co_return piece;
}

}  // namespace sallyport::upstream
