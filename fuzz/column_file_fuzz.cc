// SPDX-License-Identifier: Apache-2.0
// A column file from any bytes: refused, or read to its end with every code within its dictionary.
// So that the fuzzer gets beyond the checksums, the bytes are also put into a good file whose
// checksums are then made right again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "audit/aggregate.h"
#include "audit/ask.h"
#include "audit/column_writer.h"
#include "base/text.h"

namespace {

using namespace sallyport;
using namespace sallyport::audit;

constexpr std::int64_t kBeginMs = 1'700'000'000'000;

Event event_at(std::int64_t ms, int i) {
  Event event;
  event.timestamp_utc = UtcTime(std::chrono::milliseconds(ms));
  event.api_key_id = "key" + std::to_string(i % 5);
  event.ip = "192.0.2." + std::to_string(i % 9);
  if (i % 3 != 0) event.tokens_input = i;
  if (i % 2 != 0) event.asn = 64'500;
  event.status = 200;
  return event;
}

// An hour after the file that is fuzzed: what was in that is the past of these keys.
std::shared_ptr<const ColumnFile> window() {
  ColumnWriter writer(1'000);
  for (int i = 0; i < 20; ++i) writer.append(event_at(kBeginMs + 3'600'000 + i, i));
  return *ColumnFile::from_bytes(writer.encode(), "window");
}

void check(std::string bytes) {
  const auto file = ColumnFile::from_bytes(std::move(bytes), "fuzz");
  if (!file) return;
  std::vector<std::uint32_t> codes(kBlockRows);
  for (std::size_t c = 0; c < kColumns; ++c) {
    const auto column = static_cast<Column>(c);
    const auto words = (*file)->dictionary(column);
    if (!words || !has_words(column)) continue;
    const std::size_t rows = (*file)->block_rows(0);
    if (!(*file)->read_codes(column, 0, 0, rows, codes.data())) continue;
    for (std::size_t i = 0; i < rows; ++i) {
      if (codes[i] >= words->size()) std::abort();
    }
  }
  (void)(*file)->check_all();
  ColumnSnapshot snapshot;
  snapshot.files = {*file};
  (void)aggregate(snapshot, {.group_by = {Column::kKey, Column::kIp}}, 1);
  (void)ask(snapshot, {.at = UtcTime(std::chrono::milliseconds((*file)->max_ms()))}, 1);
  static const std::shared_ptr<const ColumnFile> kWindow = window();
  snapshot.files.push_back(kWindow);
  const UtcTime at(std::chrono::milliseconds(kWindow->max_ms() + 1));
  (void)ask(snapshot, {.at = at, .since = std::chrono::seconds(1)}, 1);
}

std::string good_file() {
  ColumnWriter writer(1);
  for (int i = 0; i < 200; ++i) writer.append(event_at(kBeginMs + i * 1'000, i));
  return with_sums(writer.encode());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check(std::string(input));
  static const std::string kGood = good_file();
  std::string bytes = kGood;
  // Pieces of place (2 bytes) and new byte (1).
  for (std::size_t at = 0; at + 3 <= input.size() && at < 3 * 64; at += 3) {
    std::uint16_t place = 0;
    std::memcpy(&place, input.data() + at, sizeof place);
    bytes[place % bytes.size()] = input[at + 2];
  }
  ColumnHeader header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.directory_offset <= bytes.size()) {
    const std::string_view rest = std::string_view(bytes).substr(header.directory_offset);
    header.directory_crc = crc32c(rest.substr(0, std::min(rest.size(), header.directory_bytes)));
  }
  const std::uint64_t behind = header.directory_offset + header.directory_bytes;
  if (behind >= header.directory_offset && behind <= bytes.size()) {
    header.sums_crc = crc32c(std::string_view(bytes).substr(behind));
  }
  header.header_crc =
      crc32c({reinterpret_cast<const char*>(&header), offsetof(ColumnHeader, header_crc)});
  std::memcpy(bytes.data(), &header, sizeof header);
  check(std::move(bytes));
  return 0;
}
