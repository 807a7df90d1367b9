// SPDX-License-Identifier: Apache-2.0
#include "notify/http_peer.h"

#include <utility>

#include "notify/address_check.h"
#include "notify/compression.h"
#include "notify/retry_after.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kGzipBytesMin = 1'024;  // a smaller body fits one packet as it is

}  // namespace

Result<std::unique_ptr<HttpPeer>> HttpPeer::make(const SinkConfig& config, const std::string& url,
                                                 const SinkParts& parts) {
  const Result<net::Url> parsed = net::parse_url(std::string_view(url).substr(0, url.find('?')));
  if (!parsed) return fail(Code::kInvalid, "url: " + parsed.error().what);
  const Result<void> host = check_host(parsed->host, config.allow, parsed->tls);
  if (!host) return fail(Code::kInvalid, "url: " + host.error().what);
  std::unique_ptr<HttpPeer> peer(new HttpPeer(parts, config.timeout.count()));
  peer->may_reach_ = address_check(config.allow, parsed->tls);
  if (parsed->tls) {
    auto context = net::TlsContext::client(config.ca_file.value_or(""));
    if (!context) return fail(Code::kInvalid, "ca: " + context.error().what);
    peer->tls_ = std::move(*context);
  }
  const SinkType& type = *find_sink_type(config.type);
  peer->gzip_ = option(config, type, kCompressionOption.name) == "gzip";
  return peer;
}

Task<Result<net::Reply>> HttpPeer::ask(net::Loop& loop, net::Question question) {
  if (gzip_ && question.body.size() >= kGzipBytesMin) {
    Result<std::string> packed = gzip(question.body);
    if (!packed) co_return std::unexpected(std::move(packed).error());
    question.body = std::move(*packed);
    question.headers.emplace_back("content-encoding", "gzip");
  }
  question.timeout_ms = timeout_ms_;
  question.answer_bytes_max = kAnswerBytesMax;
  question.may_reach = may_reach_;
  Result<net::Reply> reply = co_await talk_.ask(loop, parts_.resolver, tls_, std::move(question));
  co_return reply;
}

std::chrono::milliseconds HttpPeer::wait(const net::Reply& reply) const {
  for (const auto& [name, value] : reply.headers) {
    if (name != "retry-after") continue;
    return parse_retry_after(value, now()).value_or(std::chrono::milliseconds(0));
  }
  return std::chrono::milliseconds(0);
}

Verdict HttpPeer::verdict_of_error(const Error& error) {
  Verdict verdict;
  verdict.kind = error.code == Code::kInvalid ? Verdict::Kind::kStop : Verdict::Kind::kAgain;
  verdict.why = error.what;
  return verdict;
}

}  // namespace sallyport::notify
