// SPDX-License-Identifier: Apache-2.0
// One accepted connection of the small server: requests in, answers out, until either side ends it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/http_server.h"
#include "net/receiver.h"

namespace sallyport::net {

class ServerConnection {
 public:
  // `handler` outlives the connection. `stopping` is read between requests.
  ServerConnection(std::unique_ptr<Stream> stream, bool local_socket, ServerHandler& handler,
                   const ServerLimits& limits, std::shared_ptr<const bool> stopping)
      : stream_(std::move(stream)),
        received_(*stream_),
        local_socket_(local_socket),
        handler_(handler),
        limits_(limits),
        stopping_(std::move(stopping)) {}

  Task<void> run();
  void cancel() { stream_->cancel(); }
  bool idle() const { return idle_; }  // no request is under way

 private:
  // What is needed of a request's head when its bytes are gone.
  struct Facts {
    ServerRequest request;  // until the handler takes it
    bool head_method = false;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = false;
    bool expect_continue = false;
    int minor = 1;
  };

  Task<bool> serve_one();
  Task<Result<Facts>> read_head();
  Task<Result<void>> read_body(Facts& facts);
  Task<Result<void>> say_continue(const Facts& facts);
  Task<bool> answer(const Facts& facts, ServerResponse response);
  Task<Result<void>> send_stream(std::string head, BodySource& body, bool chunked);
  Task<void> refuse(int status, std::string reason);
  Task<void> drain();
  Task<Result<void>> write(std::string_view a, std::string_view b, std::string_view c,
                           std::string_view d);

  std::unique_ptr<Stream> stream_;
  Receiver received_;
  bool local_socket_;
  ServerHandler& handler_;
  ServerLimits limits_;
  std::shared_ptr<const bool> stopping_;
  bool idle_ = true;
  int refusal_ = 0;  // status for the client when a read failed for its own fault
  const char* reason_ = "";
};

}  // namespace sallyport::net
