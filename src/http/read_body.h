// SPDX-License-Identifier: Apache-2.0
// Reads the request's body whole before anything goes up, and refuses what two readers could read
// differently: JSON is validated to the last byte, uploads must be well-formed multipart. A broken
// upload never becomes a request at the provider. Trusts: the head, and that the caller is known
// (it runs behind identify). Writes x.body, x.model, x.stream, x.request_bytes.
#pragma once

#include <memory>

#include "exchange/stage.h"
#include "http/config.h"
#include "net/offload.h"

namespace sallyport::http {

// Why a body did not arrive whole (what IncomingBody fails with), as its sender may hear it.
Refusal broken_body(const Error& error);
Refusal body_too_large();

class ReadBody final : public Stage {
 public:
  // JSON above this is checked on the offload threads, not on the loop.
  static constexpr std::size_t kOffloadBytes = 64 * 1024;

  // All outlive the stage.
  ReadBody(const Config& config, net::Offload& offload, BodyMemory& memory)
      : config_(config), offload_(offload), memory_(memory) {}
  const char* name() const override { return "read_body"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

 private:
  Task<std::optional<Refusal>> read_json(Exchange& x, bool gzip);
  Task<std::optional<Refusal>> read_multipart(Exchange& x, std::string boundary);
  Task<std::optional<Refusal>> read_opaque(Exchange& x);

  const Config& config_;
  net::Offload& offload_;
  BodyMemory& memory_;
};

}  // namespace sallyport::http
