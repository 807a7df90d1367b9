// SPDX-License-Identifier: Apache-2.0
// Most receivers take an HTTP request: such a sink is a format alone, a pure function both ways.
// This makes a Sink of it: connects (never to an address that is not allowed), sends, waits,
// bounds the answer, reads Retry-After, and never follows a redirect.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_client.h"
#include "notify/sink.h"

namespace sallyport::notify {

class HttpFormat {
 public:
  virtual ~HttpFormat() = default;
  // Method, address, headers with the credential, body. `now` is the time of this attempt.
  virtual Result<net::Question> encode(const Batch& batch, UtcTime now) = 0;
  // The answer to it. Retry-After is already read into `wait`.
  virtual Verdict judge(const net::Reply& reply, const Batch& batch,
                        std::chrono::milliseconds wait) = 0;
};

// The verdict that most receivers mean by a status: 2xx done, 408 429 5xx again, 413 halve,
// 400 422 dead as a whole, the rest (3xx too) stop. `wait` as judge() got it.
Verdict verdict_of_status(int status, const Batch& batch, std::chrono::milliseconds wait);

// `url` is checked here: https, or http where `allow` has the host's address; at connection time
// the address that is really used is checked again. kInvalid otherwise.
Result<std::unique_ptr<Sink>> make_http_sink(const SinkConfig& config, const SinkParts& parts,
                                             std::unique_ptr<HttpFormat> format);

}  // namespace sallyport::notify
