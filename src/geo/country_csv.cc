// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "geo/database.h"

namespace sallyport::geo {
namespace {

constexpr std::size_t kLineBytesMax = 256;

struct Row {
  std::string_view first, last, country;
};

std::optional<Row> split(std::string_view line) {
  const std::size_t one = line.find(',');
  const std::size_t two = line.find(',', one == std::string_view::npos ? one : one + 1);
  if (two == std::string_view::npos) return std::nullopt;
  return Row{line.substr(0, one), line.substr(one + 1, two - one - 1), line.substr(two + 1)};
}

std::optional<Number4> parse_v4(std::string_view text) {
  const auto number = parse_uint(text);
  if (!number || *number > 0xffffffffU) return std::nullopt;
  return static_cast<Number4>(*number);
}

std::optional<Number6> parse_v6(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address || !text.contains(':')) return std::nullopt;
  return number6(*address);
}

// "Generated: Thu, 25 Jun 2026 04:33:59 GMT"
std::optional<UtcTime> generated(std::string_view comment) {
  constexpr std::string_view kWord = "Generated: ";
  const std::size_t at = comment.find(kWord);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string text(comment.substr(at + kWord.size()));
  struct tm parts{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != 0) return std::nullopt;
  return UtcTime(std::chrono::seconds(::timegm(&parts)));
}

class Reader {
 public:
  explicit Reader(Database& into) : into_(into) {}

  template <class Number>
  Result<void> read(std::string_view text, Ranges<Number>& ranges, const char* family,
                    std::optional<Number> (*parse)(std::string_view)) {
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (line.empty()) continue;
      if (line.starts_with('#')) {
        if (const auto built = generated(line.substr(0, kLineBytesMax))) into_.built = *built;
        continue;
      }
      const auto row = line.size() <= kLineBytesMax ? split(line) : std::nullopt;
      const auto first = row ? parse(row->first) : std::nullopt;
      const auto last = row ? parse(row->last) : std::nullopt;
      const auto country = row ? value_of(row->country) : std::nullopt;
      if (!first || !last || !country || !ranges.add(*first, *last, *country)) {
        return fail(Code::kCorrupt, std::string(family) + " line " + std::to_string(number) +
                                        " cannot be read, or is not in ascending order");
      }
      if (ranges.size() > kRangesMax) return fail(Code::kCorrupt, "too many ranges");
    }
    return {};
  }

 private:
  // Two characters; codes with others than letters ("??", "A1") stand for no country.
  std::optional<std::uint32_t> value_of(std::string_view code) {
    if (code.size() != 2) return std::nullopt;
    std::size_t place = 0;
    for (const char c : code) {
      if (c < 0x21 || c > 0x7e || (c >= 'a' && c <= 'z')) return std::nullopt;
      if (c < 'A' || c > 'Z') return 0;
      place = place * 26 + static_cast<std::size_t>(c - 'A');
    }
    std::uint32_t& value = values_[place];
    if (value == 0) {
      value = static_cast<std::uint32_t>(into_.locations.size());
      into_.locations.push_back({.country = std::string(code), .asn = {}, .network = {}});
    }
    return value;
  }

  Database& into_;
  std::array<std::uint32_t, 26 * 26> values_{};  // by code; 0: not met yet
};

}  // namespace

Result<Database> parse_country_csv(std::string_view v4, std::string_view v6) {
  Database database;
  database.kind = "IPFire Location Database (tor-geoipdb)";
  database.locations.emplace_back();
  Reader reader(database);
  const Result<void> four = reader.read<Number4>(v4, database.table.v4, "IPv4", parse_v4);
  if (!four) return std::unexpected(four.error());
  const Result<void> six = reader.read<Number6>(v6, database.table.v6, "IPv6", parse_v6);
  if (!six) return std::unexpected(six.error());
  if (database.table.size() == 0) return fail(Code::kCorrupt, "there is no range in it");
  database.table.finish();
  return database;
}

}  // namespace sallyport::geo
