// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_baseline.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace sallyport::audit {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::uint32_t kNobody = UINT32_MAX;
constexpr std::uint32_t kByPrefix = 1u << 31;  // of a network's code: a prefix of the address

Selection past(const AskSpec& spec) {
  const UtcTime end = spec.at - spec.since;
  Selection selection{.since = end - spec.baseline, .until = end};
  selection.conditions.push_back(word_is(Column::kKind, std::string(name(Kind::kRequest))));
  return selection;
}

std::size_t hours_of(const AskSpec& spec) {
  return static_cast<std::size_t>(spec.baseline.count() / kHourMs) + 2;
}

// One hour of all keys together, by key: the loop below walks through time.
struct Cells {
  std::vector<std::uint32_t> requests;
  std::vector<std::int64_t> cost;
};

class BaselineVisitor final : public ChunkVisitor {
 public:
  BaselineVisitor(const AskSpec& spec,
                  const std::unordered_map<std::string_view, std::uint32_t>& keys, bool places)
      : keys_(keys),
        places_(places),
        first_hour_((spec.at - spec.since - spec.baseline).time_since_epoch().count() / kHourMs),
        cells_(hours_of(spec)),
        total_(hours_of(spec)) {
    place_of_.resize(keys.size());
  }

  Result<void> begin_file(const ColumnFile& file) override {
    const auto words = file.dictionary(Column::kKey);
    const auto statuses = file.dictionary(Column::kStatus);
    const auto geo = file.dictionary(Column::kGeo);
    const auto asn = file.dictionary(Column::kAsn);
    const auto ip = file.dictionary(Column::kIp);
    for (const auto* read : {&words, &statuses, &geo, &asn, &ip}) {
      if (!*read) return std::unexpected(read->error());
    }
    geo_ = *geo;
    asn_ = *asn;
    ip_ = *ip;
    key_of_.assign(words->size(), kNobody);
    for (std::uint32_t code = 1; code < words->size(); ++code) {
      const auto found = keys_.find(*words->word(code));
      if (found != keys_.end()) key_of_[code] = found->second;
    }
    success_.assign(statuses->size(), 0);
    for (std::uint32_t code = 1; code < statuses->size(); ++code) {
      success_[code] = statuses->word(code)->starts_with('2');
    }
    prefix_of_.assign(places_ ? ip->size() : 0, 0);
    known_.clear();
    last_.assign(keys_.size(), {UINT64_MAX, 0});
    return {};
  }

  Result<void> visit(Chunk& chunk) override {
    const std::int64_t* times = chunk.numbers(Column::kTime);
    const std::int64_t* costs = chunk.numbers(Column::kCost);
    const std::uint32_t* keys = chunk.codes(Column::kKey);
    const auto rows = chunk.rows();
    records += static_cast<std::int64_t>(rows.size());
    std::int64_t next_hour_ms = INT64_MIN;
    Cells* cells = nullptr;
    Cells* total = nullptr;
    for (const std::uint16_t row : rows) {
      if (times[row] >= next_hour_ms || cells == nullptr) {
        const std::int64_t hour = times[row] / kHourMs;
        next_hour_ms = (hour + 1) * kHourMs;
        const auto at = static_cast<std::size_t>(hour - first_hour_);
        cells = &begin_hour(cells_[at], keys_.size());
        total = &begin_hour(total_[at], 1);
      }
      const std::int64_t cost = costs[row] == kNoNumber ? 0 : costs[row];
      total->requests[0] += 1;
      total->cost[0] += cost;
      const std::uint32_t key = key_of_[keys[row]];
      if (key == kNobody) continue;
      cells->requests[key] += 1;
      cells->cost[key] += cost;
    }
    first_ms = std::min(first_ms, times[rows.front()]);
    if (places_) visit_places(chunk, times, keys);
    return {};
  }

  void add_to(std::vector<PastKey>& keys, PastKey& all) const {
    for (std::size_t at = 0; at < cells_.size(); ++at) {
      const std::int64_t hour = first_hour_ + static_cast<std::int64_t>(at);
      if (!total_[at].requests.empty()) add_hour(all, hour, total_[at], 0);
      if (cells_[at].requests.empty()) continue;
      for (std::size_t key = 0; key < keys.size(); ++key)
        add_hour(keys[key], hour, cells_[at], key);
    }
    for (std::size_t key = 0; key < keys.size() && places_; ++key) {
      for (const auto& [place, past] : place_of_[key]) {
        PastPlace& into = keys[key].places[place.first][place.second];
        into.first_ms = std::min(into.first_ms, past.first_ms);
        into.last_ms = std::max(into.last_ms, past.last_ms);
        into.requests += past.requests;
      }
    }
  }

  std::int64_t records = 0;
  std::int64_t first_ms = INT64_MAX;

 private:
  using PlaceName = std::pair<std::string, std::string>;

  static Cells& begin_hour(Cells& cells, std::size_t keys) {
    if (cells.requests.empty()) {
      cells.requests.resize(keys);
      cells.cost.resize(keys);
    }
    return cells;
  }

  // Hours are added in the order of time, and again where two threads share one: then the greatest
  // hour is a little low for a request or two at the seam.
  void add_hour(PastKey& key, std::int64_t hour, const Cells& cells, std::size_t at) const {
    const std::int64_t requests = cells.requests[at], cost = cells.cost[at];
    if (requests == 0) return;
    key.first_ms = std::min(key.first_ms, hour * kHourMs);
    key.last_ms = std::max(key.last_ms, (hour + 1) * kHourMs);
    key.requests += requests;
    key.cost += cost;
    key.hour_requests_max = std::max(key.hour_requests_max, requests);
    key.hour_cost_max = std::max(key.hour_cost_max, cost);
    const auto of_day = static_cast<std::size_t>(hour % 24);
    key.requests_by_hour[of_day] += requests;
    key.cost_by_hour[of_day] += cost;
    const std::uint32_t day = 1u << ((hour - first_hour_) / 24 % 32);
    key.days_by_hour[of_day] |= day;
    key.days |= day;
  }

  void visit_places(Chunk& chunk, const std::int64_t* times, const std::uint32_t* keys) {
    const std::uint32_t* statuses = chunk.codes(Column::kStatus);
    const std::uint32_t* geo = chunk.codes(Column::kGeo);
    const std::uint32_t* asn = chunk.codes(Column::kAsn);
    const std::uint32_t* ip = nullptr;
    for (const std::uint16_t row : chunk.rows()) {
      const std::uint32_t key = key_of_[keys[row]];
      if (key == kNobody || success_[statuses[row]] == 0) continue;
      std::uint32_t network = asn[row];
      if (network == 0) {
        if (ip == nullptr) ip = chunk.codes(Column::kIp);
        network = kByPrefix | prefix(ip[row]);
      }
      const std::uint64_t place = std::uint64_t{geo[row]} << 32 | network;
      auto& [last_place, past] = last_[key];
      if (last_place != place) {
        last_place = place;
        past = &find_place(key, place, ip == nullptr ? 0 : ip[row]);
        past->first_ms = std::min(past->first_ms, times[row]);
      }
      past->last_ms = times[row];
      ++past->requests;
    }
  }

  // The first address of this file that is in the same network stands for it.
  std::uint32_t prefix(std::uint32_t ip) {
    std::uint32_t& known = prefix_of_[ip];
    if (known == 0) {
      const std::string network = network_of(std::nullopt, ip_.word(ip).value_or(""));
      known = prefixes_.try_emplace(network, static_cast<std::uint32_t>(prefixes_.size() + 1))
                  .first->second;
    }
    return known;
  }

  PastPlace& find_place(std::uint32_t key, std::uint64_t place, std::uint32_t ip) {
    PastPlace*& known = known_[{place, key}];
    if (known != nullptr) return *known;
    const auto geo = geo_.word(static_cast<std::uint32_t>(place >> 32));
    const auto network = static_cast<std::uint32_t>(place & UINT32_MAX);
    const bool by_prefix = (network & kByPrefix) != 0;
    const auto asn = by_prefix ? std::nullopt : asn_.word(network);
    const std::string id = network_of(asn ? std::optional<std::string>(*asn) : std::nullopt,
                                      ip_.word(ip).value_or(""));
    known = &place_of_[key][PlaceName(geo ? std::string(*geo) : "", id)];
    return *known;
  }

  struct Known {
    std::uint64_t place;
    std::uint32_t key;
    friend bool operator==(const Known&, const Known&) = default;
  };
  struct KnownHash {
    std::size_t operator()(const Known& known) const {
      std::uint64_t mixed = (known.place ^ std::uint64_t{known.key} << 40) * 0x9E3779B97F4A7C15ull;
      return mixed ^ mixed >> 32;
    }
  };

  const std::unordered_map<std::string_view, std::uint32_t>& keys_;
  const bool places_;
  const std::int64_t first_hour_;
  std::vector<Cells> cells_, total_;                      // by hour; empty where there was nothing
  std::vector<std::map<PlaceName, PastPlace>> place_of_;  // by key
  std::unordered_map<std::string, std::uint32_t> prefixes_;
  // Of this file.
  std::vector<std::uint32_t> key_of_, prefix_of_;
  std::vector<std::uint8_t> success_;
  Dictionary geo_, asn_, ip_;
  std::unordered_map<Known, PastPlace*, KnownHash> known_;
  std::vector<std::pair<std::uint64_t, PastPlace*>> last_;  // by key: often the next one too
};

using Wanted = std::unordered_set<std::string_view>;

class UseVisitor final : public ChunkVisitor {
 public:
  UseVisitor(const Wanted& keys, const Wanted& addresses) : keys_(keys), addresses_(addresses) {}

  PastUse use;

  Result<void> begin_file(const ColumnFile& file) override {
    const auto keys = file.dictionary(Column::kKey);
    const auto ips = file.dictionary(Column::kIp);
    const auto models = file.dictionary(Column::kModel);
    const auto statuses = file.dictionary(Column::kStatus);
    for (const auto* read : {&keys, &ips, &models, &statuses}) {
      if (!*read) return std::unexpected(read->error());
    }
    key_words_ = *keys;
    ip_words_ = *ips;
    model_words_ = *models;
    suspect_.assign(keys->size(), 0);
    for (std::uint32_t code = 1; code < keys->size(); ++code) {
      suspect_[code] = keys_.contains(*keys->word(code));
    }
    asked_.assign(ips->size(), 0);
    for (std::uint32_t code = 1; code < ips->size(); ++code) {
      asked_[code] = addresses_.contains(*ips->word(code));
    }
    success_.assign(statuses->size(), 0);
    for (std::uint32_t code = 1; code < statuses->size(); ++code) {
      success_[code] = statuses->word(code)->starts_with('2');
    }
    pairs_.clear();
    return {};
  }

  Result<void> visit(Chunk& chunk) override {
    const std::uint32_t* keys = chunk.codes(Column::kKey);
    const std::uint32_t* ips = chunk.codes(Column::kIp);
    const std::uint32_t* statuses = chunk.codes(Column::kStatus);
    const std::uint32_t* models = chunk.codes(Column::kModel);
    for (const std::uint16_t row : chunk.rows()) {
      if (success_[statuses[row]] == 0) continue;
      if (asked_[ips[row]] != 0) note(use.welcome, ips[row]);
      if (suspect_[keys[row]] == 0) continue;
      pairs_.insert(std::uint64_t{keys[row]} << 32 | ips[row]);
      pairs_.insert(std::uint64_t{keys[row]} << 32 | models[row] | kByPrefix);
    }
    return {};
  }

  Result<void> end_file() override {
    for (const std::uint64_t pair : pairs_) {
      const std::string key(key_words_.word(static_cast<std::uint32_t>(pair >> 32)).value_or(""));
      const auto code = static_cast<std::uint32_t>(pair & UINT32_MAX);
      const bool model = (code & kByPrefix) != 0;
      const auto word = model ? model_words_.word(code & ~kByPrefix) : ip_words_.word(code);
      if (word) (model ? use.models : use.ips)[key].emplace(*word);
    }
    return {};
  }

 private:
  void note(std::set<std::string>& into, std::uint32_t ip) {
    into.emplace(*ip_words_.word(ip));
    asked_[ip] = 0;
  }

  const Wanted& keys_;
  const Wanted& addresses_;
  Dictionary key_words_, ip_words_, model_words_;
  std::vector<std::uint8_t> suspect_, asked_, success_;
  struct Hash {
    std::size_t operator()(std::uint64_t pair) const {
      return (pair ^ pair >> 29) * 0x9E3779B97F4A7C15ull >> 5;
    }
  };
  std::unordered_set<std::uint64_t, Hash> pairs_;
};

class CountVisitor final : public ChunkVisitor {
 public:
  std::int64_t records = 0;
  Result<void> begin_file(const ColumnFile&) override { return {}; }
  Result<void> visit(Chunk& chunk) override {
    records += static_cast<std::int64_t>(chunk.rows().size());
    return {};
  }
};

template <class V, class Make>
Result<std::vector<std::unique_ptr<V>>> run(const ColumnSnapshot& snapshot,
                                            const Selection& selection, std::size_t threads,
                                            Make make) {
  std::vector<std::unique_ptr<V>> visitors;
  std::vector<ChunkVisitor*> pointers;
  for (std::size_t i = 0; i < threads; ++i) {
    visitors.push_back(make());
    pointers.push_back(visitors.back().get());
  }
  const auto count = scan(snapshot, selection, pointers);
  if (!count) return std::unexpected(count.error());
  return visitors;
}

}  // namespace

double PastKey::span_days() const {
  return requests == 0 ? 0 : static_cast<double>(last_ms - first_ms) / kDayMs;
}

Result<Baseline> read_baseline(const ColumnSnapshot& snapshot, const AskSpec& spec,
                               const std::vector<std::string>& keys, std::size_t threads) {
  std::unordered_map<std::string_view, std::uint32_t> index;
  for (const std::string& key : keys) {
    index.emplace(key, static_cast<std::uint32_t>(index.size()));
  }
  const bool places = spec.asks(Question::kKeys) || spec.asks(Question::kIps);
  Selection selection = past(spec);
  if (spec.key) selection.conditions.push_back(word_is(Column::kKey, *spec.key));
  auto visitors = run<BaselineVisitor>(snapshot, selection, threads, [&] {
    return std::make_unique<BaselineVisitor>(spec, index, places);
  });
  if (!visitors) return std::unexpected(visitors.error());
  Baseline out;
  std::vector<PastKey> found(keys.size());
  for (const auto& visitor : *visitors) {
    visitor->add_to(found, out.total);
    out.records += visitor->records;
    out.first_ms = std::min(out.first_ms, visitor->first_ms);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) out.keys.emplace(keys[i], std::move(found[i]));
  return out;
}

Result<PastUse> read_use(const ColumnSnapshot& snapshot, const AskSpec& spec,
                         const std::vector<std::string>& keys,
                         const std::set<std::string>& addresses, std::size_t threads) {
  const Wanted wanted_keys(keys.begin(), keys.end());
  const Wanted wanted_ips(addresses.begin(), addresses.end());
  Wanted either = wanted_keys;
  either.insert(wanted_ips.begin(), wanted_ips.end());
  Selection selection = past(spec);
  // One condition on two columns: of one of the keys, or from one of the addresses. A key's name
  // that reads like an address costs a few rows more, nothing else.
  selection.conditions.push_back(
      {.columns = {Column::kKey, Column::kIp}, .word = [&](std::optional<std::string_view> word) {
         return word && either.contains(*word);
       }});
  auto visitors = run<UseVisitor>(snapshot, selection, threads, [&] {
    return std::make_unique<UseVisitor>(wanted_keys, wanted_ips);
  });
  if (!visitors) return std::unexpected(visitors.error());
  PastUse out;
  for (const auto& visitor : *visitors) {
    for (auto& [key, words] : visitor->use.ips) out.ips[key].merge(words);
    for (auto& [key, words] : visitor->use.models) out.models[key].merge(words);
    out.welcome.merge(visitor->use.welcome);
  }
  return out;
}

Result<std::int64_t> past_attempts(const ColumnSnapshot& snapshot, const AskSpec& spec,
                                   std::size_t threads) {
  Selection selection = past(spec);
  selection.conditions.push_back(
      {.columns = {Column::kVerdict},
       .word = [](std::optional<std::string_view> word) { return word && *word != "pass"; }});
  if (spec.key) selection.conditions.push_back(word_is(Column::kKey, *spec.key));
  auto visitors = run<CountVisitor>(snapshot, selection, threads,
                                    [] { return std::make_unique<CountVisitor>(); });
  if (!visitors) return std::unexpected(visitors.error());
  std::int64_t records = 0;
  for (const auto& visitor : *visitors) records += visitor->records;
  return records;
}

}  // namespace sallyport::audit
