// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <algorithm>
#include <utility>

#include "net/http_client.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kAddressesMax = 8;  // of one name that are tried

// The sum of all waits of one question: when it fires, whatever waits fails.
struct Limit {
  ClientConnection* connection = nullptr;
  bool passed = false;
  Timer timer;

  static void fire(void* self) {
    auto* limit = static_cast<Limit*>(self);
    limit->passed = true;
    if (limit->connection) limit->connection->cancel();
  }
};

enum class Stays { kNo, kYes };

Result<std::string> write_head(const Question& question, const Url& url, std::string_view target,
                               Stays stays) {
  if (!is_token(question.method)) return fail(Code::kInvalid, "bad method");
  std::string head = question.method + " " + std::string(target) +
                     " HTTP/1.1\r\nhost: " + url.authority() + "\r\n";
  if (stays == Stays::kNo) head += "connection: close\r\n";
  head += "accept-encoding: identity\r\n";
  for (const auto& [name, value] : question.headers) {
    if (!is_token(name) || !is_field_value(value)) return fail(Code::kInvalid, "bad header");
    head += name + ": " + value + "\r\n";
  }
  if (!question.body.empty() || question.method == "POST" || question.method == "PUT") {
    head += "content-length: " + std::to_string(question.body.size()) + "\r\n";
  }
  head += "\r\n";
  return head;
}

// Where a question goes, and its head.
struct Addressed {
  Url url;
  std::string head;
};

Result<Addressed> address(const Question& question, Stays stays) {
  // parse_url knows no query; a webhook's address may have one.
  const std::string_view text = question.url;
  const std::size_t mark = std::min(text.find('?'), text.size());
  Result<Url> url = parse_url(text.substr(0, mark));
  if (!url) return std::unexpected(std::move(url).error());
  const std::size_t slash = text.find('/', text.find("://") + 3);
  std::string target(text.substr(std::min(slash, mark)));
  if (!target.starts_with('/')) target.insert(0, 1, '/');
  if (!is_field_value(target) || target.contains(' ') || target.contains('#')) {
    return fail(Code::kInvalid, "URL: bad query");
  }
  Result<std::string> head = write_head(question, *url, target, stays);
  if (!head) return std::unexpected(std::move(head).error());
  return Addressed{std::move(*url), std::move(*head)};
}

Task<Result<int>> connect_any(Loop& loop, Resolver& resolver, std::string host, std::uint16_t port,
                              Deadline until, AddressCheck may_reach) {
  Result<std::vector<IpAddress>> addresses = co_await resolver.resolve(loop, host, until);
  if (!addresses) co_return std::unexpected(std::move(addresses).error());
  if (may_reach) {
    const std::size_t refused =
        std::erase_if(*addresses, [&](const IpAddress& address) { return !may_reach(address); });
    if (refused > 0 && addresses->empty()) {
      co_return fail(Code::kDenied, "no address of the name may be connected to");
    }
  }
  Result<int> connected = fail(Code::kUnavailable, "the name has no address");
  const std::size_t count = std::min(addresses->size(), kAddressesMax);
  for (std::size_t i = 0; i < count; ++i) {
    // An address that swallows packets may use its share of the time, not all of it.
    const std::int64_t left = until - loop.now_ms();
    const Deadline share = loop.now_ms() + left / static_cast<std::int64_t>(count - i);
    const Endpoint to{(*addresses)[i], port};
    connected = co_await connect_tcp(loop, to, share);
    if (connected) break;
  }
  co_return connected;
}

// A body that was not sent, because nobody answered: it may hold a secret.
struct Wipe {
  explicit Wipe(std::string& of) : text(of) {}
  Wipe(const Wipe&) = delete;
  ~Wipe() { explicit_bzero(text.data(), text.size()); }
  std::string& text;
};

// A body that somebody else holds.
class HeldBody final : public BodySource {
 public:
  explicit HeldBody(std::string_view bytes) : bytes_(bytes) {}
  Task<Result<std::string_view>> pull() override { co_return std::exchange(bytes_, {}); }
  bool finished() const override { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

// `question` is held by the caller until this is done.
Task<Result<Reply>> exchange(ClientConnection& connection, std::string head,
                             const Question& question) {
  HeldBody body(question.body);
  Result<void> sent = co_await connection.send(std::move(head), &body, false);
  if (!sent) co_return std::unexpected(std::move(sent).error());
  Result<ResponseMeta> meta = co_await connection.read_head(question.method);
  if (!meta) co_return std::unexpected(std::move(meta).error());

  Reply reply;
  reply.status = meta->status;
  reply.headers = std::move(meta->headers);
  while (meta->has_body) {
    Result<std::string_view> piece = co_await connection.body().pull();
    if (!piece) co_return std::unexpected(std::move(piece).error());
    if (piece->empty()) break;
    if (piece->size() > question.answer_bytes_max - reply.body.size()) {
      co_return fail(Code::kExhausted, "the answer is larger than allowed");
    }
    reply.body += *piece;
  }
  co_return reply;
}

ClientTimeouts timeouts_of(const Question& question) {
  ClientTimeouts timeouts;
  timeouts.first_byte_ms = timeouts.idle_ms = timeouts.write_ms = question.timeout_ms;
  return timeouts;
}

Task<Result<Reply>> exchange_until(Loop& loop, Deadline until, ClientConnection& connection,
                                   std::string head, const Question& question) {
  Limit limit;
  limit.connection = &connection;
  loop.arm(limit.timer, until, &Limit::fire, &limit);
  Result<Reply> reply = co_await exchange(connection, std::move(head), question);
  if (!reply && limit.passed) co_return fail(Code::kExhausted, "no whole answer in time");
  co_return reply;
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connect_url(Loop& loop, Resolver& resolver,
                                                  std::shared_ptr<const TlsContext> tls, Url url,
                                                  Deadline until, AddressCheck may_reach) {
  if (url.tls && !tls) co_return fail(Code::kInvalid, "https without a TLS context");
  Result<int> connected =
      co_await connect_any(loop, resolver, url.host, url.port, until, may_reach);
  if (!connected) co_return std::unexpected(std::move(connected).error());
  if (!url.tls) co_return plain_stream(loop, *connected);
  Result<std::unique_ptr<Stream>> secured =
      co_await tls->connect(loop, *connected, url.host, until);
  co_return secured;
}

Task<Result<Reply>> ask(Loop& loop, Resolver& resolver, std::shared_ptr<const TlsContext> tls,
                        Question question) {
  const Wipe wipe(question.body);
  Result<Addressed> to = address(question, Stays::kNo);
  if (!to) co_return std::unexpected(std::move(to).error());
  const Deadline until = loop.now_ms() + question.timeout_ms;
  Result<std::unique_ptr<Stream>> stream =
      co_await connect_url(loop, resolver, tls, to->url, until, question.may_reach);
  if (!stream) co_return std::unexpected(std::move(stream).error());
  ClientConnection connection(std::move(*stream), timeouts_of(question));
  Result<Reply> reply =
      co_await exchange_until(loop, until, connection, std::move(to->head), question);
  co_return reply;
}

void Conversation::tidy(std::int64_t now_ms) {
  if (connection_ && (now_ms - used_ms_ > kIdleMs || connection_->seen_closed())) hang_up();
}

// The idle connection if it may serve once more.
std::unique_ptr<ClientConnection> Conversation::take(const Url& url, std::int64_t now_ms) {
  const std::string with = (url.tls ? "https://" : "http://") + url.authority();
  std::unique_ptr<ClientConnection> old = std::move(connection_);
  if (old && with == with_ && now_ms - used_ms_ <= kIdleMs && now_ms - since_ms_ <= kAgeMs &&
      !old->idle_closed()) {
    return old;
  }
  with_ = with;
  since_ms_ = now_ms;
  return nullptr;
}

Task<Result<Reply>> Conversation::ask(Loop& loop, Resolver& resolver,
                                      std::shared_ptr<const TlsContext> tls, Question question) {
  const Wipe wipe(question.body);
  const Result<Addressed> to = address(question, Stays::kYes);
  if (!to) co_return std::unexpected(to.error());
  const Deadline until = loop.now_ms() + question.timeout_ms;
  std::unique_ptr<ClientConnection> connection = take(to->url, loop.now_ms());
  for (;;) {
    const bool old = connection != nullptr;
    if (!old) {
      Result<std::unique_ptr<Stream>> stream =
          co_await connect_url(loop, resolver, tls, to->url, until, question.may_reach);
      if (!stream) co_return std::unexpected(std::move(stream).error());
      connection = std::make_unique<ClientConnection>(std::move(*stream), timeouts_of(question));
    }
    Result<Reply> reply =
        co_await exchange_until(loop, until, *connection, std::string(to->head), question);
    const bool broke = !reply && reply.error().code == Code::kUnavailable;
    if (old && broke && !connection->received_any()) {
      connection.reset();
      since_ms_ = loop.now_ms();
      continue;
    }
    if (reply && connection->reusable()) {
      connection->rest();
      used_ms_ = loop.now_ms();
      connection_ = std::move(connection);
    }
    co_return reply;
  }
}

}  // namespace sallyport::net
