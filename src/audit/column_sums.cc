// SPDX-License-Identifier: Apache-2.0
#include "audit/column_sums.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "audit/address_network.h"
#include "audit/column_file.h"
#include "audit/flat_index.h"
#include "base/text.h"
#include "event/event.h"

namespace sallyport::audit {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::size_t kPiece = 4'096;  // rows that are unpacked at once

std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

template <class T>
std::span<const T> take(std::string_view& bytes, std::size_t count) {
  const std::span<const T> out(reinterpret_cast<const T*>(bytes.data()), count);
  bytes.remove_prefix(padded(count * sizeof(T)));
  return out;
}

template <class T>
void put(std::string& out, const std::vector<T>& all) {
  out.append(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(T));
  out.resize(padded(out.size()));
}

class SumsMaker {
 public:
  explicit SumsMaker(const ColumnFile& file) : file_(file) {}

  // Empty: there are too many, or the file is damaged.
  std::string make() {
    if (file_.max_ms() - file_.min_ms() > UINT32_MAX || !begin()) return {};
    for (std::size_t block = 0; block < file_.blocks(); ++block) {
      const std::size_t rows = file_.block_rows(block);
      for (std::size_t first = 0; first < rows; first += kPiece) {
        if (!piece(block, first, std::min(kPiece, rows - first))) return {};
      }
      if (cells_.size() + places_.size() + ips_.size() + models_.size() > kSumsEntriesMax) {
        return {};
      }
    }
    return write();
  }

 private:
  static constexpr std::array kNeeded = {Column::kKind,   Column::kKey,    Column::kIp,
                                         Column::kGeo,    Column::kAsn,    Column::kModel,
                                         Column::kStatus, Column::kVerdict};

  bool begin() {
    for (const Column column : kNeeded) {
      const auto words = file_.dictionary(column);
      if (!words) return false;
      words_[static_cast<std::size_t>(column)] = *words;
    }
    request_ = words(Column::kKind).find(name(Kind::kRequest)).value_or(0);
    pass_ = words(Column::kVerdict).find("pass").value_or(0);
    const Dictionary& statuses = words(Column::kStatus);
    success_.assign(statuses.size(), 0);
    for (std::uint32_t code = 1; code < statuses.size(); ++code) {
      success_[code] = statuses.word(code)->starts_with('2');
    }
    keys_.resize(words(Column::kKey).size());
    welcome_.resize((words(Column::kIp).size() + 63) / 64);
    prefix_.resize(words(Column::kIp).size());
    return true;
  }

  const Dictionary& words(Column column) const { return words_[static_cast<std::size_t>(column)]; }
  std::uint32_t code(Column column, std::size_t row) const {
    return codes_[static_cast<std::size_t>(column)][row];
  }

  bool piece(std::size_t block, std::size_t first, std::size_t count) {
    for (const Column column : kNeeded) {
      auto& into = codes_[static_cast<std::size_t>(column)];
      into.resize(kPiece);
      if (!file_.read_codes(column, block, first, count, into.data())) return false;
    }
    times_.resize(kPiece);
    costs_.resize(kPiece);
    if (!file_.read_numbers(Column::kTime, block, first, count, times_.data()) ||
        !file_.read_numbers(Column::kCost, block, first, count, costs_.data())) {
      return false;
    }
    for (std::size_t row = 0; row < count; ++row) {
      if (request_ != 0 && code(Column::kKind, row) == request_) take_row(row);
    }
    return true;
  }

  void take_row(std::size_t row) {
    const std::uint32_t key = code(Column::kKey, row);
    const auto since_ms = static_cast<std::uint32_t>(times_[row] - file_.min_ms());
    SumsKey& sum = keys_[key];
    if (sum.requests++ == 0 || since_ms < sum.first_ms) sum.first_ms = since_ms;
    const std::uint32_t verdict = code(Column::kVerdict, row);
    sum.attempts += verdict != 0 && verdict != pass_;
    const auto hour = static_cast<std::uint32_t>(times_[row] / kHourMs);
    const auto [cell, fresh] = cells_.add(std::uint64_t{key} << 32 | hour);
    if (fresh) cell_sums_.push_back({.hour = hour, .requests = 0, .cost = 0});
    ++cell_sums_[cell].requests;
    if (costs_[row] != kNoNumber) cell_sums_[cell].cost += costs_[row];
    if (success_[code(Column::kStatus, row)] != 0) take_success(key, since_ms, row);
  }

  void take_success(std::uint32_t key, std::uint32_t since_ms, std::size_t row) {
    const std::uint32_t ip = code(Column::kIp, row);
    welcome_[ip / 64] |= std::uint64_t{1} << (ip % 64);
    if (key == 0) return;
    ips_.add(std::uint64_t{key} << 32 | ip);
    models_.add(std::uint64_t{key} << 32 | code(Column::kModel, row));
    const std::uint32_t asn = code(Column::kAsn, row);
    const std::uint32_t network = asn != 0 ? asn : kByPrefix | prefix(ip);
    const std::uint32_t place =
        places_known_.add(std::uint64_t{code(Column::kGeo, row)} << 32 | network).first;
    const auto [at, fresh] = places_.add(std::uint64_t{key} << 32 | place);
    if (fresh) {
      place_sums_.push_back({.geo = code(Column::kGeo, row),
                             .network = network,
                             .requests = 0,
                             .first_ms = since_ms});
    }
    SumsPlace& sum = place_sums_[at];
    ++sum.requests;
    sum.first_ms = std::min(sum.first_ms, since_ms);
  }

  // The first address of the file that is in the same network.
  std::uint32_t prefix(std::uint32_t ip) {
    std::uint32_t& known = prefix_[ip];
    if (known == 0) {
      const std::string network =
          network_of(std::nullopt, words(Column::kIp).word(ip).value_or(""));
      known = prefixes_.try_emplace(network, ip).first->second + 1;
    }
    return known - 1;
  }

  // The places in `index` in the order of its numbers, and where each key's end.
  std::vector<std::uint32_t> in_order(const FlatIndex& index, std::uint32_t SumsKey::* end) {
    std::vector<std::uint32_t> order(index.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, {}, [&](std::uint32_t i) { return index.keys()[i]; });
    for (const std::uint64_t entry : index.keys()) ++(keys_[entry >> 32].*end);
    std::uint32_t sum = 0;
    for (SumsKey& key : keys_) sum = key.*end += sum;
    return order;
  }

  std::string write() {
    std::vector<SumsHour> cells, hours;
    for (const std::uint32_t i : in_order(cells_, &SumsKey::cells_end)) {
      cells.push_back(cell_sums_[i]);
    }
    std::vector<SumsPlace> places;
    for (const std::uint32_t i : in_order(places_, &SumsKey::places_end)) {
      places.push_back(place_sums_[i]);
    }
    const auto codes = [&](const FlatIndex& index, std::uint32_t SumsKey::* end) {
      std::vector<std::uint32_t> out;
      for (const std::uint32_t i : in_order(index, end)) {
        out.push_back(static_cast<std::uint32_t>(index.keys()[i]));
      }
      return out;
    };
    const std::vector<std::uint32_t> ips = codes(ips_, &SumsKey::ips_end);
    const std::vector<std::uint32_t> models = codes(models_, &SumsKey::models_end);
    sum_hours(cells, hours);
    std::vector<SumsKey> keys;
    for (std::uint32_t code = 0; code < keys_.size(); ++code) {
      if (keys_[code].requests == 0) continue;
      keys.push_back(keys_[code]);
      keys.back().code = code;
    }
    const auto size = [](const auto& all) { return static_cast<std::uint32_t>(all.size()); };
    const std::vector<SumsHead> head = {{.hours = size(hours),
                                         .keys = size(keys),
                                         .cells = size(cells),
                                         .places = size(places),
                                         .ips = size(ips),
                                         .models = size(models),
                                         .welcome_words = size(welcome_),
                                         .unused = 0}};
    std::string out;
    put(out, head);
    put(out, hours);
    put(out, keys);
    put(out, cells);
    put(out, places);
    put(out, ips);
    put(out, models);
    put(out, welcome_);
    return out;
  }

  static void sum_hours(const std::vector<SumsHour>& cells, std::vector<SumsHour>& hours) {
    FlatIndex known;
    for (const SumsHour& cell : cells) {
      const auto [at, fresh] = known.add(cell.hour);
      if (fresh) hours.push_back({.hour = cell.hour, .requests = 0, .cost = 0});
      hours[at].requests += cell.requests;
      hours[at].cost += cell.cost;
    }
    std::ranges::sort(hours, {}, &SumsHour::hour);
  }

  const ColumnFile& file_;
  std::array<Dictionary, kColumns> words_;
  std::array<std::vector<std::uint32_t>, kColumns> codes_;
  std::vector<std::int64_t> times_, costs_;
  std::uint32_t request_ = 0, pass_ = 0;
  std::vector<std::uint8_t> success_;
  std::vector<SumsKey> keys_;  // by code
  std::vector<std::uint64_t> welcome_;
  std::vector<std::uint32_t> prefix_;  // by address: 1 + its network's first address
  std::unordered_map<std::string, std::uint32_t> prefixes_;
  FlatIndex places_known_;                   // country and network
  FlatIndex cells_, places_, ips_, models_;  // key, and hour, place, address, model
  std::vector<SumsHour> cell_sums_;          // beside cells_
  std::vector<SumsPlace> place_sums_;        // beside places_
};

}  // namespace

std::optional<ColumnSums> ColumnSums::parse(std::string_view bytes) {
  SumsHead head{};
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  const auto size = [](std::size_t count, std::size_t each) { return padded(count * each); };
  const std::size_t expected =
      size(head.hours, sizeof(SumsHour)) + size(head.keys, sizeof(SumsKey)) +
      size(head.cells, sizeof(SumsHour)) + size(head.places, sizeof(SumsPlace)) +
      size(head.ips, sizeof(std::uint32_t)) + size(head.models, sizeof(std::uint32_t)) +
      size(head.welcome_words, sizeof(std::uint64_t));
  if (bytes.size() != expected) return std::nullopt;
  ColumnSums out;
  out.hours_ = take<SumsHour>(bytes, head.hours);
  out.keys_ = take<SumsKey>(bytes, head.keys);
  out.cells_ = take<SumsHour>(bytes, head.cells);
  out.places_ = take<SumsPlace>(bytes, head.places);
  out.ips_ = take<std::uint32_t>(bytes, head.ips);
  out.models_ = take<std::uint32_t>(bytes, head.models);
  out.welcome_ = take<std::uint64_t>(bytes, head.welcome_words);
  return out;
}

bool ColumnSums::ends_in_order() const {
  SumsKey before{};
  for (const SumsKey& key : keys_) {
    if (key.cells_end < before.cells_end || key.places_end < before.places_end ||
        key.ips_end < before.ips_end || key.models_end < before.models_end) {
      return false;
    }
    before = key;
  }
  return before.cells_end == cells_.size() && before.places_end == places_.size() &&
         before.ips_end == ips_.size() && before.models_end == models_.size();
}

bool ColumnSums::within(const SumsBounds& bounds) const {
  if (!ends_in_order() || welcome_.size() != (std::size_t{bounds.ips} + 63) / 64) return false;
  const auto span_ms = static_cast<std::uint64_t>(bounds.max_ms - bounds.min_ms);
  const auto in_time = [&](const SumsHour& cell) {
    return cell.hour >= bounds.min_ms / kHourMs && cell.hour <= bounds.max_ms / kHourMs;
  };
  const auto in_place = [&](const SumsPlace& place) {
    const std::uint32_t code = place.network & ~kByPrefix;
    const std::uint32_t codes = (place.network & kByPrefix) != 0 ? bounds.ips : bounds.asns;
    return place.geo < bounds.geos && code < codes && place.first_ms <= span_ms;
  };
  return std::ranges::all_of(hours_, in_time) && std::ranges::all_of(cells_, in_time) &&
         std::ranges::all_of(places_, in_place) &&
         std::ranges::all_of(keys_,
                             [&](const SumsKey& key) {
                               return key.code < bounds.keys && key.first_ms <= span_ms;
                             }) &&
         std::ranges::all_of(ips_, [&](std::uint32_t ip) { return ip < bounds.ips; }) &&
         std::ranges::all_of(models_, [&](std::uint32_t model) { return model < bounds.models; });
}

std::string with_sums(std::string bytes) {
  const auto file = ColumnFile::from_view(bytes, "new");
  if (!file) return bytes;
  const std::string sums = SumsMaker(**file).make();  // before `bytes` grow and move
  if (sums.empty()) return bytes;
  ColumnHeader header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::size_t behind = bytes.size();
  bytes.reserve(padded(behind) + sums.size());
  bytes.resize(padded(behind));
  header.sums_offset = bytes.size();
  header.sums_bytes = sums.size();
  bytes += sums;
  header.sums_crc = crc32c(std::string_view(bytes).substr(behind));
  header.header_crc =
      crc32c({reinterpret_cast<const char*>(&header), offsetof(ColumnHeader, header_crc)});
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace sallyport::audit
