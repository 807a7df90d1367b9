// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sallyport::geo {

struct Config {
  // The operator's MaxMind files (.mmdb), or a CSV in the form of Debian's tor-geoipdb
  // ("/path/geoip", with "/path/geoip6" beside it). "auto": /usr/share/tor/geoip where that is
  // installed. Empty: no country is known, and what asks for one is refused.
  std::string country = "auto";
  std::string network;  // .mmdb with autonomous systems
};

}  // namespace sallyport::geo
