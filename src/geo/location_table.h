// SPDX-License-Identifier: Apache-2.0
// Geography from the operator's files, read once at the start: countries from a MaxMind file or
// from Debian's tor-geoipdb, networks from a MaxMind file of autonomous systems. Immutable, so that
// any thread may ask without a lock; a newer file is taken at the next start.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/ports/geography.h"
#include "geo/config.h"
#include "geo/database.h"

namespace sallyport::geo {

// Older than this, what a database says is a hint and no proof.
inline constexpr std::chrono::days kStaleAfter{183};

struct Source {
  std::string answers;  // "country" or "network"
  std::string kind;
  std::string path;
  UtcTime built{};
  std::size_t ranges = 0;
};

class LocationTable final : public Geography {
 public:
  // kUnavailable, kCorrupt: a configured file, by name; the error says which and why. With "auto" a
  // missing file is no error: no country is known then. Logs which database answers, and its age.
  static Result<std::unique_ptr<LocationTable>> load(const Config& config, UtcTime now);

  // Whether load() would take the files; logs nothing.
  static Result<void> check(const Config& config);

  Location locate(const IpAddress& address) const override;  // about 0.1 us a file

  const std::vector<Source>& sources() const { return sources_; }
  // When the country database was built; nothing without one.
  std::optional<UtcTime> country_built() const;

 private:
  LocationTable() = default;

  std::optional<Database> country_, network_;
  std::vector<Source> sources_;
};

}  // namespace sallyport::geo
