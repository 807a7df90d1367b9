// SPDX-License-Identifier: Apache-2.0
// What the finished requests of one column file come to, by key: a question about weeks reads this
// instead of a million rows. It stands behind the file's directory, and says exactly what the rows
// say. A file without it, or of which only a part is asked for, is read row by row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::audit {

class ColumnFile;

inline constexpr std::size_t kSumsEntriesMax = 512u << 10;  // beyond it a file has none: 8 MB
inline constexpr std::uint32_t kByPrefix = 1u << 31;        // of SumsPlace::network

// As they stand in the file, little-endian. Codes are those of the file's dictionaries.
struct SumsHead {
  std::uint32_t hours, keys, cells, places, ips, models, welcome_words, unused;
};
struct SumsHour {
  std::uint32_t hour;  // since 1970
  std::uint32_t requests;
  std::int64_t cost;  // nano-USD
};
// The ends are those of its entries in the lists below, which stand in the order of the keys.
struct SumsKey {
  std::uint32_t code;      // 0: of no key; has no entries in places, ips and models
  std::uint32_t requests;  // finished ones, whatever came of them
  std::uint32_t first_ms;  // the first of them, counted from the file's first record
  std::uint32_t attempts;  // at injection
  std::uint32_t cells_end, places_end, ips_end, models_end;
};
// A place that was successful.
struct SumsPlace {
  std::uint32_t geo;
  std::uint32_t network;  // an ASN; or kByPrefix and the first address of that network
  std::uint32_t requests;
  std::uint32_t first_ms;  // as in SumsKey
};

// What codes and times have to be within.
struct SumsBounds {
  std::uint32_t keys, ips, geos, asns, models;
  std::int64_t min_ms, max_ms;
};

// Views into the file.
class ColumnSums {
 public:
  // Nothing when the lengths do not fit the bytes, which begin at a multiple of 8.
  static std::optional<ColumnSums> parse(std::string_view bytes);
  bool within(const SumsBounds& bounds) const;

  std::span<const SumsHour> hours() const { return hours_; }  // of all keys
  std::span<const SumsKey> keys() const { return keys_; }     // by code
  // Of the key at this place in keys(); successful requests only, but for the cells.
  std::span<const SumsHour> cells(std::size_t key) const {
    return part(cells_, key, &SumsKey::cells_end);
  }
  std::span<const SumsPlace> places(std::size_t key) const {
    return part(places_, key, &SumsKey::places_end);
  }
  std::span<const std::uint32_t> ips(std::size_t key) const {
    return part(ips_, key, &SumsKey::ips_end);
  }
  std::span<const std::uint32_t> models(std::size_t key) const {
    return part(models_, key, &SumsKey::models_end);
  }
  // Had any request from this address success?
  bool welcome(std::uint32_t ip) const { return (welcome_[ip / 64] >> (ip % 64) & 1) != 0; }

 private:
  template <class T>
  std::span<const T> part(std::span<const T> all, std::size_t key,
                          std::uint32_t SumsKey::* end) const {
    const std::size_t from = key == 0 ? 0 : keys_[key - 1].*end;
    return all.subspan(from, keys_[key].*end - from);
  }
  bool ends_in_order() const;

  std::span<const SumsHour> hours_, cells_;
  std::span<const SumsKey> keys_;
  std::span<const SumsPlace> places_;
  std::span<const std::uint32_t> ips_, models_;
  std::span<const std::uint64_t> welcome_;
};

// The bytes of a file that has no sums yet, with them; or as they are, when there would be too many
// or its records lie more than 49 days apart.
std::string with_sums(std::string bytes);

}  // namespace sallyport::audit
