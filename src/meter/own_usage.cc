// SPDX-License-Identifier: Apache-2.0
#include "meter/own_usage.h"

#include <algorithm>

namespace sallyport::meter {
namespace {

UtcTime minute_of(UtcTime time) { return std::chrono::floor<std::chrono::minutes>(time); }

}  // namespace

bool counts_as_completions(std::string_view endpoint) {
  return endpoint == "POST /v1/chat/completions" || endpoint == "POST /v1/responses" ||
         endpoint == "POST /v1/completions";
}

class OwnUsageSums::Count final : public Stage {
 public:
  explicit Count(std::shared_ptr<Shard> shard) : shard_(std::move(shard)) {}
  const char* name() const override { return "count_usage"; }
  Task<std::optional<Refusal>> admit(Exchange&) override { co_return std::nullopt; }
  void finish(Exchange& x) override {
    if (!x.usage || !x.provider_key_id || !counts_as_completions(x.endpoint)) return;
    shard_->add({.provider_key_id = *x.provider_key_id,
                 .minute = minute_of(x.received_at),
                 .input = x.usage->input.value_or(0),
                 .output = x.usage->output.value_or(0),
                 .requests = 1,
                 .cost = x.cost_usd.value_or(NanoUsd())});
  }

 private:
  std::shared_ptr<Shard> shard_;
};

void OwnUsageSums::Shard::add(const UsageMinute& one) {
  const std::lock_guard lock(mutex);
  add_locked(one);
}

// The lock of the ended one orders this after what its thread counted last: that nobody else holds
// it any more (use_count) does not.
void OwnUsageSums::Shard::take(Shard& ended) {
  const std::scoped_lock lock(mutex, ended.mutex);
  for (const auto& [key, cell] : ended.cells) add_locked(cell);
  dropped_until = std::max(dropped_until, ended.dropped_until);
}

void OwnUsageSums::Shard::add_locked(const UsageMinute& one) {
  UsageMinute& sum = cells[{one.minute, one.provider_key_id}];
  sum.provider_key_id = one.provider_key_id;
  sum.minute = one.minute;
  sum.input += one.input;
  sum.output += one.output;
  sum.requests += one.requests;
  sum.cost.nano += one.cost.nano;
  const UtcTime oldest = std::prev(cells.end())->first.first - kKept;
  while (cells.begin()->first.first < oldest || cells.size() > kCellsMax) {
    dropped_until = cells.begin()->first.first + std::chrono::minutes(1);
    cells.erase(cells.begin());
  }
}

OwnUsageSums::OwnUsageSums(UtcTime began)
    : complete_since_(began), shards_{std::make_shared<Shard>()} {}

std::shared_ptr<OwnUsageSums::Shard> OwnUsageSums::make_shard() {
  const std::lock_guard lock(mutex_);
  // A reload makes new ways; what the ended ones counted goes to the first shard.
  for (std::size_t i = 1; i < shards_.size();) {
    if (shards_[i].use_count() > 1) {
      ++i;
      continue;
    }
    shards_[0]->take(*shards_[i]);
    shards_.erase(shards_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  shards_.push_back(std::make_shared<Shard>());
  return shards_.back();
}

std::unique_ptr<Stage> OwnUsageSums::stage() { return std::make_unique<Count>(make_shard()); }

void OwnUsageSums::add(const Event& event) {
  if (event.kind != Kind::kRequest || !event.provider_key_id) return;
  if (!event.tokens_input && !event.tokens_output) return;
  if (!counts_as_completions(event.endpoint)) return;
  const auto lasted = std::chrono::milliseconds(event.latency_ms.value_or(0));
  shards_.front()->add({.provider_key_id = *event.provider_key_id,
                        .minute = minute_of(event.timestamp_utc - lasted),
                        .input = event.tokens_input.value_or(0),
                        .output = event.tokens_output.value_or(0),
                        .requests = 1,
                        .cost = event.cost_usd.value_or(NanoUsd())});
}

void OwnUsageSums::complete_since(UtcTime since) {
  const std::lock_guard lock(mutex_);
  complete_since_ = std::min(complete_since_, since);
}

std::vector<UsageMinute> OwnUsageSums::minutes(UtcTime from, UtcTime to) const {
  const std::lock_guard lock(mutex_);
  std::vector<UsageMinute> found;
  for (const auto& shard : shards_) {
    const std::lock_guard held(shard->mutex);
    auto at = shard->cells.lower_bound({from, std::string()});
    for (; at != shard->cells.end() && at->first.first < to; ++at) found.push_back(at->second);
  }
  return found;
}

UtcTime OwnUsageSums::complete_since() const {
  const std::lock_guard lock(mutex_);
  UtcTime since = complete_since_;
  for (const auto& shard : shards_) {
    const std::lock_guard held(shard->mutex);
    since = std::max(since, shard->dropped_until);
  }
  return since;
}

}  // namespace sallyport::meter
