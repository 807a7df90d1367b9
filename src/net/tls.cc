// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "net/connect.h"
#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;

struct SslDelete {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, SslDelete>;

std::string openssl_errors(const char* what) {
  std::string text = what;
  char line[256];
  while (const unsigned long code = ERR_get_error()) {
    ERR_error_string_n(code, line, sizeof line);
    text.append(": ").append(line);
  }
  return text;
}

class TlsStream final : public Stream {
 public:
  TlsStream(Loop& loop, int fd, Owned<SSL> ssl) : handle_(loop, fd), ssl_(std::move(ssl)) {
    if (ssl_ && SSL_set_fd(ssl_.get(), fd) != 1) ssl_.reset();
  }
  ~TlsStream() override { ERR_clear_error(); }

  // First of all; the stream is of use only after it.
  Task<Result<void>> handshake(Deadline until) {
    if (!ssl_) co_return fail(Code::kUnavailable, openssl_errors("tls"));
    for (;;) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      if (done == 1) co_return Result<void>();
      const int why = SSL_get_error(ssl_.get(), done);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) co_return refused();
      const Result<void> ready = co_await wait(why, until);
      if (!ready) co_return ready;
    }
  }

  Task<Ready> readable(Deadline until) override {
    for (;;) {
      if (SSL_pending(ssl_.get()) > 0) co_return Ready::kReady;
      if (!handle_.can_read()) moved_ = 0;
      const Ready ready = co_await handle_.readable(until);
      if (ready != Ready::kReady) co_return ready;
      // Bytes came; whether they make a record is known after looking. Waiting goes on without a
      // buffer.
      ERR_clear_error();
      char byte = 0;
      std::size_t got = 0;
      const int done = SSL_peek_ex(ssl_.get(), &byte, 1, &got);
      if (done == 1 || SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ)
        co_return Ready::kReady;
      handle_.drained();
      if (handle_.peer_closed()) co_return Ready::kReady;  // the read will say how it ended
    }
  }

  Task<Result<std::size_t>> read_some(std::span<char> into, Deadline until) override {
    for (;;) {
      if (handle_.cancelled()) co_return fail(Code::kUnavailable, "cancelled");
      ERR_clear_error();
      std::size_t got = 0;
      const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
      if (done == 1) {
        moved_ += got;
        if (turn_is_due()) co_await handle_.loop().next_turn();
        co_return got;
      }
      const int why = SSL_get_error(ssl_.get(), done);
      if (why == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
      // An end without close_notify may be an attacker's cut: it is never a clean end.
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        co_return fail(Code::kUnavailable, openssl_errors("tls read"));
      }
      const Result<void> ready = co_await wait(why, until);
      if (!ready) co_return std::unexpected(ready.error());
    }
  }

  Task<Result<void>> write_all(std::span<const iovec> parts, Deadline until) override {
    if (parts.size() == 1) {
      const std::string_view all(static_cast<const char*>(parts[0].iov_base), parts[0].iov_len);
      Result<void> written = co_await write_bytes(all, until);
      co_return written;
    }
    // Parts fill records; only what is larger than one goes without a copy.
    std::string record;
    std::size_t left = 0;
    for (const iovec& part : parts) left += part.iov_len;
    record.reserve(std::min(left, kRecordBytes));
    for (const iovec& part : parts) {
      std::string_view bytes(static_cast<const char*>(part.iov_base), part.iov_len);
      const bool fits = record.size() + bytes.size() <= kRecordBytes;
      const std::size_t taken = fits ? bytes.size() : kRecordBytes - record.size();
      record.append(bytes.substr(0, taken));
      if (fits) continue;
      bytes.remove_prefix(taken);
      const Result<void> written = co_await write_bytes(record, until);
      if (!written) co_return written;
      const std::string_view whole = bytes.substr(0, bytes.size() - bytes.size() % kRecordBytes);
      const Result<void> large = co_await write_bytes(whole, until);
      if (!large) co_return large;
      record.assign(bytes.substr(whole.size()));
    }
    Result<void> rest = co_await write_bytes(record, until);
    co_return rest;
  }

  void shutdown_write() override {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ::shutdown(handle_.fd(), SHUT_WR);
  }
  void cancel() override { handle_.cancel(); }
  Handle& handle() override { return handle_; }
  Endpoint peer() const override { return peer_endpoint(handle_.fd()); }
  Endpoint local() const override { return local_endpoint(handle_.fd()).value_or(Endpoint()); }
  bool encrypted() const override { return true; }

  std::string peer_certificate_thumbprint() const override {
    const Owned<X509> certificate(SSL_get1_peer_certificate(ssl_.get()));
    if (!certificate || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    if (X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) return {};
    return base64url_encode({reinterpret_cast<const char*>(digest.data()), size});
  }

 private:
  bool turn_is_due() {
    if (moved_ < kTurnBytes) return false;
    moved_ = 0;
    return true;
  }

  Task<Result<void>> write_bytes(std::string_view bytes, Deadline until) {
    while (!bytes.empty()) {
      if (handle_.cancelled()) co_return fail(Code::kUnavailable, "cancelled");
      ERR_clear_error();
      std::size_t sent = 0;
      const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
      if (done == 1) {
        bytes.remove_prefix(sent);
        moved_ += sent;
        if (turn_is_due()) co_await handle_.loop().next_turn();
        continue;
      }
      const int why = SSL_get_error(ssl_.get(), done);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        co_return fail(Code::kUnavailable, openssl_errors("tls write"));
      }
      const Result<void> ready = co_await wait(why, until);
      if (!ready) co_return ready;
    }
    co_return Result<void>();
  }

  // OpenSSL saw EAGAIN: only a new edge can help.
  Task<Result<void>> wait(int why, Deadline until) {
    Ready ready = Ready::kReady;
    if (why == SSL_ERROR_WANT_READ) {
      handle_.drained();
      if (handle_.peer_closed()) co_return fail(Code::kUnavailable, "tls: the peer closed");
      ready = co_await handle_.readable(until);
    } else {
      handle_.congested();
      ready = co_await handle_.writable(until);
    }
    if (ready == Ready::kTimeout) co_return fail(Code::kExhausted, "deadline");
    if (ready == Ready::kCancelled) co_return fail(Code::kUnavailable, "cancelled");
    co_return Result<void>();
  }

  std::unexpected<Error> refused() const {
    const long verified = SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK) {
      ERR_clear_error();
      return fail(Code::kDenied, std::string("tls: certificate refused: ") +
                                     X509_verify_cert_error_string(verified));
    }
    return fail(Code::kUnavailable, openssl_errors("tls handshake"));
  }

  Handle handle_;
  Owned<SSL> ssl_;
  std::size_t moved_ = 0;
};

// The certificate must be for the name or address of the configuration, checked by OpenSSL. A name
// in the subject alone does not count (RFC 9525); an empty name would switch the check off.
bool name_peer(SSL* ssl, const std::string& host) {
  if (host.empty() || host.contains('\0')) return false;
  if (IpAddress::parse(host)) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  }
  SSL_set_hostflags(ssl,
                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(Owned<SSL_CTX> context) : context_(std::move(context)) {}

  Task<Result<std::unique_ptr<Stream>>> accept(Loop& loop, int fd, Deadline until) const override {
    Owned<SSL> ssl(SSL_new(context_.get()));
    if (ssl) SSL_set_accept_state(ssl.get());
    auto stream = std::make_unique<TlsStream>(loop, fd, std::move(ssl));
    const Result<void> done = co_await stream->handshake(until);
    if (!done) co_return std::unexpected(done.error());
    co_return std::unique_ptr<Stream>(std::move(stream));
  }

  Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, int fd, std::string host,
                                                Deadline until) const override {
    Owned<SSL> ssl(SSL_new(context_.get()));
    if (!ssl || !name_peer(ssl.get(), host)) {
      ::close(fd);
      ERR_clear_error();
      co_return fail(Code::kInvalid, "tls: not a host name");
    }
    SSL_set_connect_state(ssl.get());
    auto stream = std::make_unique<TlsStream>(loop, fd, std::move(ssl));
    const Result<void> done = co_await stream->handshake(until);
    if (!done) co_return std::unexpected(done.error());
    co_return std::unique_ptr<Stream>(std::move(stream));
  }

 private:
  Owned<SSL_CTX> context_;
};

// What both sides have in common: versions, ciphers, small idle connections, no renegotiation.
Result<Owned<SSL_CTX>> make_context(const SSL_METHOD* method) {
  Owned<SSL_CTX> context(SSL_CTX_new(method));
  if (!context) return fail(Code::kUnavailable, openssl_errors("tls context"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
    return fail(Code::kUnavailable, openssl_errors("tls ciphers"));
  }
  return context;
}

Owned<BIO> memory(const std::string& pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// OpenSSL would ask for the pass phrase on the terminal and stop the process there.
int no_pass_phrase(char*, int, int, void*) { return -1; }

Result<void> use_chain(SSL_CTX* context, const std::string& pem) {
  const Owned<BIO> bio = memory(pem);
  const Owned<X509> leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return fail(Code::kInvalid, openssl_errors("tls certificate"));
  }
  while (X509* const next = PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return fail(Code::kInvalid, openssl_errors("tls chain"));
    }
  }
  ERR_clear_error();  // the end of the file
  return {};
}

Result<void> use_client_ca(SSL_CTX* context, const TlsServerFiles& files) {
  const Owned<BIO> bio = memory(files.client_ca);
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (X509* const next = PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)) {
    const Owned<X509> authority(next);
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return fail(Code::kInvalid, openssl_errors("tls client ca"));
    }
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(Code::kInvalid, "tls client ca: no certificate in the file");
  SSL_CTX_set_verify(
      context,
      SSL_VERIFY_PEER | (files.client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
      nullptr);
  return {};
}

// HTTP/1.1 or nothing: a client that offers only other protocols is refused.
int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void*) {
  static const unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsServerFiles& files) {
  auto context = make_context(TLS_server_method());
  if (!context) return std::unexpected(context.error());
  const Result<void> chain = use_chain(context->get(), files.certificate);
  if (!chain) return std::unexpected(chain.error());
  const Owned<BIO> bio = memory(files.key);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context->get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context->get()) != 1) {
    return fail(Code::kInvalid, openssl_errors("tls key"));
  }
  if (!files.client_ca.empty()) {
    const Result<void> ca = use_client_ca(context->get(), files);
    if (!ca) return std::unexpected(ca.error());
  }
  SSL_CTX_set_session_cache_mode(context->get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context->get(), 0);
  SSL_CTX_set_alpn_select_cb(context->get(), choose_alpn, nullptr);
  return std::shared_ptr<const TlsContext>(std::make_shared<OpenSslContext>(std::move(*context)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const std::string& ca_file) {
  auto context = make_context(TLS_client_method());
  if (!context) return std::unexpected(context.error());
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context->get())
                         : SSL_CTX_load_verify_locations(context->get(), ca_file.c_str(), nullptr);
  if (loaded != 1) return fail(Code::kInvalid, openssl_errors("tls ca file"));
  static const unsigned char kHttp11[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context->get(), kHttp11, sizeof kHttp11 - 1);
  return std::shared_ptr<const TlsContext>(std::make_shared<OpenSslContext>(std::move(*context)));
}

}  // namespace sallyport::net
