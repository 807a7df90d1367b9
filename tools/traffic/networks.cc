// SPDX-License-Identifier: Apache-2.0
#include "networks.h"

#include <array>

#include "base/ip_address.h"

namespace sallyport::traffic {
namespace {

constexpr std::uint32_t v4(unsigned a, unsigned b, unsigned c = 0) {
  return a << 24 | b << 16 | c << 8;
}

constexpr auto kEyeball = NetworkKind::kEyeball;
constexpr auto kMobile = NetworkKind::kMobile;
constexpr auto kCloud = NetworkKind::kCloud;
constexpr auto kHosting = NetworkKind::kHosting;

const std::vector<Network> kNetworks = {
    {"DE", kEyeball, 3320, "Deutsche Telekom AG", v4(84, 128), 12, 0x200300C0},
    {"DE", kEyeball, 3209, "Vodafone GmbH", v4(88, 64), 13},
    {"DE", kEyeball, 8881, "1&1 Versatel", v4(94, 134), 16},
    {"DE", kMobile, 6805, "Telefonica Germany", v4(176, 0), 15},
    {"GB", kEyeball, 2856, "British Telecommunications", v4(86, 128), 11, 0x2A0023C0},
    {"GB", kEyeball, 5607, "Sky UK", v4(90, 192), 12},
    {"GB", kMobile, 206067, "Three UK", v4(92, 40), 16},
    {"FR", kEyeball, 3215, "Orange", v4(90, 0), 11, 0x2A01CB00},
    {"FR", kEyeball, 12322, "Free SAS", v4(82, 64), 14},
    {"FR", kMobile, 5410, "Bouygues Telecom", v4(176, 128), 12},
    {"NL", kEyeball, 1136, "KPN", v4(77, 160), 13},
    {"NL", kMobile, 31615, "Odido Netherlands", v4(178, 224), 13},
    {"PL", kEyeball, 5617, "Orange Polska", v4(83, 0), 13},
    {"SE", kEyeball, 3301, "Telia Sverige", v4(81, 224), 12},
    {"ES", kEyeball, 3352, "Telefonica de Espana", v4(83, 32), 11},
    {"IT", kEyeball, 3269, "Telecom Italia", v4(79, 0), 11},
    {"CH", kEyeball, 3303, "Swisscom", v4(85, 0), 13},
    {"PT", kMobile, 3243, "MEO", v4(85, 240), 13},
    {"US", kEyeball, 7922, "Comcast Cable", v4(73, 0), 9, 0x26010640},
    {"US", kEyeball, 701, "Verizon Business", v4(71, 160), 11},
    {"US", kEyeball, 7018, "AT&T Services", v4(99, 0), 11},
    {"US", kMobile, 21928, "T-Mobile USA", v4(172, 32), 11, 0x2607FB90},
    {"CA", kEyeball, 812, "Rogers Communications", v4(99, 224), 11},
    {"BR", kEyeball, 27699, "Telefonica Brasil", v4(177, 32), 14},
    {"BR", kMobile, 26599, "Vivo", v4(177, 76), 15},
    {"MX", kEyeball, 8151, "Uninet", v4(187, 128), 11},
    {"VN", kEyeball, 7552, "Viettel Group", v4(27, 64), 12},
    {"VN", kEyeball, 45899, "VNPT Corp", v4(14, 160), 11, 0x2001EE00},
    {"VN", kEyeball, 18403, "FPT Telecom", v4(42, 112), 13},
    {"VN", kMobile, 24086, "Viettel Mobile", v4(171, 224), 11},
    {"TH", kEyeball, 17552, "True Internet", v4(58, 8), 15},
    {"ID", kEyeball, 7713, "Telkom Indonesia", v4(36, 64), 11},
    {"PH", kEyeball, 9299, "PLDT", v4(112, 200), 13},
    {"SG", kEyeball, 9506, "Singtel Fibre", v4(116, 14), 15},
    {"SG", kMobile, 4773, "MobileOne", v4(116, 86), 15},
    {"JP", kEyeball, 4713, "NTT Communications", v4(153, 128), 10},
    {"JP", kMobile, 2516, "KDDI", v4(106, 128), 10},
    {"KR", kEyeball, 4766, "Korea Telecom", v4(121, 128), 10},
    {"CN", kEyeball, 4134, "China Telecom", v4(113, 64), 10},
    {"HK", kEyeball, 4760, "HKT", v4(218, 252), 15},
    {"IN", kEyeball, 24560, "Bharti Airtel", v4(122, 160), 12},
    {"IN", kMobile, 55836, "Reliance Jio", v4(49, 32), 12, 0x24090400},
    {"AU", kEyeball, 1221, "Telstra", v4(101, 160), 11},
    {"TR", kEyeball, 47331, "Turk Telekom", v4(78, 160), 11},
    {"UA", kMobile, 15895, "Kyivstar", v4(46, 211), 16},
    {"RU", kEyeball, 12389, "Rostelecom", v4(95, 24), 13},
    {"NG", kMobile, 29465, "MTN Nigeria", v4(105, 112), 12},
    {"ZA", kEyeball, 37457, "Telkom SA", v4(105, 224), 14},
    {"AE", kEyeball, 5384, "Emirates Telecommunications", v4(94, 200), 13},

    {"DE", kCloud, 16509, "Amazon.com", v4(3, 64), 12, 0x2A05D014},
    {"IE", kCloud, 16509, "Amazon.com", v4(34, 240), 13, 0x2A05D018},
    {"US", kCloud, 14618, "Amazon AES", v4(3, 80), 12, 0x26001F18},
    {"SG", kCloud, 16509, "Amazon.com", v4(13, 228), 15},
    {"JP", kCloud, 16509, "Amazon.com", v4(13, 112), 14},
    {"GB", kCloud, 16509, "Amazon.com", v4(18, 132), 14},
    {"IN", kCloud, 16509, "Amazon.com", v4(13, 232), 14},
    {"AU", kCloud, 16509, "Amazon.com", v4(13, 236), 14},
    {"US", kCloud, 396982, "Google Cloud", v4(35, 224), 14},
    {"NL", kCloud, 396982, "Google Cloud", v4(34, 90), 15},
    {"DE", kCloud, 396982, "Google Cloud", v4(34, 107), 17},
    {"US", kCloud, 8075, "Microsoft Azure", v4(20, 96), 14},
    {"NL", kCloud, 8075, "Microsoft Azure", v4(20, 50, 128), 17},
    {"SG", kCloud, 8075, "Microsoft Azure", v4(52, 187), 17},

    {"DE", kHosting, 24940, "Hetzner Online", v4(88, 198), 16, 0x2A0104F8},
    {"FI", kHosting, 24940, "Hetzner Online", v4(65, 108), 16},
    {"FR", kHosting, 16276, "OVH SAS", v4(51, 75), 19},
    {"FR", kHosting, 12876, "Scaleway", v4(51, 158), 17},
    {"US", kHosting, 14061, "DigitalOcean", v4(159, 65, 160), 19, 0x2604A880},
    {"SG", kHosting, 14061, "DigitalOcean", v4(128, 199, 64), 18},
    {"GB", kHosting, 14061, "DigitalOcean", v4(178, 62), 17},
    {"US", kHosting, 20473, "The Constant Company", v4(45, 76), 19},
    {"JP", kHosting, 20473, "The Constant Company", v4(45, 76, 192), 19},
    {"US", kHosting, 63949, "Akamai Linode", v4(172, 104), 19},
    {"DE", kHosting, 51167, "Contabo", v4(161, 97, 64), 18},
    {"RO", kHosting, 9009, "M247 Europe", v4(146, 70), 21},
    {"NL", kHosting, 60781, "LeaseWeb Netherlands", v4(85, 17), 17},
    {"NL", kHosting, 9009, "M247 Europe", v4(185, 107, 56), 22},
    {"SE", kHosting, 39351, "31173 Services", v4(185, 65, 135), 24},
    {"CH", kHosting, 51852, "Private Layer", v4(179, 43, 128), 18},
    {"GB", kHosting, 212238, "Datacamp", v4(185, 59, 221), 24},
    {"VN", kHosting, 135905, "VNPT VNNIC Hosting", v4(103, 74, 116), 22},
    {"VN", kHosting, 45544, "SUPERDATA", v4(103, 221, 220), 22},
    {"HK", kHosting, 45102, "Alibaba Cloud", v4(8, 210), 16},
    {"SG", kHosting, 132203, "Tencent Cloud", v4(43, 134), 17},
    {"RU", kHosting, 9123, "TimeWeb", v4(92, 53, 96), 19},
    {"IN", kHosting, 14061, "DigitalOcean", v4(139, 59), 18},
    {"PL", kHosting, 16276, "OVH SAS", v4(51, 68, 128), 20},
    {"BR", kHosting, 28209, "Under Servicos de Internet", v4(177, 136, 224), 20},
    {"AU", kHosting, 38719, "Dreamscape Networks", v4(27, 124, 112), 20},
};

struct Zone {
  std::string_view country;
  int utc_offset_h;
};
constexpr std::array kZones = {
    Zone{"DE", 1},  Zone{"GB", 0},  Zone{"FR", 1}, Zone{"NL", 1}, Zone{"PL", 1},  Zone{"SE", 1},
    Zone{"ES", 1},  Zone{"IT", 1},  Zone{"CH", 1}, Zone{"PT", 0}, Zone{"US", -5}, Zone{"CA", -5},
    Zone{"BR", -3}, Zone{"MX", -6}, Zone{"VN", 7}, Zone{"TH", 7}, Zone{"ID", 7},  Zone{"PH", 8},
    Zone{"SG", 8},  Zone{"JP", 9},  Zone{"KR", 9}, Zone{"CN", 8}, Zone{"HK", 8},  Zone{"IN", 5},
    Zone{"AU", 10}, Zone{"TR", 3},  Zone{"UA", 2}, Zone{"RU", 3}, Zone{"NG", 1},  Zone{"ZA", 2},
    Zone{"AE", 4},  Zone{"IE", 0},  Zone{"FI", 2}, Zone{"RO", 2},
};

}  // namespace

std::string_view name(NetworkKind kind) {
  switch (kind) {
    case NetworkKind::kEyeball:
      return "eyeball";
    case NetworkKind::kMobile:
      return "mobile";
    case NetworkKind::kCloud:
      return "cloud";
    case NetworkKind::kHosting:
      return "hosting";
  }
  return "";
}

const std::vector<Network>& networks() { return kNetworks; }

std::vector<NetworkIndex> networks_of(std::string_view country, NetworkKind kind) {
  std::vector<NetworkIndex> found;
  for (std::size_t i = 0; i < kNetworks.size(); ++i) {
    if (kNetworks[i].kind == kind && (country.empty() || kNetworks[i].country == country)) {
      found.push_back(static_cast<NetworkIndex>(i));
    }
  }
  return found;
}

std::vector<NetworkIndex> networks_of(NetworkKind kind) { return networks_of("", kind); }

Address draw_address(const Network& network, Dice& dice) {
  if (network.v6_top != 0 && dice.chance(0.35)) {
    const std::uint64_t subnet = dice.bits() & 0xFFFFFFFFU;
    return {static_cast<std::uint64_t>(network.v6_top) << 32 | subnet, dice.bits() | 1};
  }
  const int free_bits = 32 - network.v4_bits;
  // Neither the network's first nor its last addresses: those are routers and broadcasts.
  const auto offset =
      static_cast<std::uint64_t>(dice.whole(10, (std::int64_t{1} << free_bits) - 10));
  return {0, network.v4_base + offset};
}

Address privacy_address(const Address& address, Dice& dice) {
  if (address.high == 0) return address;
  return {address.high, dice.bits() | 1};
}

void append_address(std::string& out, const Address& address) {
  if (address.high == 0) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      const unsigned part = address.low >> shift & 0xFF;
      if (part >= 100) out += static_cast<char>('0' + part / 100);
      if (part >= 10) out += static_cast<char>('0' + part / 10 % 10);
      out += static_cast<char>('0' + part % 10);
      if (shift > 0) out += '.';
    }
    return;
  }
  std::array<std::uint8_t, 16> bytes{};
  for (int i = 0; i < 8; ++i) {
    bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(address.high >> (56 - 8 * i));
    bytes[static_cast<std::size_t>(i + 8)] = static_cast<std::uint8_t>(address.low >> (56 - 8 * i));
  }
  out += IpAddress::v6(bytes).text();
}

std::string text(const Address& address) {
  std::string out;
  append_address(out, address);
  return out;
}

int utc_offset_h(std::string_view country) {
  for (const Zone& zone : kZones) {
    if (zone.country == country) return zone.utc_offset_h;
  }
  return 0;
}

const std::vector<std::string_view>& office_countries() {
  static const std::vector<std::string_view> kOffices = {"VN", "DE", "US", "GB", "FR", "JP",
                                                         "SG", "IN", "NL", "PL", "AU", "BR"};
  return kOffices;
}

const std::vector<std::string_view>& countries() {
  static const std::vector<std::string_view> kAll = [] {
    std::vector<std::string_view> all;
    for (const Zone& zone : kZones) {
      if (zone.country != "IE" && zone.country != "FI" && zone.country != "RO") {
        all.push_back(zone.country);
      }
    }
    return all;
  }();
  return kAll;
}

}  // namespace sallyport::traffic
