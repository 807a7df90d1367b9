// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/time.h>

#include <array>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "net/certificates_for_test.h"
#include "net/raw_peer_for_test.h"
#include "net/socket_pair_for_test.h"

namespace sallyport::net {
namespace {

constexpr Deadline kSoonMs = 5'000;  // a broken test ends instead of hanging

using Context = std::shared_ptr<const TlsContext>;
using Connected = std::optional<Result<std::unique_ptr<Stream>>>;

// A file that is gone after the test.
class PemFile {
 public:
  explicit PemFile(const std::string& pem) {
    char pattern[] = "/tmp/sallyport-pem-XXXXXX";
    const int fd = ::mkstemp(pattern);
    if (fd < 0) std::abort();
    ::close(fd);
    path_ = pattern;
    std::ofstream(path_) << pem;
  }
  ~PemFile() { ::unlink(path_.c_str()); }
  PemFile(const PemFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Authority {
  Certificate certificate =
      make_certificate({.common_name = "authority", .authority = true}, nullptr);
  PemFile file{certificate.pem()};
  Certificate issue(const CertificateWish& wish) const {
    return make_certificate(wish, &certificate);
  }
};

const Authority& ours() {
  static const Authority authority;
  return authority;
}

Certificate issue(std::string names) {
  return ours().issue({.common_name = "server", .alternative_names = std::move(names)});
}

Context server_with(const Certificate& certificate, std::string client_ca = "",
                    bool required = false) {
  auto context = TlsContext::server({.certificate = certificate.pem(),
                                     .key = certificate.key_pem(),
                                     .client_ca = std::move(client_ca),
                                     .client_certificate_required = required});
  return context.value();
}

Context client_trusting(const Authority& authority) {
  return TlsContext::client(authority.file.path()).value();
}

Task<void> accept_into(Loop& loop, Context context, int fd, Deadline until, Connected& out) {
  auto stream = co_await context->accept(loop, fd, until);
  out = std::move(stream);
}

Task<void> connect_into(Loop& loop, Context context, int fd, std::string host, Deadline until,
                        Connected& out) {
  auto stream = co_await context->connect(loop, fd, std::move(host), until);
  out = std::move(stream);
}

// Both ends on one loop. The loop runs once, so what follows the handshake is part of `then`.
struct Meeting {
  Loop loop;
  SocketPair pair;
  Connected server;
  Connected client;

  void meet(Context accepts, Context connects, std::string host) {
    ::fcntl(pair.far, F_SETFL, O_NONBLOCK);
    loop.spawn(accept_into(loop, std::move(accepts), pair.take_near(), until(), server));
    run_on(loop, both(std::move(connects), std::move(host)));
  }
  Deadline until() const { return loop.now_ms() + kSoonMs; }

  std::function<Task<void>(Stream& server, Stream& client)> then;

 private:
  Task<void> both(Context connects, std::string host) {
    const int fd = pair.take_far();
    co_await connect_into(loop, std::move(connects), fd, std::move(host), until(), client);
    while (!server) co_await loop.sleep_for(1);
    if (!then || !*server || !*client) co_return;
    Task<void> next = then(***server, ***client);
    co_await next;
  }
};

// --- Who is accepted as the server: the chain and the name, always.

struct Case {
  const char* why;
  const char* names;  // of the certificate
  const char* host;   // of the configuration
  std::optional<Code> refused;
};

const Case kCases[] = {
    {"the name", "DNS:api.test", "api.test", {}},
    {"in any case", "DNS:API.test", "api.TEST", {}},
    {"one of several names", "DNS:a.test,DNS:api.test", "api.test", {}},
    {"a wildcard for one label", "DNS:*.api.test", "x.api.test", {}},
    {"a wildcard is not two labels", "DNS:*.api.test", "x.y.api.test", Code::kDenied},
    {"nor part of a label", "DNS:x*.api.test", "xy.api.test", Code::kDenied},
    {"an address", "IP:127.0.0.1", "127.0.0.1", {}},
    {"an IPv6 address", "IP:::1", "::1", {}},
    {"another address", "IP:127.0.0.1", "127.0.0.2", Code::kDenied},
    {"an address written as a name", "DNS:127.0.0.1", "127.0.0.1", Code::kDenied},
    {"another name", "DNS:api.test", "api.test.evil", Code::kDenied},
    {"a longer name", "DNS:api.test", "xapi.test", Code::kDenied},
    {"the subject alone is no name", "", "server", Code::kDenied},
    {"no name to compare with", "DNS:api.test", "", Code::kInvalid},
};

TEST(TlsClient, AcceptsTheServerOnlyUnderItsName) {
  for (const Case& c : kCases) {
    Meeting meeting;
    meeting.meet(server_with(issue(c.names)), client_trusting(ours()), c.host);
    ASSERT_TRUE(meeting.client) << c.why;
    EXPECT_EQ(meeting.client->has_value(), !c.refused) << c.why;
    if (!*meeting.client && c.refused) {
      EXPECT_EQ(meeting.client->error().code, *c.refused)
          << c.why << ": " << meeting.client->error().what;
    }
  }
}

TEST(TlsClient, ANameWithAZeroByteIsNotCutToAnother) {
  Meeting meeting;
  meeting.meet(server_with(issue("DNS:api.test")), client_trusting(ours()),
               std::string("api.test\0.evil", 14));
  ASSERT_FALSE(*meeting.client);
  EXPECT_EQ(meeting.client->error().code, Code::kInvalid);
}

TEST(TlsClient, RefusesACertificateOfAnotherAuthorityOrOfNone) {
  const Authority other;
  const CertificateWish wish{.alternative_names = "DNS:api.test"};
  Certificate foreign = other.issue(wish);
  Certificate self_signed = make_certificate(wish, nullptr);
  for (const Certificate* certificate : {&foreign, &self_signed}) {
    Meeting meeting;
    meeting.meet(server_with(*certificate), client_trusting(ours()), "api.test");
    ASSERT_FALSE(*meeting.client);
    EXPECT_EQ(meeting.client->error().code, Code::kDenied);
  }
}

TEST(TlsClient, RefusesACertificateOutsideItsTime) {
  const CertificateWish past{
      .alternative_names = "DNS:api.test", .from_s = -7200, .until_s = -3600};
  const CertificateWish future{
      .alternative_names = "DNS:api.test", .from_s = 3600, .until_s = 7200};
  for (const CertificateWish& wish : {past, future}) {
    Meeting meeting;
    meeting.meet(server_with(ours().issue(wish)), client_trusting(ours()), "api.test");
    ASSERT_FALSE(*meeting.client);
    EXPECT_EQ(meeting.client->error().code, Code::kDenied);
  }
}

TEST(TlsClient, AnIssuerThatIsNoAuthorityIsRefused) {
  const Certificate leaf = issue("DNS:other.test");
  const Certificate forged = make_certificate({.alternative_names = "DNS:api.test"}, &leaf);
  const Context server = TlsContext::server({.certificate = forged.pem() + leaf.pem(),
                                             .key = forged.key_pem(),
                                             .client_ca = {},
                                             .client_certificate_required = false})
                             .value();
  Meeting meeting;
  meeting.meet(server, client_trusting(ours()), "api.test");
  ASSERT_FALSE(*meeting.client);
  EXPECT_EQ(meeting.client->error().code, Code::kDenied);
}

// --- Files that cannot be used.

TEST(TlsFiles, WhatIsWrongIsInvalidAndNothingIsAsked) {
  const Certificate one = issue("DNS:api.test");
  const Certificate two = issue("DNS:api.test");
  const std::string pem = one.pem();
  const struct {
    const char* why;
    TlsServerFiles files;
  } cases[] = {
      {"no certificate", {"", one.key_pem(), "", false}},
      {"no key", {pem, "", "", false}},
      {"the key of another certificate", {pem, two.key_pem(), "", false}},
      {"a key that needs a pass phrase", {pem, one.key_pem("secret"), "", false}},
      {"a client authority without a certificate", {pem, one.key_pem(), "nothing", false}},
  };
  for (const auto& c : cases) {
    const auto context = TlsContext::server(c.files);
    ASSERT_FALSE(context) << c.why;
    EXPECT_EQ(context.error().code, Code::kInvalid) << c.why;
    EXPECT_EQ(context.error().what.find("BEGIN"), std::string::npos) << c.why;
  }
  const auto client = TlsContext::client("/nonexistent/ca.pem");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Code::kInvalid);
}

// --- Clients that are not ours: a thread with OpenSSL and a blocking socket.

struct RawClient {
  int version_max = TLS1_3_VERSION;
  std::string ciphers = {};  // of TLS 1.2; empty: the library's
  std::string alpn = {};     // in wire form
  const Certificate* certificate = nullptr;
};

struct RawEnd {
  bool shaken = false;
  int version = 0;
  std::string alpn;
};

RawEnd shake(int fd, const RawClient& wish) {
  const timeval patience{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);  // what it offers is for the server to refuse
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, wish.version_max);
  if (!wish.ciphers.empty()) SSL_CTX_set_cipher_list(context, wish.ciphers.c_str());
  if (wish.certificate != nullptr) {
    SSL_CTX_use_certificate(context, wish.certificate->x509.get());
    SSL_CTX_use_PrivateKey(context, wish.certificate->key.get());
  }
  SSL* const ssl = SSL_new(context);
  if (!wish.alpn.empty()) {
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(wish.alpn.data()),
                        static_cast<unsigned>(wish.alpn.size()));
  }
  SSL_set_fd(ssl, fd);
  RawEnd end;
  end.shaken = SSL_connect(ssl) == 1;
  end.version = SSL_version(ssl);
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &size);
  end.alpn.assign(reinterpret_cast<const char*>(chosen), size);
  // In TLS 1.3 the server judges our certificate after our last word: wait for its verdict.
  char byte = 0;
  if (end.shaken) SSL_read(ssl, &byte, 1);
  SSL_free(ssl);
  SSL_CTX_free(context);
  return end;
}

struct Visit {
  bool accepted = false;
  std::string thumbprint;
  RawEnd client;
};

Visit visit(Context server, const RawClient& wish) {
  Visit seen;
  SocketPair pair;
  Connected accepted;
  std::jthread thread([&seen, &wish, fd = pair.far] { seen.client = shake(fd, wish); });
  {
    Loop loop;
    run_on(loop, accept_into(loop, std::move(server), pair.take_near(), loop.now_ms() + kSoonMs,
                             accepted));
    seen.accepted = accepted->has_value();
    if (seen.accepted) seen.thumbprint = (**accepted)->peer_certificate_thumbprint();
    accepted.reset();  // before the loop
  }
  thread.join();
  return seen;
}

struct Offer {
  const char* why;
  RawClient client;
  bool accepted;
};

const Offer kOffers[] = {
    {"TLS 1.3", {}, true},
    {"TLS 1.2 with an AEAD cipher and ECDHE",
     {.version_max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"},
     true},
    {"TLS 1.2 with CBC",
     {.version_max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA256"},
     false},
    {"TLS 1.1", {.version_max = TLS1_1_VERSION, .ciphers = "ALL:@SECLEVEL=0"}, false},
    {"TLS 1.0", {.version_max = TLS1_VERSION, .ciphers = "ALL:@SECLEVEL=0"}, false},
    {"http/1.1", {.alpn = "\x08http/1.1"}, true},
    {"h2 or http/1.1", {.alpn = "\x02h2\x08http/1.1"}, true},
    {"h2 alone", {.alpn = "\x02h2"}, false},
};

TEST(TlsServer, AcceptsOnlySoundOffers) {
  const Context server = server_with(issue("DNS:api.test"));
  for (const Offer& offer : kOffers) {
    const Visit seen = visit(server, offer.client);
    EXPECT_EQ(seen.accepted, offer.accepted) << offer.why;
    EXPECT_EQ(seen.client.shaken, offer.accepted) << offer.why;
    if (offer.accepted && !offer.client.alpn.empty())
      EXPECT_EQ(seen.client.alpn, "http/1.1") << offer.why;
  }
}

std::string thumbprint_of(const Certificate& certificate) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  X509_digest(certificate.x509.get(), EVP_sha256(), digest.data(), &size);
  return base64url_encode({reinterpret_cast<const char*>(digest.data()), size});
}

TEST(TlsServer, KnowsAClientByItsVerifiedCertificate) {
  const Authority other;
  const Certificate mine = ours().issue({.common_name = "client"});
  const Certificate foreign = other.issue({.common_name = "client"});
  const Certificate expired =
      ours().issue({.common_name = "client", .from_s = -7200, .until_s = -3600});
  const std::string ca = ours().certificate.pem();
  const struct {
    const char* why;
    std::string client_ca;
    bool required;
    const Certificate* certificate;
    bool accepted;
    std::string thumbprint;
  } cases[] = {
      {"not asked", "", false, &mine, true, ""},
      {"asked, none shown", ca, false, nullptr, true, ""},
      {"asked, shown", ca, false, &mine, true, thumbprint_of(mine)},
      {"required, shown", ca, true, &mine, true, thumbprint_of(mine)},
      {"required, none shown", ca, true, nullptr, false, ""},
      {"of another authority", ca, false, &foreign, false, ""},
      {"expired", ca, false, &expired, false, ""},
  };
  for (const auto& c : cases) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const Context server = server_with(issue("DNS:api.test"), c.client_ca, c.required);
      const Visit seen =
          visit(server,
                {.version_max = version, .ciphers = {}, .alpn = {}, .certificate = c.certificate});
      EXPECT_EQ(seen.accepted, c.accepted) << c.why;
      EXPECT_EQ(seen.thumbprint, c.thumbprint) << c.why;
    }
  }
}

TEST(TlsServer, GarbageIsRefusedAndSilenceExhaustsTheDeadline) {
  const Context server = server_with(issue("DNS:api.test"));
  const struct {
    const char* why;
    std::string bytes;
    bool ends;
    Code code;
  } cases[] = {
      {"plain HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, Code::kUnavailable},
      {"zeros", std::string(1000, '\0'), false, Code::kUnavailable},
      {"a hello that never ends", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9), false,
       Code::kExhausted},
      {"a hello that breaks off", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9), true,
       Code::kUnavailable},
      {"silence", "", false, Code::kExhausted},
      {"gone at once", "", true, Code::kUnavailable},
  };
  for (const auto& c : cases) {
    Loop loop;
    SocketPair pair;
    Connected accepted;
    pair.say(c.bytes);
    if (c.ends) pair.close_far();
    const int fd = pair.take_near();
    const std::int64_t patience_ms = c.code == Code::kExhausted ? 20 : kSoonMs;
    run_on(loop, accept_into(loop, server, fd, loop.now_ms() + patience_ms, accepted));
    ASSERT_FALSE(*accepted) << c.why;
    EXPECT_EQ(accepted->error().code, c.code) << c.why << ": " << accepted->error().what;
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1) << c.why << ": the socket is closed";
  }
}

// --- Bytes.

iovec part(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

Task<void> write_all_parts(Stream& stream, std::vector<std::string> parts, Deadline until) {
  std::vector<iovec> list;
  for (const std::string& bytes : parts) list.push_back(part(bytes));
  const std::span<const iovec> all(list);
  const Result<void> written = co_await stream.write_all(all, until);
  EXPECT_TRUE(written) << written.error().what;
  stream.shutdown_write();
}

// Everything up to the orderly end; "(broke) " in front otherwise.
Task<void> read_to_end(Stream& stream, std::size_t room, Deadline until, std::string& out) {
  std::string bytes(room, '\0');
  const std::span<char> into(bytes);
  for (;;) {
    const Ready ready = co_await stream.readable(until);
    EXPECT_EQ(ready, Ready::kReady);
    const Result<std::size_t> got = co_await stream.read_some(into, until);
    if (!got) out.insert(0, "(broke) ");
    if (!got || *got == 0) co_return;
    out.append(bytes, 0, *got);
  }
}

TEST(TlsStream, AllPartsArriveInOrderAndTheEndIsOrderly) {
  const std::vector<std::vector<std::size_t>> sizes = {
      {},
      {5},
      {0, 200, 0, 1'700, 0},
      {200, 20'000},
      {16'384, 16'384},
      {16'383, 2},
      {1, 16'384 * 3 + 1, 7},
      {400'000, 3, 400'000},
      std::vector<std::size_t>(3'000, 11),
  };
  for (const auto& list : sizes) {
    std::vector<std::string> parts;
    std::string expected;
    for (const std::size_t size : list) {
      std::string bytes(size, '\0');
      for (char& c : bytes)
        c = static_cast<char>(expected.size() % 101 +
                              static_cast<std::size_t>(&c - bytes.data()) % 97);
      expected += bytes;
      parts.push_back(std::move(bytes));
    }
    for (const std::size_t room : {std::size_t{1'000}, kBufferBytes}) {
      Meeting meeting;
      std::string came;
      meeting.then = [&](Stream& server, Stream& client) {
        EXPECT_TRUE(server.encrypted());
        meeting.loop.spawn(write_all_parts(client, parts, meeting.until()));
        return read_to_end(server, room, meeting.until(), came);
      };
      meeting.meet(server_with(issue("DNS:api.test")), client_trusting(ours()), "api.test");
      EXPECT_TRUE(came == expected) << came.size() << " of " << expected.size();
    }
  }
}

// The peer's socket ends without a closing alert: an attacker could have cut there.
Task<void> write_then_cut(Stream& stream, Deadline until) {
  const iovec one = part("half of it");
  const std::span<const iovec> all(&one, 1);
  const Result<void> written = co_await stream.write_all(all, until);
  EXPECT_TRUE(written);
  ::shutdown(stream.handle().fd(), SHUT_RDWR);
}

TEST(TlsStream, ACutIsNeverACleanEnd) {
  Meeting meeting;
  std::string came;
  meeting.then = [&](Stream& server, Stream& client) {
    meeting.loop.spawn(write_then_cut(client, meeting.until()));
    return read_to_end(server, 100, meeting.until(), came);
  };
  meeting.meet(server_with(issue("DNS:api.test")), client_trusting(ours()), "api.test");
  EXPECT_EQ(came, "(broke) half of it");
}

Task<void> wait_cancelled(Loop& loop, Stream& stream, std::vector<Ready>& seen) {
  const Ready quiet = co_await stream.readable(loop.now_ms() + 20);
  seen.push_back(quiet);
  loop.post([&stream] { stream.cancel(); });
  const Ready woken = co_await stream.readable(kNever);
  seen.push_back(woken);
  std::array<char, 10> room;
  const std::span<char> into(room);
  const Result<std::size_t> got = co_await stream.read_some(into, kNever);
  EXPECT_FALSE(got);
  const iovec one = part("x");
  const std::span<const iovec> all(&one, 1);
  const Result<void> written = co_await stream.write_all(all, kNever);
  EXPECT_FALSE(written);
}

TEST(TlsStream, WaitsWithoutBytesAndCancelEndsEveryUse) {
  Meeting meeting;
  std::vector<Ready> seen;
  meeting.then = [&](Stream& server, Stream&) {
    return wait_cancelled(meeting.loop, server, seen);
  };
  meeting.meet(server_with(issue("DNS:api.test")), client_trusting(ours()), "api.test");
  EXPECT_EQ(seen, (std::vector<Ready>{Ready::kTimeout, Ready::kCancelled}));
}

}  // namespace
}  // namespace sallyport::net
