// SPDX-License-Identifier: Apache-2.0
// A script played at the pace, and with the accidents, that a call asked for.
#pragma once

#include <memory>
#include <string>

#include "net/body.h"
#include "net/loop.h"
#include "sim/answer.h"
#include "sim/request_log.h"

namespace sallyport::sim {

// Waits in steps, so that a peer that leaves is noticed. False: it left. `connection` may be null.
Task<bool> wait_for(net::Loop& loop, net::Handle* connection, std::int64_t ms);

class PacedBody final : public net::BodySource {
 public:
  // `loop` outlives this; `connection` may be null.
  PacedBody(net::Loop& loop, net::Handle* connection, Answer answer, const Behaviour& behaviour,
            std::shared_ptr<LoggedRequest> logged);
  ~PacedBody() override;

  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return ended_ || (upcoming_.empty() && held_.empty()); }

 private:
  std::string next_piece();
  void shape(std::string& piece) const;
  Result<std::string_view> give(std::string piece);

  net::Loop& loop_;
  net::Handle* connection_;
  Answer answer_;
  Behaviour behaviour_;
  std::shared_ptr<LoggedRequest> logged_;
  std::string current_;
  std::string upcoming_;
  std::string held_;  // the second half of a piece that was cut inside a character
  bool error_given_ = false;
  bool ended_ = false;
};

}  // namespace sallyport::sim
