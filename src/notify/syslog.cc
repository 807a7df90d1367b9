// SPDX-License-Identifier: Apache-2.0
#include "notify/syslog.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <span>
#include <utility>

#include "base/text.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "notify/address_check.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kHostBytesMax = 255;
constexpr std::uint64_t kMessageBytesMin = 2'048, kMessageBytesMax = 65'536;
constexpr std::uint64_t kFacilityMax = 23;
constexpr std::chrono::milliseconds kResendMax{300'000};
constexpr std::int64_t kSilenceMinMs = 1'000;
// Of what may be sent again: a longer outage of the network shows before so much was written.
constexpr std::size_t kResendBytesMax = 8u << 20;

const SinkType& type() { return *find_sink_type("syslog"); }

Result<std::uint64_t> number_option(const SinkConfig& config, std::string_view name,
                                    std::uint64_t least, std::uint64_t most) {
  const std::optional<std::uint64_t> value = parse_uint(option(config, type(), name));
  if (value && *value >= least && *value <= most) return *value;
  return fail(Code::kInvalid, "options." + std::string(name) + ": " + std::to_string(least) +
                                  " to " + std::to_string(most));
}

Result<std::chrono::milliseconds> resend_option(const SinkConfig& config) {
  const auto value = parse_duration(option(config, type(), "resend"));
  if (value && *value <= kResendMax) return *value;
  return fail(Code::kInvalid, "options.resend: 0s to 5m");
}

// tcp://host:port or tls://host:port; the port must stand there.
Result<net::Url> parse_address(std::string_view text) {
  const bool tls = text.starts_with("tls://");
  const std::string_view rest = text.substr(std::min<std::size_t>(text.size(), 6));
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if ((!tls && !text.starts_with("tcp://")) || colon == std::string_view::npos ||
      rest.contains('/')) {
    return fail(Code::kInvalid, "url: tcp://host:port or tls://host:port");
  }
  const Result<net::Url> url = net::parse_url((tls ? "https://" : "http://") + std::string(rest));
  if (!url) return fail(Code::kInvalid, "url: " + url.error().what);
  return url;
}

class SyslogSink final : public Sink {
 public:
  SyslogSink(const SinkConfig& config, const SinkParts& parts, SyslogWords words, net::Url url,
             std::shared_ptr<const net::TlsContext> tls)
      : resolver_(parts.resolver),
        words_(std::move(words)),
        url_(std::move(url)),
        tls_(std::move(tls)),
        may_reach_(address_check(config.allow, url_.tls)),
        timeout_ms_(config.timeout.count()),
        resend_ms_(resend_option(config)->count()) {}

  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    const net::Deadline until = loop.now_ms() + timeout_ms_;
    Result<void> ready = co_await connect(loop, until);
    if (!ready) co_return again(ready.error(), loop.now_ms());
    std::string frames;
    for (const Outgoing& record : *batch) append_syslog(frames, record, words_);
    const Result<void> sent = co_await write(frames, until);
    if (!sent) co_return again(sent.error(), loop.now_ms());
    keep(loop.now_ms(), std::move(frames));
    co_return Verdict{};
  }

  // A connection that broke is seen here, and what may be lost goes again without a new record.
  Task<void> idle(net::Loop& loop) override {
    if (sent_.empty()) co_return;
    const net::Deadline until = loop.now_ms() + timeout_ms_;
    const Result<void> ready = co_await connect(loop, until);
    if (!ready) lose(loop.now_ms());  // the next call tries again
  }
  void let_go() override { stream_.reset(); }

 private:
  struct Sent {
    std::int64_t at_ms;
    std::string frames;
  };

  // The window ends where the break was seen, however long connecting takes then.
  void lose(std::int64_t now_ms) {
    if (!std::exchange(resending_, true)) forget(now_ms - resend_ms_);
    stream_.reset();
  }

  Verdict again(const Error& error, std::int64_t now_ms) {
    lose(now_ms);
    const bool never = error.code == Code::kInvalid;
    return {.kind = never ? Verdict::Kind::kStop : Verdict::Kind::kAgain, .why = error.what};
  }

  Task<Result<void>> connect(net::Loop& loop, net::Deadline until) {
    if (stream_ && !stream_->handle().peer_closed()) co_return Result<void>();
    lose(loop.now_ms());
    Result<std::unique_ptr<net::Stream>> made =
        co_await net::connect_url(loop, resolver_, tls_, url_, until, may_reach_);
    if (!made) co_return std::unexpected(made.error());
    stream_ = std::move(*made);
    give_up_in_time();
    for (Sent& one : sent_) {
      const Result<void> written = co_await write(one.frames, until);
      if (!written) co_return written;
      one.at_ms = loop.now_ms();
    }
    resending_ = false;
    co_return Result<void>();
  }

  // A peer that vanished without a word must be noticed while what it did not get is still kept.
  void give_up_in_time() {
    const unsigned ms =
        static_cast<unsigned>(std::max<std::int64_t>(resend_ms_ / 2, kSilenceMinMs));
    (void)::setsockopt(stream_->handle().fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
  }

  Task<Result<void>> write(const std::string& bytes, net::Deadline until) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    const std::span<const iovec> parts(&part, 1);
    Result<void> written = co_await stream_->write_all(parts, until);
    co_return written;
  }

  void keep(std::int64_t now_ms, std::string frames) {
    forget(now_ms - resend_ms_);
    if (resend_ms_ == 0) return;
    sent_bytes_ += frames.size();
    sent_.push_back({now_ms, std::move(frames)});
    while (sent_bytes_ > kResendBytesMax) drop_first();
  }

  void forget(std::int64_t before_ms) {
    while (!sent_.empty() && sent_.front().at_ms < before_ms) drop_first();
  }

  void drop_first() {
    sent_bytes_ -= sent_.front().frames.size();
    sent_.pop_front();
  }

  net::Resolver& resolver_;
  const SyslogWords words_;
  const net::Url url_;
  const std::shared_ptr<const net::TlsContext> tls_;
  const net::AddressCheck may_reach_;
  const std::int64_t timeout_ms_, resend_ms_;
  std::unique_ptr<net::Stream> stream_;
  std::deque<Sent> sent_;  // in the last seconds, oldest first
  std::size_t sent_bytes_ = 0;
  bool resending_ = false;  // `sent_` stands still until all of it was sent once more
};

}  // namespace

Result<SyslogWords> syslog_words(const SinkConfig& config) {
  SyslogWords words;
  const Result<std::uint64_t> facility = number_option(config, "facility", 0, kFacilityMax);
  if (!facility) return std::unexpected(facility.error());
  const auto bytes = number_option(config, "message_bytes", kMessageBytesMin, kMessageBytesMax);
  if (!bytes) return std::unexpected(bytes.error());
  const auto enterprise = number_option(config, "enterprise", 0, UINT32_MAX);
  if (!enterprise) return std::unexpected(enterprise.error());
  const std::string_view format = option(config, type(), "format");
  if (format != "json" && format != "cef") {
    return fail(Code::kInvalid, "options.format: json or cef");
  }
  words.facility = static_cast<int>(*facility);
  words.message_bytes = *bytes;
  words.enterprise = std::to_string(*enterprise);
  words.cef = format == "cef";
  return words;
}

Result<void> check_syslog(const SinkConfig& config) {
  const Result<net::Url> url = parse_address(config.url);
  if (!url) return std::unexpected(url.error());
  const Result<void> host = check_host(url->host, config.allow, url->tls);
  if (!host) return fail(Code::kInvalid, "url: " + host.error().what);
  const auto resend = resend_option(config);
  if (!resend) return std::unexpected(resend.error());
  const Result<SyslogWords> words = syslog_words(config);
  if (!words) return std::unexpected(words.error());
  return {};
}

Result<std::unique_ptr<Sink>> make_syslog(const SinkConfig& config, const SinkParts& parts) {
  const Result<void> checked = check_syslog(config);
  if (!checked) return std::unexpected(checked.error());
  SyslogWords words = *syslog_words(config);
  words.host = syslog_name(parts.host, kHostBytesMax);
  words.version = parts.version;
  net::Url url = *parse_address(config.url);
  std::shared_ptr<const net::TlsContext> tls;
  if (url.tls) {
    auto context = net::TlsContext::client(config.ca_file.value_or(""));
    if (!context) return fail(Code::kInvalid, "ca: " + context.error().what);
    tls = std::move(*context);
  }
  return std::make_unique<SyslogSink>(config, parts, std::move(words), std::move(url),
                                      std::move(tls));
}

}  // namespace sallyport::notify
