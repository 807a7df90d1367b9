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
  const auto take = [&](const std::string& path, const char* answers,
                        std::optional<Database>& into) -> Result<void> {
    Result<Database> database = read_database(path);
    if (!database) return std::unexpected(database.error());
    into = std::move(*database);
    made->sources_.push_back({.answers = answers,
                              .kind = into->kind,
                              .path = path,
                              .built = into->built,
                              .ranges = into->table.size()});
    tell(made->sources_.back(), now);
    return {};
  };

  if (!config.country.empty()) {
    const bool by_itself = config.country == kAuto;
    const Result<void> taken =
        take(by_itself ? std::string(kInstalled) : config.country, "country", made->country_);
    const bool missing = !taken && by_itself && taken.error().code == Code::kNotFound;
    if (!taken && !missing) return std::unexpected(taken.error());
    if (missing) log::info("geo.no_country_database", {{"looked_for", kInstalled}});
  }
  if (!config.network.empty()) {
    const Result<void> taken = take(config.network, "network", made->network_);
    if (!taken) return std::unexpected(taken.error());
  }
  return made;
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
