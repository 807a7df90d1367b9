// SPDX-License-Identifier: Apache-2.0
// Certificates and the way to the providers: what doctor needs of OpenSSL and the loop.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "cli/doctor.h"
#include "net/connect.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/tls.h"

namespace sallyport::cli {
namespace {

constexpr int kPatienceMs = 5'000;
constexpr int kExpiryWarnDays = 14;

template <class T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* value) const { kFree(value); }
};
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// Never asks for a passphrase: a server that starts by itself cannot answer.
int no_passphrase(char*, int, int, void*) { return 0; }

void fail_tls(Diagnoses& found, std::string_view name, std::string what, std::string fix) {
  ERR_clear_error();
  found.push_back({Health::kFail, std::string(name), std::move(what), std::move(fix)});
}

struct Reached {
  bool ok = false;
  std::string what;
};

// `out` and what the references name live in reach(), which waits in loop.run() until the stop
// below.
Task<void> probe(net::Loop& loop, net::Resolver& resolver,
                 std::shared_ptr<const net::TlsContext> tls, net::Url url, Reached& out) {
  loop.refresh_now();
  const net::Deadline until = loop.now_ms() + kPatienceMs;
  const Result<std::vector<IpAddress>> addresses = co_await resolver.resolve(loop, url.host, until);
  if (!addresses || addresses->empty()) {
    out.what = "the name " + url.host + " does not resolve";
    loop.stop();
    co_return;
  }
  out.what = "no connection to " + url.authority();
  for (const IpAddress& address : *addresses) {
    const net::Endpoint to{address, url.port};
    const Result<int> fd = co_await net::connect_tcp(loop, to, until);
    if (!fd) {
      out.what = "no connection to " + url.authority() + ": " + fd.error().what;
      continue;
    }
    if (!url.tls) {
      const std::unique_ptr<net::Stream> closes = net::plain_stream(loop, *fd);
      out = {true, url.authority() + " accepts connections"};
      break;
    }
    Result<std::unique_ptr<net::Stream>> stream = co_await tls->connect(loop, *fd, url.host, until);
    if (stream) {
      out = {true, url.authority() + " answers with a valid certificate"};
    } else {
      out.what = "TLS with " + url.authority() + " failed: " + stream.error().what;
    }
    break;
  }
  loop.stop();
}

Reached reach(const upstream::UpstreamConfig& upstream) {
  Reached reached;
  const Result<net::Url> url = net::parse_url(upstream.base_url);
  if (!url) return {false, url.error().what};
  std::shared_ptr<const net::TlsContext> tls;
  if (url->tls) {
    auto context = net::TlsContext::client(upstream.ca_file.value_or(""));
    if (!context) return {false, context.error().what};
    tls = std::move(*context);
  }
  net::Loop loop;
  net::Resolver resolver;
  loop.spawn(probe(loop, resolver, tls, *url, reached));
  loop.run();
  return reached;
}

}  // namespace

void examine_tls_files(std::string_view name, const std::string& certificate,
                       const std::string& key, Diagnoses& found) {
  const File certificate_file(std::fopen(certificate.c_str(), "re"));
  if (!certificate_file)
    return fail_tls(found, name, certificate + " cannot be read", "check path and mode");
  const Certificate leaf(PEM_read_X509(certificate_file.get(), nullptr, no_passphrase, nullptr));
  if (!leaf)
    return fail_tls(found, name, certificate + " holds no certificate (PEM)", "convert it to PEM");
  const File key_file(std::fopen(key.c_str(), "re"));
  if (!key_file) return fail_tls(found, name, key + " cannot be read", "check path and mode");
  const PrivateKey private_key(
      PEM_read_PrivateKey(key_file.get(), nullptr, no_passphrase, nullptr));
  if (!private_key) {
    return fail_tls(found, name, key + " holds no private key (PEM, without a passphrase)",
                    "decrypt it; protect it by its mode");
  }
  if (X509_check_private_key(leaf.get(), private_key.get()) != 1) {
    return fail_tls(found, name, key + " does not belong to " + certificate,
                    "use the matching pair");
  }
  int days = 0, seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(leaf.get())) != 1 || days < 0 ||
      seconds < 0) {
    return fail_tls(found, name, certificate + " has expired", "renew it; a reload takes it up");
  }
  const std::string left = certificate + " is valid for " + std::to_string(days) + " days";
  if (days < kExpiryWarnDays) {
    found.push_back({Health::kWarn, std::string(name), left, "renew it; a reload takes it up"});
  } else {
    found.push_back({Health::kGood, std::string(name), left, ""});
  }
}

void examine_upstreams(const config::Config& config, Diagnoses& found) {
  for (const upstream::UpstreamConfig& upstream : config.upstream.upstreams) {
    Reached reached = reach(upstream);
    found.push_back({reached.ok ? Health::kGood : Health::kFail, "upstream " + upstream.name,
                     std::move(reached.what),
                     reached.ok ? "" : "check the address, the firewall, and upstream[].ca"});
  }
}

}  // namespace sallyport::cli
