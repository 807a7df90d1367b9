// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_baseline.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "audit/flat_index.h"

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

// What one key, or all together, did in an hour.
struct Cell {
  std::int64_t cost = 0;
  std::uint32_t requests = 0;
};
using Cells = std::vector<Cell>;  // of one hour, by key: the loop below walks through time

// The places that a key was seen in just now; who is among them needs no further look.
struct Recent {
  std::array<std::uint64_t, 4> places;
  std::uint32_t next = 0;  // to be replaced
};
constexpr std::uint64_t kNoPlace = UINT64_MAX;

class BaselineVisitor final : public ChunkVisitor {
 public:
  BaselineVisitor(const AskSpec& spec,
                  const std::unordered_map<std::string_view, std::uint32_t>& keys, bool places)
      : keys_(keys),
        places_(places),
        costs_(spec.asks(Question::kCost)),
        first_hour_((spec.at - spec.since - spec.baseline).time_since_epoch().count() / kHourMs),
        cells_(hours_of(spec)),
        total_(hours_of(spec)) {}

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
    local_places_.clear();
    place_ids_.clear();
    recent_.assign(keys_.size(), {{kNoPlace, kNoPlace, kNoPlace, kNoPlace}, 0});
    return {};
  }

  Result<void> visit(Chunk& chunk) override {
    const std::int64_t* times = chunk.numbers(Column::kTime);
    const std::uint32_t* keys = chunk.codes(Column::kKey);
    const auto rows = chunk.rows();
    records += static_cast<std::int64_t>(rows.size());
    first_ms = std::min(first_ms, times[rows.front()]);
    // Time never goes back, so an hour is a run of rows; most often it is the whole chunk.
    for (std::size_t begin = 0; begin < rows.size();) {
      const std::int64_t hour = times[rows[begin]] / kHourMs;
      std::size_t end = rows.size();
      if (times[rows.back()] / kHourMs != hour) {
        end = begin;
        while (end < rows.size() && times[rows[end]] / kHourMs <= hour) ++end;
      }
      const auto at = static_cast<std::size_t>(hour - first_hour_);
      // The scan chose the block by the times in its head: rows that say otherwise are damaged.
      if (at >= cells_.size()) return fail(Code::kCorrupt, "a time outside of its block");
      add_rows(chunk, rows.subspan(begin, end - begin), begin_hour(cells_[at], keys_.size()),
               begin_hour(total_[at], 1)[0]);
      begin = end;
    }
    if (places_) visit_places(chunk, times, keys);
    return {};
  }

  void add_to(std::vector<PastKey>& keys, PastKey& all) const {
    for (std::size_t at = 0; at < cells_.size(); ++at) {
      const std::int64_t hour = first_hour_ + static_cast<std::int64_t>(at);
      if (!total_[at].empty()) add_hour(all, hour, total_[at][0]);
      if (cells_[at].empty()) continue;
      for (std::size_t key = 0; key < keys.size(); ++key) {
        add_hour(keys[key], hour, cells_[at][key]);
      }
    }
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      const std::uint64_t seen = seen_.keys()[i];
      const PlaceName& place = place_names_[seen & UINT32_MAX];
      PastPlace& into = keys[seen >> 32].places[place.first][place.second];
      into.first_ms = std::min(into.first_ms, past_[i].first_ms);
      into.requests += past_[i].requests;
    }
  }

  std::int64_t records = 0;
  std::int64_t first_ms = INT64_MAX;

 private:
  using PlaceName = std::pair<std::string, std::string>;

  static Cells& begin_hour(Cells& cells, std::size_t keys) {
    if (cells.empty()) cells.resize(keys);
    return cells;
  }

  void add_rows(Chunk& chunk, std::span<const std::uint16_t> rows, Cells& cells, Cell& total) {
    const std::uint32_t* keys = chunk.codes(Column::kKey);
    total.requests += static_cast<std::uint32_t>(rows.size());
    if (!costs_) {
      for (const std::uint16_t row : rows) {
        const std::uint32_t key = key_of_[keys[row]];
        if (key != kNobody) ++cells[key].requests;
      }
      return;
    }
    const std::int64_t* costs = chunk.numbers(Column::kCost);
    for (const std::uint16_t row : rows) {
      const std::int64_t cost = costs[row] == kNoNumber ? 0 : costs[row];
      total.cost += cost;
      const std::uint32_t key = key_of_[keys[row]];
      if (key == kNobody) continue;
      ++cells[key].requests;
      cells[key].cost += cost;
    }
  }

  // Hours are added in the order of time, and again where two threads share one: then the greatest
  // hour is a little low for a request or two at the seam.
  void add_hour(PastKey& key, std::int64_t hour, const Cell& cell) const {
    const std::int64_t requests = cell.requests, cost = cell.cost;
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

  // Which places a key was successful from, and since when. How often counts only up to what makes
  // a place its own (PastPlace), so that a place that is known costs no more than a look.
  void visit_places(Chunk& chunk, const std::int64_t* times, const std::uint32_t* keys) {
    const std::uint32_t* statuses = chunk.codes(Column::kStatus);
    const std::uint32_t* geo = chunk.codes(Column::kGeo);
    const std::uint32_t* asn = chunk.codes(Column::kAsn);
    const std::uint32_t* ip = nullptr;
    for (const std::uint16_t row : chunk.rows()) {
      const std::uint32_t key = key_of_[keys[row]];
      if (key == kNobody) continue;
      std::uint32_t network = asn[row];
      if (network == 0) {
        if (ip == nullptr) ip = chunk.codes(Column::kIp);
        network = kByPrefix | prefix(ip[row]);
      }
      const std::uint64_t place = std::uint64_t{geo[row]} << 32 | network;
      Recent& recent = recent_[key];
      const auto& known = recent.places;
      if (known[0] == place || known[1] == place || known[2] == place || known[3] == place) {
        continue;
      }
      if (success_[statuses[row]] == 0) continue;
      const std::uint32_t id = place_id(place, ip == nullptr ? 0 : ip[row]);
      const auto [at, fresh] = seen_.add(std::uint64_t{key} << 32 | id);
      if (fresh) past_.push_back({.first_ms = times[row]});
      PastPlace& past = past_[at];
      past.first_ms = std::min(past.first_ms, times[row]);
      if (++past.requests < PastPlace::kEnough) continue;
      recent.places[recent.next] = place;
      recent.next = (recent.next + 1) % recent.places.size();
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

  // The same number for the same place in all files.
  std::uint32_t place_id(std::uint64_t place, std::uint32_t ip) {
    const auto [at, fresh] = local_places_.add(place);
    if (!fresh) return place_ids_[at];
    const auto geo = geo_.word(static_cast<std::uint32_t>(place >> 32));
    const auto network = static_cast<std::uint32_t>(place & UINT32_MAX);
    const bool by_prefix = (network & kByPrefix) != 0;
    const auto asn = by_prefix ? std::nullopt : asn_.word(network);
    PlaceName named(geo ? std::string(*geo) : "",
                    network_of(asn ? std::optional<std::string>(*asn) : std::nullopt,
                               ip_.word(ip).value_or("")));
    const auto id = static_cast<std::uint32_t>(place_names_.size());
    const auto known = id_of_place_.try_emplace(named, id);
    if (known.second) place_names_.push_back(std::move(named));
    place_ids_.push_back(known.first->second);
    return known.first->second;
  }

  const std::unordered_map<std::string_view, std::uint32_t>& keys_;
  const bool places_, costs_;
  const std::int64_t first_hour_;
  std::vector<Cells> cells_, total_;  // by hour; empty where there was nothing
  std::vector<PlaceName> place_names_;
  std::map<PlaceName, std::uint32_t> id_of_place_;
  FlatIndex seen_;               // key and place
  std::vector<PastPlace> past_;  // beside it
  std::unordered_map<std::string, std::uint32_t> prefixes_;
  // Of this file.
  std::vector<std::uint32_t> key_of_, prefix_of_;
  std::vector<std::uint8_t> success_;
  Dictionary geo_, asn_, ip_;
  FlatIndex local_places_;
  std::vector<std::uint32_t> place_ids_;  // beside it
  std::vector<Recent> recent_;            // by key
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
    suspects_.clear();
    for (std::uint32_t code = 1; code < keys->size(); ++code) {
      if (!keys_.contains(*keys->word(code))) continue;
      suspects_.push_back(code);
      suspect_[code] = static_cast<std::uint32_t>(suspects_.size());
    }
    ips_.assign(suspects_.size() * ips->size(), false);
    models_.assign(suspects_.size() * models->size(), false);
    asked_.assign(ips->size(), 0);
    for (std::uint32_t code = 1; code < ips->size(); ++code) {
      asked_[code] = addresses_.contains(*ips->word(code));
    }
    success_.assign(statuses->size(), 0);
    for (std::uint32_t code = 1; code < statuses->size(); ++code) {
      success_[code] = statuses->word(code)->starts_with('2');
    }
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
      const std::size_t suspect = suspect_[keys[row]] - 1;
      ips_[suspect * ip_words_.size() + ips[row]] = true;
      models_[suspect * model_words_.size() + models[row]] = true;
    }
    return {};
  }

  Result<void> end_file() override {
    for (std::size_t i = 0; i < suspects_.size(); ++i) {
      const std::string key(*key_words_.word(suspects_[i]));
      copy(use.ips[key], ips_, i, ip_words_);
      copy(use.models[key], models_, i, model_words_);
    }
    return {};
  }

 private:
  static void copy(std::set<std::string>& into, const std::vector<bool>& used, std::size_t at,
                   const Dictionary& words) {
    for (std::uint32_t code = 1; code < words.size(); ++code) {
      if (used[at * words.size() + code]) into.emplace(*words.word(code));
    }
  }

  void note(std::set<std::string>& into, std::uint32_t ip) {
    into.emplace(*ip_words_.word(ip));
    asked_[ip] = 0;
  }

  const Wanted& keys_;
  const Wanted& addresses_;
  Dictionary key_words_, ip_words_, model_words_;
  std::vector<std::uint32_t> suspect_, suspects_;  // by code of a key, from 1; and back
  std::vector<std::uint8_t> asked_, success_;
  std::vector<bool> ips_, models_;  // by suspect, then by code
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
