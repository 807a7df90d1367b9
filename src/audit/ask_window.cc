// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_window.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "audit/address_network.h"
#include "audit/flat_index.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kSomeMax = 16;
constexpr std::size_t kRememberedMax = 65'536;  // places in the map, to save the search
constexpr std::size_t kModelsMax = 64;
constexpr std::size_t kSeqsMax = 8;
constexpr std::size_t kClaimsMax = 4'096;
constexpr std::int64_t kHourMs = 3'600'000;

std::string text(std::optional<std::string_view> word) {
  return word ? std::string(*word) : std::string();
}

void keep_some(std::set<std::string>& into, std::optional<std::string_view> word) {
  if (word && into.size() < kSomeMax) into.emplace(*word);
}

bool is_refusal(std::string_view status) { return status == "401" || status == "403"; }
bool is_success(std::string_view status) { return status.starts_with('2'); }

void merge(WindowSource& into, WindowSource& from) {
  into.requests += from.requests;
  into.refused += from.refused;
  into.claimed.merge(from.claimed);
  while (into.claimed.size() > WindowSource::kClaimedMax) into.claimed.erase(into.claimed.begin());
}

SourceId source_id(std::string_view ip, const Place& place, AddressFold fold) {
  if (fold == AddressFold::kNone) return {std::string(ip), {}};
  return {fold_address(ip, fold), place.geo.value_or("") + " " + place.asn.value_or("")};
}

void count_sources(Window& window) {
  window.sources = 0;
  for (const auto& [key, now] : window.keys) {
    window.sources += now.sources.size();
    for (const auto& [id, source] : now.sources) window.sources += source.claimed.size();
  }
}

void fold(Window& window, AddressFold fold) {
  window.fold = fold;
  for (auto& [key, now] : window.keys) {
    std::map<SourceId, WindowSource> folded;
    while (!now.sources.empty()) {
      const auto first = now.sources.extract(now.sources.begin());
      WindowSource& source = first.mapped();
      const SourceId id = source_id(first.key().ip, source.place, fold);
      const auto known = folded.find(id);
      if (known == folded.end()) {
        folded.emplace(id, std::move(source));
      } else {
        merge(known->second, source);
      }
    }
    now.sources = std::move(folded);
  }
  count_sources(window);
}

// How far is decided by how many there are in all: what is folded does not depend on the order.
void fold_beyond(Window& window, std::size_t sources_max) {
  while (window.sources > sources_max && window.fold != AddressFold::kNetwork) {
    fold(window, window.fold == AddressFold::kNone ? AddressFold::kSubnet : AddressFold::kNetwork);
  }
}

// From where it was last to where it is then.
void note_move(WindowKey& key, std::string_view geo, std::int64_t at_ms) {
  if (key.last_geo.empty() || key.last_geo == geo) return;
  ++key.switches;
  key.switch_ms_min = std::min(key.switch_ms_min, at_ms - key.last_ms);
}

class WindowVisitor final : public ChunkVisitor {
 public:
  explicit WindowVisitor(std::size_t sources_max) : sources_max_(sources_max) {}

  Window window;

  Result<void> begin_file(const ColumnFile& file) override {
    for (const Column column : kNeeded) {
      auto words = file.dictionary(column);
      if (!words) return std::unexpected(words.error());
      words_[static_cast<std::size_t>(column)] = *words;
    }
    keys_.assign(words_of(Column::kKey).size(), {});
    status_.assign(words_of(Column::kStatus).size(), kOther);
    for (std::uint32_t code = 0; code < status_.size(); ++code) {
      const std::string_view word = words_of(Column::kStatus).word(code).value_or("");
      if (is_success(word)) status_[code] = kSuccess;
      if (is_refusal(word)) status_[code] = kRefusal;
    }
    budget_.assign(words_of(Column::kError).size(), 0);
    for (std::uint32_t code = 1; code < budget_.size(); ++code) {
      budget_[code] = words_of(Column::kError).word(code)->contains("budget");
    }
    pass_ = words_of(Column::kVerdict).find("pass").value_or(0);
    forget_sources();
    model_pairs_.clear();
    models_.clear();
    return {};
  }

  Result<void> visit(Chunk& chunk) override {
    codes_.fill(nullptr);
    for (const Column column : kNeeded)
      codes_[static_cast<std::size_t>(column)] = chunk.codes(column);
    times_ = chunk.numbers(Column::kTime);
    costs_ = chunk.numbers(Column::kCost);
    repeated_ = chunk.numbers(Column::kRepeated);
    scores_ = chunk.numbers(Column::kScore);
    for (const std::uint16_t row : chunk.rows()) take(row, chunk.seq(row));
    if (window.sources > sources_max_) {
      fold_beyond(window, sources_max_);
      forget_sources();
    }
    return {};
  }

 private:
  static constexpr std::array kNeeded = {
      Column::kKind,       Column::kKey,     Column::kIp,
      Column::kGeo,        Column::kAsn,     Column::kNetwork,
      Column::kModel,      Column::kStatus,  Column::kUpstreamStatus,
      Column::kError,      Column::kVerdict, Column::kCategories,
      Column::kClaimedKid, Column::kKid};

  const Dictionary& words_of(Column column) const {
    return words_[static_cast<std::size_t>(column)];
  }
  std::uint32_t code(Column column, std::uint16_t row) const {
    return codes_[static_cast<std::size_t>(column)][row];
  }
  std::optional<std::string_view> word(Column column, std::uint16_t row) const {
    return words_of(column).word(code(column, row));
  }

  enum Status : std::uint8_t { kOther, kSuccess, kRefusal };

  // A key of this file, and what its last row was: most often the next is alike.
  struct KeyNow {
    WindowKey* key = nullptr;
    std::int64_t hour = -1;
    std::int64_t* hour_requests = nullptr;
    std::uint32_t kid = 0, geo = 0;
  };

  void take(std::uint16_t row, std::uint64_t seq) {
    ++window.records;
    KeyNow& now = keys_[code(Column::kKey, row)];
    if (now.key == nullptr) now.key = &window.keys[text(word(Column::kKey, row))];
    WindowKey& key = *now.key;
    const std::int64_t times = repeated_[row] == kNoNumber ? 1 : repeated_[row];
    const std::uint8_t status = status_[code(Column::kStatus, row)];
    key.requests += times;
    if (const std::int64_t hour = times_[row] / kHourMs; hour != now.hour) {
      now.hour = hour;
      now.hour_requests = &key.hours[hour];
    }
    *now.hour_requests += times;
    if (costs_[row] != kNoNumber) {
      key.cost += costs_[row];
    } else if (status == kSuccess) {
      key.unpriced += times;
    }
    if (budget_[code(Column::kError, row)] != 0) key.budget_refused += times;
    if (code(Column::kModel, row) != 0) count_model(key, row);

    WindowSource& source = source_of(key, row);
    source.requests += times;
    if (status == kRefusal) source.refused += times;
    if (code(Column::kClaimedKid, row) != 0) claimed(source, word(Column::kClaimedKid, row));
    if (const std::uint32_t kid = code(Column::kKid, row); kid != now.kid) {
      now.kid = kid;
      keep_some(key.kids, word(Column::kKid, row));
    }
    if (status == kRefusal) claim(row, times);
    window.with_geo += code(Column::kGeo, row) != 0;
    window.with_asn += code(Column::kAsn, row) != 0;
    if (status == kSuccess && code(Column::kGeo, row) != 0) {
      if (code(Column::kGeo, row) != now.geo) moved(key, *word(Column::kGeo, row), times_[row]);
      now.geo = code(Column::kGeo, row);
      key.last_ms = times_[row];
    }
    if (code(Column::kVerdict, row) != 0) injection(key, row, seq, status);
  }

  void claimed(WindowSource& source, std::optional<std::string_view> kid) {
    if (!kid || source.claimed.size() >= WindowSource::kClaimedMax) return;
    window.sources += source.claimed.emplace(*kid).second;
  }

  void claim(std::uint16_t row, std::int64_t times) {
    const auto kid = word(Column::kClaimedKid, row);
    if (!kid) return;
    const auto known = window.claims.find(std::string(*kid));
    if (known != window.claims.end()) {
      known->second += times;
    } else if (window.claims.size() < kClaimsMax) {
      window.claims.emplace(*kid, times);
    }
  }

  std::uint64_t pair_of(std::uint16_t row, Column with) const {
    return std::uint64_t{code(Column::kKey, row)} << 32 | code(with, row);
  }

  void count_model(WindowKey& key, std::uint16_t row) {
    const auto [at, fresh] = model_pairs_.add(pair_of(row, Column::kModel));
    if (fresh) {
      const std::string model(*word(Column::kModel, row));
      const bool room = key.models.size() < kModelsMax || key.models.contains(model);
      models_.push_back(room ? &key.models[model] : nullptr);
    }
    if (models_[at] != nullptr) ++*models_[at];
  }

  void forget_sources() {
    source_pairs_.clear();
    sources_.clear();
  }

  WindowSource& source_of(WindowKey& key, std::uint16_t row) {
    if (sources_.size() > kRememberedMax) forget_sources();
    const auto [remembered, unseen] = source_pairs_.add(pair_of(row, Column::kIp));
    if (!unseen) return *sources_[remembered];
    const std::string ip = text(word(Column::kIp, row));
    const auto copy = [&](Column column) -> std::optional<std::string> {
      const auto found = word(column, row);
      return found ? std::optional<std::string>(*found) : std::nullopt;
    };
    Place place{copy(Column::kGeo), copy(Column::kAsn), copy(Column::kNetwork), {}};
    const auto [at, fresh] = key.sources.try_emplace(source_id(ip, place, window.fold));
    sources_.push_back(&at->second);
    if (!fresh) return at->second;
    ++window.sources;
    place.network_id = network_of(place.asn, ip);
    at->second.place = std::move(place);
    return at->second;
  }

  static void moved(WindowKey& key, std::string_view geo, std::int64_t at_ms) {
    if (key.last_geo.empty()) {
      key.first_geo = geo;
      key.first_ms = at_ms;
    }
    note_move(key, geo, at_ms);
    key.last_geo = geo;
  }

  void injection(WindowKey& key, std::uint16_t row, std::uint64_t seq, std::uint8_t status) {
    ++window.scored;
    if (code(Column::kVerdict, row) == pass_) return;
    WindowInjection& found = key.injection;
    ++found.attempts;
    found.score_max = std::max(found.score_max, scores_[row]);
    keep_some(found.categories, word(Column::kCategories, row));
    keep_some(found.ips, word(Column::kIp, row));
    // It got through when the provider was asked, whatever came of it.
    if (status == kSuccess || code(Column::kUpstreamStatus, row) != 0) {
      ++found.got_through;
      if (found.seqs.size() < kSeqsMax) found.seqs.push_back(seq);
    } else if (code(Column::kStatus, row) == 0) {
      ++found.open;
    } else {
      ++found.stopped;
    }
  }

  const std::size_t sources_max_;
  std::array<Dictionary, kColumns> words_;
  std::array<const std::uint32_t*, kColumns> codes_{};
  const std::int64_t* times_ = nullptr;
  const std::int64_t* costs_ = nullptr;
  const std::int64_t* repeated_ = nullptr;
  const std::int64_t* scores_ = nullptr;
  // Of this file, by code.
  std::vector<KeyNow> keys_;
  std::vector<std::uint8_t> status_, budget_;
  std::uint32_t pass_ = 0;
  FlatIndex source_pairs_, model_pairs_;  // codes of key and address, of key and model
  std::vector<WindowSource*> sources_;    // beside them
  std::vector<std::int64_t*> models_;
};

void merge(WindowInjection& into, WindowInjection& from) {
  into.attempts += from.attempts;
  into.stopped += from.stopped;
  into.got_through += from.got_through;
  into.open += from.open;
  into.score_max = std::max(into.score_max, from.score_max);
  into.categories.merge(from.categories);
  into.ips.merge(from.ips);
  into.seqs.insert(into.seqs.end(), from.seqs.begin(), from.seqs.end());
  if (into.seqs.size() > kSeqsMax) into.seqs.resize(kSeqsMax);
}

// `from` is later than `into`.
void merge(WindowKey& into, WindowKey& from) {
  into.requests += from.requests;
  into.unpriced += from.unpriced;
  into.budget_refused += from.budget_refused;
  into.cost += from.cost;
  for (const auto& [model, count] : from.models) into.models[model] += count;
  for (const auto& [hour, count] : from.hours) into.hours[hour] += count;
  into.sources.merge(from.sources);  // what is known already stays behind
  for (auto& [id, source] : from.sources) merge(into.sources.at(id), source);
  into.kids.merge(from.kids);
  if (!from.last_geo.empty()) {
    note_move(into, from.first_geo, from.first_ms);
    if (into.last_geo.empty()) {
      into.first_geo = from.first_geo;
      into.first_ms = from.first_ms;
    }
    into.last_geo = from.last_geo;
    into.last_ms = from.last_ms;
  }
  into.switches += from.switches;
  into.switch_ms_min = std::min(into.switch_ms_min, from.switch_ms_min);
  merge(into.injection, from.injection);
}

}  // namespace

Result<Window> read_window(const ColumnSnapshot& snapshot, const AskSpec& spec,
                           std::size_t threads) {
  Selection selection{.since = spec.at - spec.since, .until = spec.at};
  selection.conditions.push_back(
      {.columns = {Column::kKind}, .word = [](std::optional<std::string_view> word) {
         return word == name(Kind::kRequest) || word == name(Kind::kIntent);
       }});
  if (spec.key) selection.conditions.push_back(word_is(Column::kKey, *spec.key));
  std::vector<std::unique_ptr<WindowVisitor>> visitors;
  std::vector<ChunkVisitor*> pointers;
  for (std::size_t i = 0; i < threads; ++i) {
    visitors.push_back(std::make_unique<WindowVisitor>(spec.sources_max));
    pointers.push_back(visitors.back().get());
  }
  const auto count = scan(snapshot, selection, pointers);
  if (!count) return std::unexpected(count.error());
  Window window = std::move(visitors.front()->window);
  for (std::size_t i = 1; i < threads; ++i) {
    Window& more = visitors[i]->window;
    if (more.fold < window.fold) fold(more, window.fold);
    if (window.fold < more.fold) fold(window, more.fold);
    for (auto& [key, from] : more.keys) merge(window.keys[key], from);
    window.records += more.records;
    window.with_geo += more.with_geo;
    window.with_asn += more.with_asn;
    window.scored += more.scored;
    for (const auto& [kid, claims] : more.claims) window.claims[kid] += claims;
    visitors[i].reset();
  }
  count_sources(window);
  fold_beyond(window, spec.sources_max);
  return window;
}

}  // namespace sallyport::audit
