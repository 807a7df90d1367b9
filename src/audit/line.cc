// SPDX-License-Identifier: Apache-2.0
#include "audit/line.h"

#include <array>

#include "base/text.h"

namespace sallyport::audit {
namespace {

constexpr std::string_view kCrc = ",\"crc\":\"";
constexpr std::string_view kSeq = ",\"seq\":";
constexpr std::string_view kSynced = ",\"synced\":";
constexpr std::size_t kCrcDigits = 8;
constexpr std::size_t kCrcTail = kCrc.size() + kCrcDigits + 2;  // and "}

std::array<char, kCrcDigits> hex_of(std::uint32_t crc) {
  std::array<char, kCrcDigits> digits;
  for (std::size_t i = 0; i < kCrcDigits; ++i) {
    digits[i] = "0123456789abcdef"[(crc >> (28 - 4 * i)) & 0xF];
  }
  return digits;
}

// Takes `name` and a number off the end of `body`.
std::optional<std::uint64_t> take_number(std::string_view& body, std::string_view name) {
  std::size_t digits = body.size();
  while (digits > 0 && body[digits - 1] >= '0' && body[digits - 1] <= '9') --digits;
  if (!body.substr(0, digits).ends_with(name)) return std::nullopt;
  const auto number = parse_uint(body.substr(digits));
  if (number) body = body.substr(0, digits - name.size());
  return number;
}

// Inside a JSON string every quote is escaped, so `,"name":` can only be a member; ours stand
// before the first member that may hold members of the same name.
std::string_view string_after(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + name.size());
  const std::size_t end = rest.find('"');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

}  // namespace

void close_line(std::string& line, std::size_t start, const LineTail& tail) {
  if (tail.synced) {
    line += kSynced;
    line += std::to_string(*tail.synced);
  }
  line += kSeq;
  line += std::to_string(tail.seq);
  const auto digits = hex_of(crc32c(std::string_view(line).substr(start)));
  line += kCrc;
  line.append(digits.data(), digits.size());
  line += "\"}";
}

std::optional<LineTail> check_line(std::string_view line) {
  if (line.size() <= kCrcTail || line.front() != '{' || !line.ends_with("\"}")) return std::nullopt;
  std::string_view body = line.substr(0, line.size() - kCrcTail);
  const std::string_view end = line.substr(body.size());
  if (!end.starts_with(kCrc)) return std::nullopt;
  const auto digits = hex_of(crc32c(body));
  if (end.substr(kCrc.size(), kCrcDigits) != std::string_view(digits.data(), digits.size())) {
    return std::nullopt;
  }

  const auto seq = take_number(body, kSeq);
  if (!seq) return std::nullopt;
  LineTail tail{.seq = *seq, .synced = take_number(body, kSynced)};
  return tail;
}

std::string_view line_kind(std::string_view line) { return string_after(line, ",\"kind\":\""); }

std::string_view line_request_id(std::string_view line) {
  return string_after(line, ",\"request_id\":\"");
}

std::optional<UtcTime> line_time(std::string_view line) {
  constexpr std::string_view kStart = "{\"timestamp_utc\":\"";
  if (!line.starts_with(kStart)) return std::nullopt;
  return parse_utc(line.substr(kStart.size(), 24));
}

}  // namespace sallyport::audit
