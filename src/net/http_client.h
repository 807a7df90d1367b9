// SPDX-License-Identifier: Apache-2.0
// One outbound HTTP/1.1 connection: send a request, read the head of the answer, pull its body.
// Pools, breakers and credentials are `upstream`'s business; `ask` is the one-shot form for JWKS,
// webhooks and the like.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/body.h"
#include "net/connect.h"
#include "net/http1_head.h"
#include "net/receiver.h"
#include "net/tls.h"

namespace sallyport::net {

// An answer's head that outlives the connection's buffer.
struct ResponseMeta {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::optional<std::uint64_t> content_length;
  bool has_body = false;
  const std::string* find(std::string_view lower_name) const;
};

struct ClientTimeouts {
  std::int64_t first_byte_ms = 60'000;  // from the last byte of the request to the head's end
  std::int64_t idle_ms = 120'000;       // between two reads of the body
  std::int64_t write_ms = 60'000;       // for the request's bytes to be taken, per piece
};

class ClientConnection {
 public:
  ClientConnection(std::unique_ptr<Stream> stream, ClientTimeouts timeouts);
  ~ClientConnection();

  // Writes the head (complete, written by us) and the body. `body` may be null. A body whose length
  // the head does not tell is sent chunked (`chunk` true). On an error `sent_any()` tells whether a
  // byte may have left.
  // An early answer (413, 401 while the body is going up) stops the sending and is read as usual.
  // The head is wiped when it is sent: it carries the credential.
  Task<Result<void>> send(std::string head, BodySource* body, bool chunk);
  bool sent_any() const { return sent_any_; }
  bool received_any() const { return received_any_; }  // of the answer to the request last sent

  // Skips 1xx (at most 8), refuses 101 and everything malformed (kCorrupt).
  Task<Result<ResponseMeta>> read_head(std::string method);

  // The answer's body; valid while this connection lives. Decodes chunks, checks lengths.
  BodySource& body();

  // True when the answer ended cleanly, the peer keeps the connection and nothing is left over.
  bool reusable() const;
  void rest();  // gives up buffers before the connection lies idle
  bool idle_closed()
      const;  // the peer closed, or sent something unasked, while idle: checked by a peek
  // The same from what the loop has already seen, without a system call: for a connection that was
  // in use a moment ago.
  bool seen_closed() const;

  void cancel();  // wakes a waiting send or read; the connection is dead
  Stream& stream() { return *stream_; }

 private:
  class Body;
  using Parts = std::array<std::string_view, 4>;  // head, what was gathered or a prefix, piece, end
  Task<Result<void>> send_bytes(std::string& head, BodySource* body, bool chunk);
  Task<Result<void>> send_small(std::string& head, BodySource& body);
  Task<Result<void>> send_pieces(std::string_view head, std::string_view gathered,
                                 std::string_view piece, BodySource& body, bool chunk);
  Task<Result<void>> write(Parts parts, const bool* early);
  Task<Result<void>> rescue_answer(Error error);
  Task<Result<void>> next_head(ResponseHead& head, Deadline until);

  std::unique_ptr<Stream> stream_;
  Receiver received_;
  ClientTimeouts timeouts_;
  std::unique_ptr<Body> body_;
  bool sent_any_ = false;
  bool received_any_ = false;
  bool request_complete_ = false;
  bool keep_alive_ = false;
  bool failed_ = false;
};

// May this address be connected to? Empty: every address may.
using AddressCheck = std::function<bool(const IpAddress& address)>;

struct Question {
  std::string method = "GET";
  std::string url;  // http:// or https://; from configuration only
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::size_t answer_bytes_max = 1 << 20;
  std::int64_t timeout_ms = 10'000;
  AddressCheck may_reach = {};  // asked about the very address that is then connected to
};
struct Reply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
struct Url {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string path;               // begins with '/', or empty; no trailing '/'
  std::string authority() const;  // host[:port] as a Host field has it
};
// http/https only; no userinfo, query or fragment.
Result<Url> parse_url(std::string_view text);

// A connected stream to the host of `url`, hand-shaken where it says https. Tries up to eight
// addresses of the name, each with its share of the time. kDenied: `may_reach` refused all of them.
Task<Result<std::unique_ptr<Stream>>> connect_url(Loop& loop, Resolver& resolver,
                                                  std::shared_ptr<const TlsContext> tls, Url url,
                                                  Deadline until, AddressCheck may_reach = {});

// Connects, asks, reads the whole answer (bounded), closes. Redirects are not followed.
Task<Result<Reply>> ask(Loop& loop, Resolver& resolver, std::shared_ptr<const TlsContext> tls,
                        Question question);

// The same for many questions to one host, one behind the other, on one connection that stays as
// long as the host lets it. Whether it still stood shows only when the next question is under way:
// that one is then asked once more on a new connection, so only questions that may arrive twice.
class Conversation {
 public:
  static constexpr std::int64_t kIdleMs = 15'000;  // below what most hosts wait themselves
  static constexpr std::int64_t kAgeMs = 300'000;  // then the name is asked again

  // One call at a time; this outlives it.
  Task<Result<Reply>> ask(Loop& loop, Resolver& resolver, std::shared_ptr<const TlsContext> tls,
                          Question question);
  void tidy(std::int64_t now_ms);          // hangs up when it lay idle for too long
  void hang_up() { connection_.reset(); }  // needed before the loop ends

 private:
  std::unique_ptr<ClientConnection> take(const Url& url, std::int64_t now_ms);
  std::unique_ptr<ClientConnection> connection_;  // idle; null: none, or a question is under way
  std::string with_;                              // whom: scheme and authority
  std::int64_t since_ms_ = 0, used_ms_ = 0;
};

}  // namespace sallyport::net
