// SPDX-License-Identifier: Apache-2.0
#include "detect/datacentres.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "detect/hash.h"

namespace sallyport::detect {
namespace {

constexpr char kList[] = {
#embed "../../rules/datacentres.txt"
    , '\0'};

constexpr std::string_view kWords[] = {
    "hosting",      "hoster",     "cloud",   "datacent", "data cent", "vps",
    "server",       "colocation", "dedicat", "amazon",   "azure",     "google",
    "digitalocean", "hetzner",    "ovh",     "linode",   "vultr",     "akamai",
    "oracle",       "alibaba",    "tencent", "leaseweb", "contabo",   "m247",
    "choopa",       "scaleway",   "fastly",  "proxy",    "vpn"};

std::optional<std::uint32_t> v4_number(std::string_view text) {
  std::uint32_t number = 0;
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto byte = parse_uint(text.substr(0, dot));
    if (!byte || *byte > 255) return std::nullopt;
    number = number << 8 | static_cast<std::uint32_t>(*byte);
    text.remove_prefix(std::min(text.size(), dot + 1));
  }
  return number;
}

}  // namespace

// One a line: "asn NUMBER name" or "net A.B.C.D/BITS name"; a test reads that every line is one.
Datacentres::Datacentres() {
  std::string_view list(kList);
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\n'), list.size());
    std::string_view line = list.substr(0, end);
    list.remove_prefix(std::min(list.size(), end + 1));
    const bool asn = line.starts_with("asn "), net = line.starts_with("net ");
    if (!asn && !net) continue;
    line.remove_prefix(4);
    const std::string_view word = line.substr(0, line.find(' '));
    if (asn) {
      if (const auto number = parse_uint(word))
        asns_.push_back(static_cast<std::uint32_t>(*number));
      continue;
    }
    const std::size_t slash = word.find('/');
    if (slash == std::string_view::npos) continue;
    const auto base = v4_number(word.substr(0, slash));
    const auto bits = parse_uint(word.substr(slash + 1));
    if (!base || !bits || *bits < 1 || *bits > 32) continue;
    const auto span = static_cast<std::uint32_t>((std::uint64_t{1} << (32 - *bits)) - 1);
    const std::string_view owner = line.substr(std::min(line.size(), word.size() + 1));
    ranges_.push_back({.first = *base & ~span,
                       .last = *base | span,
                       .owner = static_cast<std::uint32_t>(hash(owner)) | 1});
  }
  std::sort(asns_.begin(), asns_.end());
  std::ranges::sort(ranges_, {}, &Range::first);
}

bool Datacentres::asn(std::uint32_t number, std::string_view name) {
  Known& known = asked_[number % asked_.size()];
  if (known.asn == number) return known.datacentre;
  bool is = std::binary_search(asns_.begin(), asns_.end(), number);
  if (!is && !name.empty()) {
    const std::string lower = lower_ascii(name.substr(0, 64));
    for (const std::string_view word : kWords) is = is || lower.contains(word);
  }
  known = {.asn = number, .datacentre = is};
  return is;
}

std::uint32_t Datacentres::v4(std::uint32_t address) const {
  const auto behind = std::ranges::upper_bound(ranges_, address, {}, &Range::first);
  if (behind == ranges_.begin() || std::prev(behind)->last < address) return 0;
  return std::prev(behind)->owner;
}

}  // namespace sallyport::detect
