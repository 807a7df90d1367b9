// SPDX-License-Identifier: Apache-2.0
// An IPv4 or IPv6 address and a range of them (CIDR). IPv4-mapped IPv6 counts as IPv4, so that one
// source has one spelling everywhere: in the log, in block lists, in bindings.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

class IpAddress {
 public:
  IpAddress() = default;  // the unspecified address ::
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);

  bool is_v4() const;
  bool is_loopback() const;
  bool is_private() const;  // RFC 1918, unique local, link local, loopback, carrier-grade NAT
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }  // IPv4 as ::ffff:a.b.c.d
  std::string text() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

class Cidr {
 public:
  static std::optional<Cidr> parse(
      std::string_view text);  // "10.0.0.0/8", "::1/128", or one address
  bool contains(const IpAddress& address) const;
  std::string text() const;

  friend bool operator==(const Cidr&, const Cidr&) = default;

 private:
  IpAddress base_;
  int bits_ = 128;  // counted on the 128-bit form
};

}  // namespace sallyport
