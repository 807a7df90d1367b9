// SPDX-License-Identifier: Apache-2.0
// TLS 1.2 (AEAD with ECDHE) and 1.3 through OpenSSL. A context is immutable: a reload makes a new
// one and connections under way keep theirs.
#pragma once

#include <memory>
#include <string>

#include "net/stream.h"

namespace sallyport::net {

struct TlsServerFiles {
  std::string certificate;  // PEM chain
  std::string key;          // PEM
  std::string client_ca;    // PEM; empty: clients are not asked for certificates
  bool client_certificate_required = false;
};

class TlsContext {
 public:
  virtual ~TlsContext() = default;
  static Result<std::shared_ptr<const TlsContext>> server(const TlsServerFiles& files);
  // `ca_file` empty: the system's store. Verification of chain and host name cannot be switched
  // off.
  static Result<std::shared_ptr<const TlsContext>> client(const std::string& ca_file);

  // Hand-shakes on a connected socket within the deadline. The result owns the socket; on an error
  // it is closed.
  virtual Task<Result<std::unique_ptr<Stream>>> accept(Loop& loop, int fd,
                                                       Deadline until) const = 0;
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, int fd, std::string host,
                                                        Deadline until) const = 0;
};

}  // namespace sallyport::net
