// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_baseline.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "audit/address_network.h"
#include "audit/ask_hours.h"
#include "audit/ask_past.h"
#include "audit/flat_index.h"

namespace sallyport::audit {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::uint32_t kNobody = UINT32_MAX;

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
      : only_(spec.key),
        keys_(keys),
        places_(places),
        costs_(spec.asks(Question::kCost)),
        first_hour_((spec.at - spec.since - spec.baseline).time_since_epoch().count() / kHourMs),
        hours_(keys.size(), HourSums(first_hour_)),
        total_(first_hour_) {}

  Result<bool> whole_file(const ColumnFile& file) override {
    const auto sums = file.sums();
    if (!sums) return std::unexpected(sums.error());
    if (!*sums) return false;
    if (const auto good = begin_words(file); !good) return std::unexpected(good.error());
    for (std::size_t i = 0; i < (*sums)->keys().size(); ++i) {
      const SumsKey& key = (*sums)->keys()[i];
      const auto word = only_ ? key_words_.word(key.code) : std::nullopt;
      if (only_ && word != *only_) continue;
      records += key.requests;
      first_ms = std::min(first_ms, file.min_ms() + key.first_ms);
      for (const SumsHour& cell : only_ ? (*sums)->cells(i) : std::span<const SumsHour>()) {
        total_.add(cell.hour, cell.requests, cell.cost);
      }
      if (key_of_[key.code] != kNobody) take_sums(file, **sums, i, key_of_[key.code]);
    }
    for (const SumsHour& hour : only_ ? std::span<const SumsHour>() : (*sums)->hours()) {
      total_.add(hour.hour, hour.requests, hour.cost);
    }
    return true;
  }

  Result<void> begin_file(const ColumnFile& file) override {
    if (auto good = begin_words(file); !good) return good;
    const auto statuses = file.dictionary(Column::kStatus);
    if (!statuses) return std::unexpected(statuses.error());
    success_.assign(statuses->size(), 0);
    for (std::uint32_t code = 1; code < statuses->size(); ++code) {
      success_[code] = statuses->word(code)->starts_with('2');
    }
    prefix_of_.assign(places_ ? ip_.size() : 0, 0);
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
      // The scan chose the block by the times in its head: rows that say otherwise are damaged.
      if (hour < first_hour_) return fail(Code::kCorrupt, "a time outside of its block");
      add_rows(chunk, rows.subspan(begin, end - begin), hour);
      begin = end;
    }
    if (places_) visit_places(chunk, times, keys);
    return {};
  }

  // Of what came after.
  void add(const BaselineVisitor& later) {
    for (std::size_t i = 0; i < hours_.size(); ++i) hours_[i].add(later.hours_[i]);
    total_.add(later.total_);
    records += later.records;
    first_ms = std::min(first_ms, later.first_ms);
    for (std::size_t i = 0; i < later.seen_.size(); ++i) {
      const std::uint64_t seen = later.seen_.keys()[i];
      const std::uint32_t id = named_place(later.place_names_[seen & UINT32_MAX]);
      add_place(static_cast<std::uint32_t>(seen >> 32), id, later.past_[i]);
    }
  }

  PastKey total() const { return total_.finish(); }
  // By the key's number.
  std::vector<PastKey> keys() const {
    std::vector<PastKey> out;
    for (const HourSums& hours : hours_) out.push_back(hours.finish());
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      const std::uint64_t seen = seen_.keys()[i];
      const PlaceName& place = place_names_[seen & UINT32_MAX];
      out[seen >> 32].places[place.first][place.second] = past_[i];
    }
    return out;
  }

  std::int64_t records = 0;
  std::int64_t first_ms = INT64_MAX;

 private:
  using PlaceName = std::pair<std::string, std::string>;

  Result<void> begin_words(const ColumnFile& file) {
    const auto words = file.dictionary(Column::kKey);
    const auto geo = file.dictionary(Column::kGeo);
    const auto asn = file.dictionary(Column::kAsn);
    const auto ip = file.dictionary(Column::kIp);
    for (const auto* read : {&words, &geo, &asn, &ip}) {
      if (!*read) return std::unexpected(read->error());
    }
    key_words_ = *words;
    geo_ = *geo;
    asn_ = *asn;
    ip_ = *ip;
    key_of_.assign(words->size(), kNobody);
    for (std::uint32_t code = 1; code < words->size(); ++code) {
      const auto found = keys_.find(*words->word(code));
      if (found != keys_.end()) key_of_[code] = found->second;
    }
    local_places_.clear();
    place_ids_.clear();
    return {};
  }

  void take_sums(const ColumnFile& file, const ColumnSums& sums, std::size_t at,
                 std::uint32_t key) {
    HourSums& hours = hours_[key];
    for (const SumsHour& cell : sums.cells(at)) hours.add(cell.hour, cell.requests, cell.cost);
    if (!places_) return;
    for (const SumsPlace& place : sums.places(at)) {
      const bool by_prefix = (place.network & kByPrefix) != 0;
      const std::uint32_t id = place_id(std::uint64_t{place.geo} << 32 | place.network,
                                        by_prefix ? place.network & ~kByPrefix : 0);
      add_place(key, id, {.first_ms = file.min_ms() + place.first_ms, .requests = place.requests});
    }
  }

  void add_rows(Chunk& chunk, std::span<const std::uint16_t> rows, std::int64_t hour) {
    const std::uint32_t* keys = chunk.codes(Column::kKey);
    const std::int64_t* costs = costs_ ? chunk.numbers(Column::kCost) : nullptr;
    std::int64_t sum = 0;
    for (const std::uint16_t row : rows) {
      const std::int64_t cost = costs == nullptr || costs[row] == kNoNumber ? 0 : costs[row];
      sum = wrapping_add(sum, cost);
      const std::uint32_t key = key_of_[keys[row]];
      if (key != kNobody) hours_[key].add(hour, 1, cost);
    }
    total_.add(hour, static_cast<std::int64_t>(rows.size()), sum);
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
      if (add_place(key, id, {.first_ms = times[row], .requests = 1}) < PastPlace::kEnough) {
        continue;
      }
      recent.places[recent.next] = place;
      recent.next = (recent.next + 1) % recent.places.size();
    }
  }

  // How often it was there until now.
  std::int64_t add_place(std::uint32_t key, std::uint32_t id, const PastPlace& more) {
    const auto [at, fresh] = seen_.add(std::uint64_t{key} << 32 | id);
    if (fresh) past_.emplace_back();
    PastPlace& past = past_[at];
    past.first_ms = std::min(past.first_ms, more.first_ms);
    return past.requests += more.requests;
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
    const std::uint32_t id =
        named_place({geo ? std::string(*geo) : "",
                     network_of(asn ? std::optional<std::string>(*asn) : std::nullopt,
                                ip_.word(ip).value_or(""))});
    place_ids_.push_back(id);
    return id;
  }

  std::uint32_t named_place(PlaceName name) {
    const auto [at, fresh] =
        id_of_place_.try_emplace(std::move(name), static_cast<std::uint32_t>(place_names_.size()));
    if (fresh) place_names_.push_back(at->first);
    return at->second;
  }

  const std::optional<std::string> only_;  // of this key alone
  const std::unordered_map<std::string_view, std::uint32_t>& keys_;
  const bool places_, costs_;
  const std::int64_t first_hour_;
  std::vector<HourSums> hours_;  // by key
  HourSums total_;
  std::vector<PlaceName> place_names_;
  std::map<PlaceName, std::uint32_t> id_of_place_;
  FlatIndex seen_;               // key and place
  std::vector<PastPlace> past_;  // beside it
  std::unordered_map<std::string, std::uint32_t> prefixes_;
  // Of this file.
  std::vector<std::uint32_t> key_of_, prefix_of_;
  std::vector<std::uint8_t> success_;
  Dictionary key_words_, geo_, asn_, ip_;
  FlatIndex local_places_;
  std::vector<std::uint32_t> place_ids_;  // beside it
  std::vector<Recent> recent_;            // by key
};

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
  auto visitors = run_past<BaselineVisitor>(snapshot, selection, threads, [&] {
    return std::make_unique<BaselineVisitor>(spec, index, places);
  });
  if (!visitors) return std::unexpected(visitors.error());
  BaselineVisitor& all = *visitors->front();
  for (std::size_t i = 1; i < visitors->size(); ++i) {
    all.add(*(*visitors)[i]);
    (*visitors)[i].reset();
  }
  Baseline out{.keys = {}, .total = all.total(), .records = all.records, .first_ms = all.first_ms};
  std::vector<PastKey> found = all.keys();
  for (std::size_t i = 0; i < keys.size(); ++i) out.keys.emplace(keys[i], std::move(found[i]));
  return out;
}

}  // namespace sallyport::audit
