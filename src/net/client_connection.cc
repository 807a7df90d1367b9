// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <coroutine>
#include <utility>

#include "base/text.h"
#include "net/http_client.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kAnswerHeadBytesMax =
    64 * 1024;                  // a provider sends 2 KiB; above is an attack
constexpr int kInterimMax = 8;  // 1xx answers before the real one
constexpr std::size_t kSliceBytes =
    256 * 1024;  // of a large piece: each has its own write deadline

// A coroutine that starts at once and ends at the latest when its owner does.
class Watch {
 public:
  struct promise_type {
    Watch get_return_object() {
      return Watch(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { stop(); }
  void stop() {
    if (handle_) handle_.destroy();
    handle_ = nullptr;
  }

 private:
  explicit Watch(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

// The peer sent something, or closed, while we are still sending: whatever waits to send is woken.
Watch watch_for_answer(Receiver& received, Handle& handle, bool& early) {
  [[maybe_unused]] const Result<std::size_t> read = co_await received.more(kNever);
  early = true;
  handle.wake_writer();  // resumed by the loop, not in here
}

}  // namespace

const std::string* ResponseMeta::find(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return &value;
  }
  return nullptr;
}

class ClientConnection::Body final : public BodySource {
 public:
  enum class Framing { kNone, kLength, kChunked, kUntilClose };
  Body(ClientConnection& owner, Framing framing, std::uint64_t length)
      : owner_(owner), framing_(framing), left_(length) {
    ended_ = framing == Framing::kNone || (framing == Framing::kLength && length == 0);
  }

  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return ended_ && ahead_.empty(); }
  bool at_hand() const override { return !ahead_.empty(); }
  bool ended() const { return ended_; }

 private:
  Result<std::string_view> take();
  std::string_view give(std::string_view piece);

  ClientConnection& owner_;
  Framing framing_;
  std::uint64_t left_;      // kLength
  ChunkedDecoder decoder_;  // kChunked
  std::string_view ahead_;  // data that lay behind the piece given last, in the same buffer
  bool ended_ = false;
  bool bad_ = false;
};

// The next data out of the bytes that are there; empty if they hold none or the body has ended.
Result<std::string_view> ClientConnection::Body::take() {
  Receiver& received = owner_.received_;
  if (framing_ == Framing::kChunked) {
    while (!received.unread().empty()) {
      const ChunkedDecoder::Step step = decoder_.step(received.unread());
      if (step.state == ChunkedDecoder::Step::kBad) {
        bad_ = true;
        return fail(Code::kCorrupt, "bad chunk in the answer");
      }
      received.consume(step.consumed);
      if (step.state == ChunkedDecoder::Step::kDone) ended_ = true;
      if (ended_ || !step.data.empty()) return step.data;
      if (step.consumed == 0) break;
    }
    return std::string_view();
  }
  std::string_view data = received.unread();
  if (framing_ == Framing::kLength) {
    data = data.substr(0, std::min<std::uint64_t>(left_, data.size()));
    left_ -= data.size();
    ended_ = left_ == 0;
  }
  received.consume(data.size());
  return data;
}

// Looks whether the end is already there, so that finished() is known with the last piece.
std::string_view ClientConnection::Body::give(std::string_view piece) {
  if (!ended_ && framing_ == Framing::kChunked) {
    const Result<std::string_view> next = take();
    ahead_ = next ? *next : std::string_view();  // what is wrong is told by the next pull
  }
  return piece;
}

Task<Result<std::string_view>> ClientConnection::Body::pull() {
  if (!ahead_.empty()) {
    const std::string_view piece = std::exchange(ahead_, {});
    co_return give(piece);
  }
  if (bad_) {
    owner_.failed_ = true;
    co_return fail(Code::kCorrupt, "bad chunk in the answer");
  }
  Loop& loop = owner_.stream_->handle().loop();
  while (!ended_) {
    Result<std::string_view> piece = take();
    if (!piece) {
      owner_.failed_ = true;
      co_return piece;
    }
    if (!piece->empty()) co_return give(*piece);
    if (ended_) break;

    Result<std::size_t> read =
        co_await owner_.received_.more(loop.now_ms() + owner_.timeouts_.idle_ms);
    if (!read) {
      owner_.failed_ = true;
      co_return std::unexpected(std::move(read).error());
    }
    if (*read > 0) continue;
    if (framing_ == Framing::kUntilClose) {
      ended_ = true;
      break;
    }
    owner_.failed_ = true;
    co_return fail(Code::kUnavailable, "the peer closed before the end of its answer");
  }
  if (owner_.received_.unread().empty()) owner_.received_.release();
  co_return std::string_view();
}

ClientConnection::ClientConnection(std::unique_ptr<Stream> stream, ClientTimeouts timeouts)
    : stream_(std::move(stream)), received_(*stream_), timeouts_(timeouts) {}

ClientConnection::~ClientConnection() = default;

Task<Result<void>> ClientConnection::send(std::string head, BodySource* body, bool chunk) {
  sent_any_ = false;
  received_any_ = false;
  request_complete_ = false;
  keep_alive_ = false;
  body_.reset();

  Result<void> sent = co_await send_bytes(head, body, chunk);
  explicit_bzero(head.data(), head.size());
  if (!sent) failed_ = true;
  co_return sent;
}

Task<Result<void>> ClientConnection::send_bytes(std::string& head, BodySource* body, bool chunk) {
  if (body && !chunk) {
    Result<void> sent = co_await send_small(head, *body);
    co_return sent;
  }
  if (body) {
    const std::string_view none;
    Result<void> sent = co_await send_pieces(head, none, none, *body, true);
    co_return sent;
  }
  const Parts parts{head};
  Result<void> sent = co_await write(parts, nullptr);
  request_complete_ = sent.has_value();
  co_return sent;
}

// Pieces that fit a buffer together leave with the head in one write, however many they are.
Task<Result<void>> ClientConnection::send_small(std::string& head, BodySource& body) {
  Buffer gathered = stream_->handle().loop().buffer();
  std::size_t size = 0;
  for (;;) {
    Result<std::string_view> piece = co_await body.pull();
    if (!piece) co_return std::unexpected(std::move(piece).error());
    const std::string_view together(gathered.data(), size);
    if (piece->empty()) {
      const Parts parts{head, together};
      Result<void> sent = co_await write(parts, nullptr);
      request_complete_ = sent.has_value();
      co_return sent;
    }
    if (piece->size() > kBufferBytes - size) {
      Result<void> sent = co_await send_pieces(head, together, *piece, body, false);
      co_return sent;
    }
    std::copy(piece->begin(), piece->end(), gathered.data() + size);
    size += piece->size();
  }
}

// A long body. The peer may answer before it has read all (413, 401) or go away: sending on would
// be in vain, and a peer that does not read would hold us until the deadline.
Task<Result<void>> ClientConnection::send_pieces(std::string_view head, std::string_view gathered,
                                                 std::string_view piece, BodySource& body,
                                                 bool chunk) {
  bool early = false;
  Watch watch = watch_for_answer(received_, stream_->handle(), early);

  Result<void> sent = {};
  bool ended = false;
  while (sent && !ended && !early) {
    if (piece.empty()) {
      Result<std::string_view> pulled = co_await body.pull();
      if (!pulled) co_return std::unexpected(std::move(pulled).error());
      piece = *pulled;
      ended = piece.empty();
    }
    std::array<char, 20> digits{};
    Parts parts{head, gathered, piece, std::string_view()};
    if (chunk) {
      parts[1] = ended ? std::string_view() : chunk_prefix(piece.size(), digits);
      parts[3] = ended ? kLastChunk : std::string_view("\r\n");
    }
    sent = co_await write(parts, &early);
    head = gathered = piece = {};
  }

  watch.stop();
  if (early) co_return Result<void>();
  if (!sent) {
    sent = co_await rescue_answer(std::move(sent).error());
    co_return sent;
  }
  request_complete_ = true;
  co_return sent;
}

// A peer that answered early and closed resets our writes; its answer may lie in the socket still.
Task<Result<void>> ClientConnection::rescue_answer(Error error) {
  if (failed_ || error.code != Code::kUnavailable) co_return std::unexpected(std::move(error));
  const Deadline at_once = stream_->handle().loop().now_ms();
  const Result<std::size_t> read = co_await received_.more(at_once);
  if (!read || *read == 0) co_return std::unexpected(std::move(error));
  co_return Result<void>();
}

// One system call, or one a slice where the piece (parts[2]) is large. Stops when `early` comes
// true.
Task<Result<void>> ClientConnection::write(Parts parts, const bool* early) {
  Loop& loop = stream_->handle().loop();
  std::string_view rest = parts[2];
  for (;;) {
    const std::string_view slice = rest.substr(0, kSliceBytes);
    rest.remove_prefix(slice.size());
    parts[2] = slice;
    const std::string_view last = rest.empty() ? parts[3] : std::string_view();
    std::array<iovec, 4> vectors{};
    std::size_t count = 0;
    for (const std::string_view part : {parts[0], parts[1], slice, last}) {
      if (!part.empty()) vectors[count++] = {const_cast<char*>(part.data()), part.size()};
    }
    if (count == 0) co_return Result<void>();
    sent_any_ = true;  // some of it may leave even if the write fails
    const std::span<const iovec> together(vectors.data(), count);
    const Deadline until = loop.now_ms() + timeouts_.write_ms;
    Result<void> written = co_await stream_->write_all(together, until);
    if (!written || rest.empty() || (early && *early)) co_return written;
    parts[0] = parts[1] = {};
    loop.refresh_now();
  }
}

// The next head, 1xx or final; its views last until the next read.
Task<Result<void>> ClientConnection::next_head(ResponseHead& head, Deadline until) {
  HeadScanner scanner(kAnswerHeadBytesMax);
  for (;;) {
    received_any_ = received_any_ || !received_.unread().empty();
    const HeadScanner::State state = scanner.scan(received_.unread());
    if (state == HeadScanner::State::kBad) {
      co_return fail(Code::kCorrupt, std::string("answer head: ") + scanner.error().reason);
    }
    if (state == HeadScanner::State::kDone) break;
    Result<std::size_t> read = co_await received_.more(until);
    if (!read) co_return std::unexpected(std::move(read).error());
    if (*read == 0) {
      if (received_any_) co_return fail(Code::kCorrupt, "the peer closed inside the answer's head");
      co_return fail(Code::kUnavailable, "the peer closed without an answer");
    }
  }
  const std::string_view bytes = received_.unread().substr(0, scanner.size());
  if (scanner.start() != 0) co_return fail(Code::kCorrupt, "answer head: leading blank line");
  if (const auto error = parse_response_head(bytes, head)) {
    co_return fail(Code::kCorrupt, std::string("answer head: ") + error->reason);
  }
  received_.consume(bytes.size());
  co_return Result<void>();
}

Task<Result<ResponseMeta>> ClientConnection::read_head(std::string method) {
  const Deadline until = stream_->handle().loop().now_ms() + timeouts_.first_byte_ms;
  ResponseHead head;
  for (int interim = 0;; ++interim) {
    if (interim > 0) head = ResponseHead();
    Result<void> read = co_await next_head(head, until);
    if (read && (head.status == 101 || interim > kInterimMax)) {
      read = fail(Code::kCorrupt, "an interim answer that nobody asked for");
    }
    if (!read) {
      failed_ = true;
      co_return std::unexpected(std::move(read).error());
    }
    if (head.status >= 200) break;
  }

  ResponseMeta meta;
  meta.status = head.status;
  meta.content_length = head.content_length;
  meta.headers.reserve(head.header_count);
  for (const Header& field : head.fields()) {
    meta.headers.emplace_back(lower_ascii(field.name), field.value);
  }
  const bool never_a_body = method == "HEAD" || head.status == 204 || head.status == 304;
  keep_alive_ = head.keep_alive;
  auto framing = Body::Framing::kNone;
  if (never_a_body) {
    framing = Body::Framing::kNone;
  } else if (head.chunked) {
    framing = Body::Framing::kChunked;
  } else if (head.content_length) {
    framing = Body::Framing::kLength;
  } else {
    framing = Body::Framing::kUntilClose;
    keep_alive_ = false;
  }
  body_ = std::make_unique<Body>(*this, framing, head.content_length.value_or(0));
  meta.has_body = !body_->ended();
  co_return meta;
}

BodySource& ClientConnection::body() { return *body_; }

bool ClientConnection::reusable() const {
  return request_complete_ && keep_alive_ && !failed_ && body_ && body_->finished() &&
         received_.unread().empty() && !stream_->handle().peer_closed();
}

void ClientConnection::rest() {
  body_.reset();
  received_.release();
}

bool ClientConnection::seen_closed() const {
  Handle& handle = stream_->handle();
  if (failed_ || handle.peer_closed() || handle.cancelled()) return true;
  return handle.can_read() && idle_closed();
}

bool ClientConnection::idle_closed() const {
  Handle& handle = stream_->handle();
  if (failed_ || handle.peer_closed() || handle.cancelled()) return true;
  char byte = 0;
  const ssize_t peeked = ::recv(handle.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void ClientConnection::cancel() {
  failed_ = true;
  stream_->cancel();
}

}  // namespace sallyport::net
