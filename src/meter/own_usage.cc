// SPDX-License-Identifier: Apache-2.0
#include "meter/own_usage.h"

#include <algorithm>

namespace sallyport::meter {
namespace {

UtcTime minute_of(UtcTime time) { return std::chrono::floor<std::chrono::minutes>(time); }

// One whose usage is not known, with the most that it can have used.
UsageMinute unknown(std::string_view key, UtcTime minute, const MostUsed& most,
                    std::optional<std::int64_t> reserved) {
  UsageMinute one{.provider_key_id = std::string(key), .minute = minute, .cost = {}};
  if (most.batch) {
    one.batches = 1;
    return one;
  }
  // What the budgets held back was counted more exactly; 0 where they know no bound either.
  const bool held = reserved.value_or(0) > 0;
  const std::int64_t tokens = held ? std::min(*reserved, most.tokens) : most.tokens;
  (most.several ? one.later_requests : one.unknown_requests) = 1;
  (most.several ? one.later_tokens : one.unknown_tokens) = tokens;
  one.several_requests = most.several ? 1 : 0;
  return one;
}

UsageMinute refused(std::string_view key, UtcTime minute) {
  return {.provider_key_id = std::string(key), .minute = minute, .cost = {}, .refused_requests = 1};
}

bool refuses(std::optional<int> status) { return status && *status >= 400 && *status < 500; }

}  // namespace

class OwnUsageSums::Count final : public Stage {
 public:
  explicit Count(std::shared_ptr<Shard> shard) : shard_(std::move(shard)) {}
  const char* name() const override { return "count_usage"; }

  Task<std::optional<Refusal>> admit(Exchange& x) override {
    MostUsed most = most_used(x);
    if (most.counts) {
      const std::lock_guard lock(shard_->mutex);
      shard_->open.insert_or_assign(
          &x, Open{minute_of(x.received_at), std::string(kAnyProviderKey), most});
    }
    co_return std::nullopt;
  }

  // Now the key is chosen for good.
  void answer(Exchange& x) override {
    const std::lock_guard lock(shard_->mutex);
    const auto at = shard_->open.find(&x);
    if (at != shard_->open.end()) at->second.key = x.provider_key_id.value_or("");
  }

  void finish(Exchange& x) override {
    const std::lock_guard lock(shard_->mutex);
    const auto at = shard_->open.find(&x);
    if (at == shard_->open.end()) return;
    const Open call = std::move(at->second);
    shard_->open.erase(at);
    if (!x.asked || !x.provider_key_id) return;
    if (x.asked_again != nullptr) shard_->add_locked(refused(*x.provider_key_id, call.minute));
    if (refuses(x.upstream_status)) {
      shard_->add_locked(refused(*x.provider_key_id, call.minute));
      return;
    }
    const bool told = x.usage && !x.usage->estimated && (x.usage->input || x.usage->output);
    if (!told || call.most.batch) {
      shard_->add_locked(
          unknown(*x.provider_key_id, call.minute, call.most, x.booked.reserved_tokens));
      return;
    }
    shard_->add_locked({.provider_key_id = *x.provider_key_id,
                        .minute = call.minute,
                        .input = x.usage->input.value_or(0),
                        .output = x.usage->output.value_or(0),
                        .requests = 1,
                        .cost = x.cost_usd.value_or(NanoUsd()),
                        .several_requests = call.most.several ? 1 : 0});
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
  sum.unknown_requests += one.unknown_requests;
  sum.unknown_tokens += one.unknown_tokens;
  sum.later_requests += one.later_requests;
  sum.later_tokens += one.later_tokens;
  sum.several_requests += one.several_requests;
  sum.refused_requests += one.refused_requests;
  sum.batches += one.batches;
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
  if (event.kind != Kind::kRequest && event.kind != Kind::kIntent) return;
  const MostUsed most = most_used(event);
  if (!most.counts) return;
  Shard& shard = *shards_.front();
  // An intent is written before the key is chosen; of what a dead process left the next start makes
  // a request that was aborted.
  const bool left = event.kind == Kind::kIntent ||
                    (!event.provider_key_id && event.error.value_or("") == "aborted");
  if (left) {
    MostUsed all = most;
    all.several = most.several && event.reserved_tokens.value_or(0) == 0;
    const std::string key = event.provider_key_id.value_or(std::string(kAnyProviderKey));
    shard.add(unknown(key, minute_of(event.timestamp_utc), all, event.reserved_tokens));
    return;
  }
  // Without a key or an answer of the provider, and refused here, nothing was asked.
  if (!event.provider_key_id || event.action.value_or("").starts_with("denied:")) return;
  const std::string& key = *event.provider_key_id;
  const auto lasted = std::chrono::milliseconds(event.latency_ms.value_or(0));
  const UtcTime minute = minute_of(event.timestamp_utc - lasted);
  if (event.asked_again) shard.add(refused(key, minute));
  if (refuses(event.upstream_status)) return shard.add(refused(key, minute));
  const bool told =
      (event.tokens_input || event.tokens_output) && !event.tokens_estimated.value_or(false);
  if (!told || most.batch) {
    MostUsed one = most;
    one.several = most.several && event.reserved_tokens.value_or(0) == 0;
    return shard.add(unknown(key, minute, one, event.reserved_tokens));
  }
  shard.add({.provider_key_id = key,
             .minute = minute,
             .input = event.tokens_input.value_or(0),
             .output = event.tokens_output.value_or(0),
             .requests = 1,
             .cost = event.cost_usd.value_or(NanoUsd()),
             .several_requests = most.several ? 1 : 0});
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
    for (const auto& [exchange, call] : shard->open) {
      if (call.minute < from || call.minute >= to || call.key.empty()) continue;
      found.push_back(unknown(call.key, call.minute, call.most, {}));
    }
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
