// SPDX-License-Identifier: Apache-2.0
#include "notify/http_sink.h"

#include <utility>

#include "notify/http_peer.h"

namespace sallyport::notify {
namespace {

class HttpSink final : public Sink {
 public:
  HttpSink(std::unique_ptr<HttpPeer> peer, std::unique_ptr<HttpFormat> format)
      : peer_(std::move(peer)), format_(std::move(format)) {}

  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    Result<net::Question> question = format_->encode(*batch, peer_->now());
    if (!question) co_return HttpPeer::verdict_of_error(question.error());
    Result<net::Reply> reply = co_await peer_->ask(loop, std::move(*question));
    if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
    co_return format_->judge(*reply, *batch, peer_->wait(*reply));
  }

  Task<void> idle(net::Loop& loop) override {
    peer_->tidy(loop.now_ms());
    co_return;
  }
  void let_go() override { peer_->hang_up(); }

 private:
  std::unique_ptr<HttpPeer> peer_;
  std::unique_ptr<HttpFormat> format_;
};

}  // namespace

Verdict verdict_of_status(int status, const Batch& batch, std::chrono::milliseconds wait) {
  Verdict verdict;
  if (status >= 200 && status < 300) return verdict;
  verdict.why = "the receiver answered " + std::to_string(status);
  if (status >= 300 && status < 400) verdict.why += ": redirects are not followed";
  if (status >= 500 || status == 408 || status == 425 || status == 429) {
    verdict.kind = Verdict::Kind::kAgain;
    verdict.wait = wait;
  } else if (status == 413) {
    verdict.kind = Verdict::Kind::kHalve;
  } else if (status == 400 || status == 422) {
    for (std::size_t i = 0; i < batch.size(); ++i) verdict.dead.push_back({i, verdict.why});
  } else {
    verdict.kind = Verdict::Kind::kStop;
  }
  return verdict;
}

Result<std::unique_ptr<Sink>> make_http_sink(const SinkConfig& config, const SinkParts& parts,
                                             std::unique_ptr<HttpFormat> format) {
  Result<std::unique_ptr<HttpPeer>> peer = HttpPeer::make(config, config.url, parts);
  if (!peer) return std::unexpected(std::move(peer).error());
  return std::make_unique<HttpSink>(std::move(*peer), std::move(format));
}

}  // namespace sallyport::notify
