// SPDX-License-Identifier: Apache-2.0
// What the gate's listener may be told. Each number is a limit with a reason; config/ reads the
// YAML.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"

namespace sallyport::http {

// A parser's tree of a body of nothing but small numbers, measured, is this many times its size.
inline constexpr std::uint64_t kParseFactor = 14;

struct ListenerConfig {
  std::string name = "gate";
  std::string address = "127.0.0.1:8080";  // host:port; [::1]:8080 for IPv6; port 0 picks one
  std::optional<std::string> tls_cert_file, tls_key_file;  // PEM; both or none
  std::optional<std::string> client_ca_file;               // asks clients for a certificate
  bool client_certificate_required = false;
};

struct Config {
  std::vector<ListenerConfig> listeners{ListenerConfig{}};
  int threads = 0;                              // 0: one per core
  std::size_t head_bytes_max = 64 * 1024;       // 431 above
  std::size_t body_bytes_max = 64ull << 20;     // JSON, in memory; 413 above
  std::size_t body_memory_max = 1ull << 30;     // of all bodies together, with parsing; 503 above
  std::size_t upload_bytes_max = 512ull << 20;  // multipart, spooled; OpenAI's own limit for a file
  std::size_t spool_memory_bytes_max = 256 * 1024;  // beyond it the spool goes to disk
  std::string spool_directory = "/tmp";
  std::size_t connections_max = 9000;        // further ones are refused at accept
  std::int64_t head_ms = 10'000;             // whole head, from its first byte
  std::int64_t body_ms = 60'000;             // between two pieces of a body
  std::int64_t idle_ms = 120'000;            // a kept-alive connection without a request
  std::int64_t drain_ms = 30'000;            // what a graceful stop waits for
  std::int64_t write_ms = 60'000;            // a client that does not read
  std::int64_t half_close_grace_ms = 1'000;  // a FIN while waiting: answer within it, then cancel
  std::vector<Cidr> trusted_proxies;         // only these may set X-Forwarded-For
  std::vector<std::string> hosts;            // names an absolute-form target may have
  std::optional<std::string> public_url;     // how clients call the gate, for DPoP proofs
};

}  // namespace sallyport::http
