// SPDX-License-Identifier: Apache-2.0
#include "exchange/off_loop.h"

#include <memory>
#include <utility>

namespace sallyport {

bool large_body(const Exchange& x) {
  return x.body.kind == BodyKind::kJson && x.body.bytes.size() > kOffLoopBytes;
}

Task<void> work_off_loop(Exchange& x, net::Offload& pool,
                         std::function<void(const RequestBody&)> work) {
  struct Away {
    RequestBody body;
    std::function<void(const RequestBody&)> work;
  };
  auto away = std::make_shared<Away>();
  away->body = std::move(x.body);
  away->work = std::move(work);
  std::function<void()> job = [away] { away->work(away->body); };
  co_await pool.run(*x.loop, std::move(job));
  x.body = std::move(away->body);
}

}  // namespace sallyport
