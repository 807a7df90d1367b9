// SPDX-License-Identifier: Apache-2.0
// Writes small MaxMind files for tests: format 2.0, records of 24 bits, a tree of IPv4 or IPv6.
// Only what the tests need; no pointers, no sharing of records.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip_address.h"

namespace sallyport::geo {

namespace mmdb {

inline std::string control(int type, std::size_t size) {
  std::string out;
  const std::size_t shown = size < 29 ? size : 29;
  out.push_back(static_cast<char>((type <= 7 ? type << 5 : 0) | static_cast<int>(shown)));
  if (type > 7) out.push_back(static_cast<char>(type - 7));
  if (size >= 29) out.push_back(static_cast<char>(size - 29));
  return out;
}
inline std::string text(std::string_view value) {
  return control(2, value.size()) + std::string(value);
}
inline std::string number(int type, std::uint64_t value, int bytes) {
  std::string out = control(type, static_cast<std::size_t>(bytes));
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}
inline std::string uint32(std::uint32_t value) { return number(6, value, 4); }
inline std::string map(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out = control(7, members.size());
  for (const auto& [name, value] : members) out += text(name) + value;
  return out;
}
inline std::string country(std::string_view code) {
  return map({{"country", map({{"iso_code", text(code)}})}});
}
inline std::string network(std::uint32_t asn, std::string_view name) {
  return map(
      {{"autonomous_system_number", uint32(asn)}, {"autonomous_system_organization", text(name)}});
}

}  // namespace mmdb

class MmdbWriter {
 public:
  explicit MmdbWriter(int version) : version_(version), nodes_(1, {kEmpty, kEmpty}) {}

  // `bits` count on the form of the tree: 0 to 32 in one of IPv4, 0 to 128 in one of IPv6, where an
  // IPv4 network lies below ::/96.
  MmdbWriter& add(std::string_view address, int bits, const std::string& record) {
    auto bytes = IpAddress::parse(address)->bytes();
    const bool v4 = IpAddress::parse(address)->is_v4();
    if (v4) bytes[10] = bytes[11] = 0;
    const int first = version_ == 4 ? 96 : 0;
    const int length = v4 && version_ == 6 ? bits + 96 : bits;
    std::size_t node = 0;
    for (int bit = 0; bit < length; ++bit) {
      const int place = first + bit;
      const int side = bytes[static_cast<std::size_t>(place / 8)] >> (7 - place % 8) & 1;
      if (bit + 1 == length) {
        nodes_[node][static_cast<std::size_t>(side)] = -1 - static_cast<std::int64_t>(data_.size());
        data_ += record;
        break;
      }
      if (nodes_[node][static_cast<std::size_t>(side)] <= kEmpty) {
        nodes_[node][static_cast<std::size_t>(side)] = static_cast<std::int64_t>(nodes_.size());
        nodes_.push_back({kEmpty, kEmpty});
      }
      node = static_cast<std::size_t>(nodes_[node][static_cast<std::size_t>(side)]);
    }
    return *this;
  }

  // Any record of any node: for damaged trees and shared branches.
  MmdbWriter& link(std::size_t node, std::size_t side, std::int64_t to) {
    nodes_[node][side] = to;
    return *this;
  }

  std::string bytes(std::uint64_t built_s, std::string_view type = "Test-Country") const {
    std::string out;
    const auto count = static_cast<std::int64_t>(nodes_.size());
    for (const auto& node : nodes_) {
      for (const std::int64_t record : node) {
        // 0 stands for nothing; a place in the data is counted behind a gap of 16 bytes.
        const std::int64_t value = record == kEmpty  ? count
                                   : record < kEmpty ? count + 16 + (-1 - record)
                                                     : record;
        for (int shift = 16; shift >= 0; shift -= 8) {
          out.push_back(static_cast<char>(value >> shift));
        }
      }
    }
    out += std::string(16, '\0') + data_ + "\xab\xcd\xef" + "MaxMind.com";
    out += mmdb::map({{"node_count", mmdb::uint32(static_cast<std::uint32_t>(count))},
                      {"record_size", mmdb::number(5, 24, 2)},
                      {"ip_version", mmdb::number(5, static_cast<std::uint64_t>(version_), 2)},
                      {"database_type", mmdb::text(type)},
                      {"languages", mmdb::control(11, 0)},
                      {"binary_format_major_version", mmdb::number(5, 2, 2)},
                      {"binary_format_minor_version", mmdb::number(5, 0, 2)},
                      {"build_epoch", mmdb::number(9, built_s, 8)},
                      {"description", mmdb::map({})}});
    return out;
  }

 private:
  static constexpr std::int64_t kEmpty = 0;  // node 0 is the root and nobody's child

  int version_;
  std::vector<std::array<std::int64_t, 2>> nodes_;  // below 0: minus one minus a place in the data
  std::string data_;
};

}  // namespace sallyport::geo
