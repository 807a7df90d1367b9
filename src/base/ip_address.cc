// SPDX-License-Identifier: Apache-2.0
#include "base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/text.h"

namespace sallyport {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
// NAT64 (RFC 6052): the IPv4 address lies in the last four bytes, and a gateway there reaches it.
constexpr std::array<std::uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};

struct V4Range {
  std::uint32_t base;
  int bits;
};
constexpr V4Range kPrivateV4[] = {
    {0x00000000, 8},   // "this network": on Linux 0.0.0.0 reaches the host itself
    {0x0a000000, 8},   // RFC 1918
    {0x64400000, 10},  // carrier-grade NAT
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link local, where clouds keep their metadata service
    {0xac100000, 12},  // RFC 1918
    {0xc0a80000, 16},  // RFC 1918
};

std::uint32_t last_four(const std::array<std::uint8_t, 16>& bytes) {
  return std::uint32_t{bytes[12]} << 24 | std::uint32_t{bytes[13]} << 16 |
         std::uint32_t{bytes[14]} << 8 | bytes[15];
}

bool is_private_v4(std::uint32_t address) {
  return std::ranges::any_of(kPrivateV4, [address](const V4Range& range) {
    return (address ^ range.base) >> (32 - range.bits) == 0;
  });
}

bool starts_with(const std::array<std::uint8_t, 16>& bytes,
                 const std::array<std::uint8_t, 12>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof(copy) || text.contains('\0')) return std::nullopt;
  *std::copy(text.begin(), text.end(), copy) = '\0';
  std::array<std::uint8_t, 16> bytes{};
  if (text.contains(':')) {
    if (inet_pton(AF_INET6, copy, bytes.data()) != 1) return std::nullopt;
    return v6(bytes);
  }
  std::copy(kMapped.begin(), kMapped.end(), bytes.begin());
  if (inet_pton(AF_INET, copy, bytes.data() + 12) != 1) return std::nullopt;
  return v6(bytes);
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress address;
  std::copy(kMapped.begin(), kMapped.end(), address.bytes_.begin());
  for (int i = 0; i < 4; ++i) {
    address.bytes_[static_cast<std::size_t>(12 + i)] =
        static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

bool IpAddress::is_v4() const { return starts_with(bytes_, kMapped); }

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[12] == 127;
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_private() const {
  if (is_v4() || starts_with(bytes_, kNat64)) return is_private_v4(last_four(bytes_));
  if ((bytes_[0] & 0xfe) == 0xfc) return true;                       // unique local
  if (bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80) return true;  // link local
  return is_loopback() || *this == IpAddress();                      // :: is the host itself
}

std::string IpAddress::text() const {
  if (is_v4()) {  // by hand: inet_ntop prints with snprintf, and every record has an address
    std::string text;
    for (std::size_t i = 12; i < 16; ++i) {
      if (i > 12) text += '.';
      text += std::to_string(static_cast<unsigned>(bytes_[i]));
    }
    return text;
  }
  char out[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, bytes_.data(), out, sizeof(out));
  return out;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  Cidr range;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const bool v4_form = !text.contains(':');
    const auto bits = parse_uint(digits);
    if (!bits || digits.size() > 3 || *bits > (v4_form ? 32U : 128U)) return std::nullopt;
    if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
    range.bits_ = static_cast<int>(*bits) + (v4_form ? 96 : 0);
  }
  // Bits behind the prefix do not count: "10.1.2.3/8" is 10.0.0.0/8, and is shown so.
  std::array<std::uint8_t, 16> bytes = base->bytes();
  for (int bit = range.bits_; bit < 128; ++bit) {
    bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80 >> bit % 8));
  }
  range.base_ = IpAddress::v6(bytes);
  return range;
}

bool Cidr::contains(const IpAddress& address) const {
  // "::/0" is written in IPv6 and means IPv6: it neither lets in nor blocks IPv4 sources.
  if (base_.is_v4() != address.is_v4()) return false;
  const auto& a = base_.bytes();
  const auto& b = address.bytes();
  const auto whole = static_cast<std::size_t>(bits_ / 8);
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) {
    return false;
  }
  const int rest = bits_ % 8;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

std::string Cidr::text() const {
  const int bits = base_.is_v4() ? bits_ - 96 : bits_;
  return base_.text() + "/" + std::to_string(bits);
}

}  // namespace sallyport
