// SPDX-License-Identifier: Apache-2.0
#include "admin/refusal_records.h"

#include <string>
#include <utility>

#include "base/log.h"

namespace sallyport::admin {

void RefusalRecords::tell(const IpAddress& source, Event refusal) {
  const std::int64_t now_ms = clock_.steady_us() / 1000;
  const std::int64_t due_ms = fold_.due_ms();
  if (due_ms != 0 && now_ms >= due_ms) flush();
  if (!fold_.fold(source, refusal, now_ms)) {
    recorder_.record(std::move(refusal), Durability::kWritten, {});
    return;
  }
  if (timer_.armed()) return;
  loop_.arm(
      timer_, loop_.now_ms() + RefusalFold::kWindowMs,
      [](void* self) { static_cast<RefusalRecords*>(self)->flush(); }, this);
}

void RefusalRecords::flush() {
  timer_.disarm();
  if (fold_.due_ms() == 0) return;
  for (Event& event : fold_.take_due()) {
    const std::string ip = event.ip;
    const std::int64_t repeated = event.repeated.value_or(0);
    recorder_.record(
        std::move(event), Durability::kWritten, [ip, repeated](Result<std::uint64_t> recorded) {
          if (recorded) return;
          log::error("admin.refusals_lost", {{"ip", ip}, {"refusals", std::to_string(repeated)}});
        });
  }
}

}  // namespace sallyport::admin
