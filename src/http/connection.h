// SPDX-License-Identifier: Apache-2.0
// One client connection: requests in, answers out, one after the other. A request that is malformed
// is answered, recorded and ends the connection: nothing behind it is ever parsed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/record.h"
#include "http/answer_head.h"
#include "http/incoming.h"
#include "http/worker.h"

namespace sallyport::http {

class Connection {
 public:
  // What a cut exchange may still take to write its last words to a client that does not read.
  static constexpr std::int64_t kLastWordsMs = 500;

  Connection(Worker& worker, std::unique_ptr<net::Stream> stream, net::Endpoint peer);
  ~Connection();
  Connection(const Connection&) = delete;

  Task<void> run();
  // After run(). Over TLS the client is told of an orderly end; an answer that broke off ends
  // without a word, so that it is not taken for whole.
  void close();

  Exchange* exchange() const { return exchange_; }  // the one under way, or null
  void close_if_idle();
  // Ends the exchange under way whatever it waits for: the provider and the client's body at once,
  // a client that does not read within kLastWordsMs.
  void cut(Cancel why);

 private:
  enum class Head { kReady, kRefused, kClosed };
  Task<Head> read_head();
  std::optional<Refusal> begin(Exchange& x, const net::RequestHead& head);
  bool is_our_host(const net::RequestHead& head) const;

  Task<bool> one_exchange();
  Task<std::optional<Refusal>> admit(Exchange& x, std::size_t& admitted);
  Task<bool> refuse(Exchange& x, Refusal refusal, std::size_t admitted);
  OwnRoute* own_route(const Exchange& x) const;
  Task<bool> serve_own(Exchange& x, OwnRoute& route);
  Task<bool> send_own(Exchange& x, OwnAnswer answer);
  bool open_answer(Exchange& x);
  Framing framing_of(const Answer& answer) const;
  Task<bool> relay(Exchange& x);
  Task<void> write_unrecorded(Exchange& x);
  Task<void> relay_rest(Exchange& x, Framing framing);
  Task<void> drop_rest(Exchange& x);
  void client_gone(Exchange& x);
  Task<void> drain(Exchange& x);
  Task<void> end_without_client(Exchange& x, Framing framing);
  Task<void> break_off(Exchange& x, Error why, Framing framing);
  Task<bool> settle(Exchange& x, std::size_t admitted);
  Task<bool> send(Exchange& x, std::string_view head, std::string_view piece, Framing framing,
                  bool last);
  void account(Exchange& x, std::string_view piece) const;
  Task<bool> write(std::string_view bytes);
  net::Deadline write_deadline() const;
  void end_with_reset(Framing framing);
  void hurry();
  Task<void> refuse_head(net::HeadError error);
  Task<void> linger(std::uint64_t bytes_max, std::int64_t ms);

  void watch_client(Exchange& x);
  bool keeps_alive(const Exchange& x) const;

  Worker& worker_;
  std::unique_ptr<net::Stream> stream_;
  net::Endpoint peer_;
  Input input_;
  std::shared_ptr<const Way> way_;
  IncomingBody incoming_;
  Exchange* exchange_ = nullptr;
  net::Timer half_close_timer_;
  net::Timer cut_timer_;
  net::Timer drain_timer_;
  std::size_t head_start_ = 0;  // of the head in input_.bytes, between read_head and begin
  std::size_t head_size_ = 0;
  bool watching_client_ = false;
  bool relaying_ = false;  // the answer's body is on its way
  int minor_ = 1;
  bool client_keeps_alive_ = true;
  bool head_method_ = false;
  bool broken_ = false;  // nothing more can be written
};

}  // namespace sallyport::http
