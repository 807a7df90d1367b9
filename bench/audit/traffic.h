// SPDX-License-Identifier: Apache-2.0
// Made-up traffic for measurements: fourteen days of 10,000 keys from 30,000 addresses, busy keys
// and quiet ones, days and nights; and in the last five minutes a stolen key, a burst of injection
// and a key whose calls became dear. The same numbers for the same row, whatever is asked before.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "event/event.h"

namespace sallyport::bench {

inline constexpr std::uint64_t kKeys = 10'000;
inline constexpr std::uint64_t kAddresses = 30'000;
inline constexpr std::uint64_t kNetworks = 240;
inline constexpr std::int64_t kSpanMs = 14ll * 24 * 3'600'000;

class Traffic {
 public:
  explicit Traffic(std::uint64_t rows) : rows_(rows), end_ms_(end().time_since_epoch().count()) {
    for (std::uint64_t k = 0; k < kKeys; ++k) keys_.push_back("user_" + std::to_string(k));
    for (std::uint64_t a = 0; a < kAddresses; ++a) {
      ips_.push_back("10." + std::to_string(a % 200) + "." + std::to_string(a / 200 % 250) + "." +
                     std::to_string(a % 251));
    }
  }

  static UtcTime end() { return *parse_utc("2026-11-24T14:05:00Z"); }

  // Row 0 to rows - 1, in the order of time. Reuses the event it is given.
  void fill(Event& e, std::uint64_t row) const {
    std::uint64_t dice = mix(row);
    const auto take = [&](std::uint64_t n) {
      const std::uint64_t out = dice % n;
      dice = mix(dice);
      return out;
    };
    const std::int64_t before = static_cast<std::int64_t>(static_cast<double>(rows_ - 1 - row) /
                                                          static_cast<double>(rows_) * kSpanMs);
    e.timestamp_utc = UtcTime(std::chrono::milliseconds(end_ms_ - 1 - before));
    // A few keys do most of the work.
    const double spread = static_cast<double>(take(1u << 20)) / (1u << 20);
    std::uint64_t key = static_cast<std::uint64_t>(spread * spread * spread * kKeys);
    std::uint64_t address = (key * 3 + take(3)) % kAddresses;
    const bool late = before < 300'000;
    const bool thief = late && row % 50 == 0;
    const bool attack = late && row % 50 == 1;
    const bool dear = late && row % 50 == 2;
    if (thief) key = 4'242, address = (row / 50 % 2 == 0 ? 17 : 18);
    if (dear) key = 5'151;
    e.api_key_id = keys_[key];
    e.kid = keys_[key];
    e.kind = Kind::kRequest;
    e.ip = thief ? (address == 17 ? "203.0.113.7" : "198.51.100.9") : ips_[address];
    const std::uint64_t network = thief ? 1'000 + address : address % kNetworks;
    e.asn = static_cast<std::int64_t>(64'000 + network);
    e.network = "Net " + std::to_string(network);
    e.geo = thief ? (address == 17 ? "VN" : "BR") : kCountries[network % 40 / 4 % 8];
    e.endpoint = take(10) == 0 ? "POST /v1/embeddings" : "POST /v1/chat/completions";
    e.model = kModels[key % 7 == 0 ? 2 : take(2)];
    e.module = kModules[key % 5];
    e.purpose = "support";
    e.upstream = "openai";
    e.provider_key_id = "openai-main";
    fill_outcome(e, take(1'000), thief || dear);
    e.latency_ms = static_cast<std::int64_t>(200 + take(8'000));
    e.tokens_input = static_cast<std::int64_t>(take(4'000));
    e.tokens_output = static_cast<std::int64_t>(take(1'500));
    e.ttft_ms = *e.latency_ms / 3;
    e.stream = take(2) == 0;
    e.request_bytes = 400 + *e.tokens_input * 4;
    e.response_bytes = 300 + *e.tokens_output * 4;
    e.tokens_estimated = false;
    e.tokens_cached = static_cast<std::int64_t>(take(4) == 0 ? 1'024 : 0);
    e.cost_usd = NanoUsd{dear ? 4'000'000'000 : *e.tokens_input * 150 + *e.tokens_output * 600};
    e.injection = Injection{.score = static_cast<double>(attack ? 900 : take(100)) / 1'000,
                            .verdict = attack ? (take(3) == 0 ? "alert" : "block") : "pass",
                            .categories = {},
                            .role = "user"};
    if (attack) {
      e.injection->categories = {"override"};
      if (e.injection->verdict == "block") {
        e.status = 403;
        e.error = "prompt_blocked";
        e.upstream_status.reset();
        e.cost_usd.reset();
      }
    }
  }

 private:
  static std::uint64_t mix(std::uint64_t x) {  // splitmix64
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
  }

  static void fill_outcome(Event& e, std::uint64_t permille, bool sure) {
    e.status = sure || permille < 985 ? 200 : permille < 995 ? 429 : 500;
    e.upstream_status = e.status;
    e.error.reset();
    if (e.status == 429) e.error = "rate_limit_exceeded";
    if (e.status == 500) e.error = "upstream_error";
  }

  static constexpr const char* kCountries[] = {"DE", "FR", "US", "GB", "NL", "PL", "IN", "JP"};
  static constexpr const char* kModels[] = {"gpt-4o-mini", "gpt-4o", "text-embedding-3-small"};
  static constexpr const char* kModules[] = {"billing", "support", "search", "mail", "unlisted"};

  const std::uint64_t rows_;
  const std::int64_t end_ms_;
  std::vector<std::string> keys_, ips_;
};

}  // namespace sallyport::bench
