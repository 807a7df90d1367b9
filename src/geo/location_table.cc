// SPDX-License-Identifier: Apache-2.0
#include "geo/location_table.h"

#include <utility>

#include "base/log.h"
#include "geo/file_text.h"

namespace sallyport::geo {
namespace {

constexpr std::string_view kAuto = "auto";
constexpr std::string_view kInstalled = "/usr/share/tor/geoip";  // Debian's tor-geoipdb

Result<Database> read_csv(const std::string& path) {
  const Result<FileText> four = read_file_text(path, kFileBytesMax);
  if (!four) return std::unexpected(four.error());
  const Result<FileText> six = read_file_text(path + "6", kFileBytesMax);
  if (!six && six.error().code != Code::kNotFound) return std::unexpected(six.error());
  Result<Database> database = parse_country_csv(four->text, six ? six->text : std::string_view());
  if (!database) return fail(database.error().code, path + ": " + database.error().what);
  if (database->built == UtcTime()) database->built = four->written;
  return database;
}

Result<Database> read_database(const std::string& path) {
  if (!path.ends_with(".mmdb")) return read_csv(path);
  Result<Database> database = read_mmdb(path);
  if (!database && !database.error().what.starts_with(path)) {
    return fail(database.error().code, path + ": " + database.error().what);
  }
  return database;
}

using Found = std::optional<Database>;

// Nothing where none is wanted, and where "auto" finds none.
Result<Found> read_country(const Config& config) {
  if (config.country.empty()) return Found();
  const bool by_itself = config.country == kAuto;
  Result<Database> database = read_database(by_itself ? std::string(kInstalled) : config.country);
  if (database) return Found(std::move(*database));
  if (by_itself && database.error().code == Code::kNotFound) return Found();
  return std::unexpected(database.error());
}

Result<Found> read_network(const Config& config) {
  if (config.network.empty()) return Found();
  Result<Database> database = read_database(config.network);
  if (!database) return std::unexpected(database.error());
  return Found(std::move(*database));
}

void tell(const Source& source, UtcTime now) {
  const auto age = std::chrono::floor<std::chrono::days>(now - source.built);
  const bool stale = age > kStaleAfter;
  log::write(stale ? log::Level::kWarn : log::Level::kInfo, stale ? "geo.stale" : "geo.loaded",
             {{"answers", source.answers},
              {"database", source.kind},
              {"path", source.path},
              {"built", format_utc(source.built)},
              {"age_days", static_cast<std::int64_t>(age.count())},
              {"ranges", static_cast<std::uint64_t>(source.ranges)}});
}

}  // namespace

Result<std::unique_ptr<LocationTable>> LocationTable::load(const Config& config, UtcTime now) {
  std::unique_ptr<LocationTable> made(new LocationTable());
  const auto told = [&](const std::string& path, const char* answers, const Database& from) {
    made->sources_.push_back({.answers = answers,
                              .kind = from.kind,
                              .path = path,
                              .built = from.built,
                              .ranges = from.table.size()});
    tell(made->sources_.back(), now);
  };
  Result<Found> country = read_country(config);
  if (!country) return std::unexpected(country.error());
  made->country_ = std::move(*country);
  const bool by_itself = config.country == kAuto;
  if (made->country_) {
    told(by_itself ? std::string(kInstalled) : config.country, "country", *made->country_);
  } else if (by_itself) {
    log::info("geo.no_country_database", {{"looked_for", kInstalled}});
  }
  Result<Found> network = read_network(config);
  if (!network) return std::unexpected(network.error());
  made->network_ = std::move(*network);
  if (made->network_) told(config.network, "network", *made->network_);
  return made;
}

Result<void> LocationTable::check(const Config& config) {
  const Result<Found> country = read_country(config);
  if (!country) return std::unexpected(country.error());
  const Result<Found> network = read_network(config);
  if (!network) return std::unexpected(network.error());
  return {};
}

Location LocationTable::locate(const IpAddress& address) const {
  Location location;
  if (country_) location.country = country_->locations[country_->table.find(address)].country;
  if (network_) {
    const Location& found = network_->locations[network_->table.find(address)];
    location.asn = found.asn;
    location.network = found.network;
  }
  return location;
}

std::optional<UtcTime> LocationTable::country_built() const {
  if (!country_) return std::nullopt;
  return country_->built;
}

}  // namespace sallyport::geo
