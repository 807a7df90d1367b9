// SPDX-License-Identifier: Apache-2.0
// A MaxMind file is a binary trie over the bits of addresses whose leaves point into a section of
// records. The trie is walked once, and each record decoded once, by libmaxminddb; both from a
// sealed copy in memory, so that a file that changes or shrinks under our hands cannot hurt.
#include <fcntl.h>
#include <maxminddb.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <unordered_map>
#include <utility>

#include "geo/database.h"
#include "geo/file_text.h"

namespace sallyport::geo {
namespace {

// A trie with shared branches could name more ranges than there are atoms; a real one has about two
// nodes a range.
constexpr std::size_t kStepsMax = 4 * kRangesMax;

class Copy {
 public:
  explicit Copy(std::string_view bytes) {
    fd_ = ::memfd_create("mmdb", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    while (fd_ >= 0 && !bytes.empty()) {
      const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
      if (put <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    whole_ = fd_ >= 0 && ::fcntl(fd_, F_ADD_SEALS,
                                 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool whole() const { return whole_; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_ = -1;
  bool whole_ = false;
};

struct Opened {
  MMDB_s file{};
  bool open = false;
  Opened() = default;
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() {
    if (open) MMDB_close(&file);
  }
};

std::string printable(const MMDB_entry_data_s& text, std::size_t bytes_max) {
  std::string out;
  for (std::uint32_t i = 0; i < text.data_size; ++i) {
    const auto byte = static_cast<unsigned char>(text.utf8_string[i]);
    if (byte >= 0x20 && byte != 0x7f) out.push_back(static_cast<char>(byte));
    if (out.size() > bytes_max) break;
  }
  if (out.size() <= bytes_max) return out;
  std::size_t end = bytes_max;  // not in the middle of a character
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
  return out;
}

class Walk {
 public:
  Walk(MMDB_s& file, Database& into) : file_(file), into_(into) {}

  Result<void> run() {
    if (file_.metadata.ip_version == 4) return visit<Number4>(0, 0, 32, into_.table.v4);
    // The IPv4 part of an IPv6 tree hangs at ::/96; the tree also shows it in other places, which
    // are left out: an IPv4 address has one spelling here.
    std::uint64_t node = 0;
    for (int bit = 0; bit < 96; ++bit) {
      MMDB_search_node_s two{};
      if (MMDB_read_node(&file_, static_cast<std::uint32_t>(node), &two) != MMDB_SUCCESS) {
        return damaged();
      }
      if (two.left_record_type != MMDB_RECORD_TYPE_SEARCH_NODE) {  // there is no such part
        return visit<Number6>(0, 0, 128, into_.table.v6);
      }
      node = two.left_record;
    }
    const Result<void> walked = visit<Number4>(node, 0, 32, into_.table.v4);
    if (!walked) return walked;
    v4_root_ = node;
    return visit<Number6>(0, 0, 128, into_.table.v6);
  }

 private:
  // Everything below a node; `bits` are left of the address. At most 128 deep.
  template <class Number>
  Result<void> visit(std::uint64_t node, Number prefix, int bits, Ranges<Number>& ranges) {
    if (bits == 0 || ++steps_ > kStepsMax) return damaged();
    if (sizeof(Number) > 4 && node == v4_root_) return {};
    MMDB_search_node_s two{};
    if (MMDB_read_node(&file_, static_cast<std::uint32_t>(node), &two) != MMDB_SUCCESS) {
      return damaged();
    }
    const Number half = Number{1} << (bits - 1);
    const Result<void> left = branch(two.left_record_type, two.left_record, two.left_record_entry,
                                     prefix, bits - 1, ranges);
    if (!left) return left;
    return branch(two.right_record_type, two.right_record, two.right_record_entry,
                  static_cast<Number>(prefix | half), bits - 1, ranges);
  }

  template <class Number>
  Result<void> branch(std::uint8_t type, std::uint64_t record, MMDB_entry_s entry, Number prefix,
                      int bits, Ranges<Number>& ranges) {
    if (type == MMDB_RECORD_TYPE_SEARCH_NODE) return visit<Number>(record, prefix, bits, ranges);
    if (type == MMDB_RECORD_TYPE_EMPTY) return {};
    if (type != MMDB_RECORD_TYPE_DATA) return damaged();
    const Result<std::uint32_t> value = value_of(entry);
    if (!value) return std::unexpected(value.error());
    const Number rest = bits == 0 ? Number{0} : static_cast<Number>((Number{1} << bits) - 1);
    if (!ranges.add(prefix, static_cast<Number>(prefix | rest), *value)) return damaged();
    if (ranges.size() > kRangesMax) return damaged();
    return {};
  }

  Result<std::uint32_t> value_of(MMDB_entry_s entry) {
    const auto known = values_.find(entry.offset);
    if (known != values_.end()) return known->second;
    Location location;
    MMDB_entry_data_s data{};
    for (const char* part : {"country", "registered_country"}) {
      const std::array<const char*, 3> path = {part, "iso_code", nullptr};
      const int status = MMDB_aget_value(&entry, &data, path.data());
      if (!usable(status)) return damaged_record();
      if (status != MMDB_SUCCESS || !data.has_data || location.country) continue;
      if (data.type != MMDB_DATA_TYPE_UTF8_STRING || data.data_size != 2) return damaged_record();
      location.country = std::string(data.utf8_string, 2);
      for (const char c : *location.country) {
        if (c < 'A' || c > 'Z') return damaged_record();
      }
    }
    const std::array<const char*, 2> asn = {"autonomous_system_number", nullptr};
    const int status = MMDB_aget_value(&entry, &data, asn.data());
    if (!usable(status)) return damaged_record();
    if (status == MMDB_SUCCESS && data.has_data) {
      if (data.type != MMDB_DATA_TYPE_UINT32) return damaged_record();
      location.asn = data.uint32;
    }
    const std::array<const char*, 2> name = {"autonomous_system_organization", nullptr};
    const int named = MMDB_aget_value(&entry, &data, name.data());
    if (!usable(named)) return damaged_record();
    if (named == MMDB_SUCCESS && data.has_data) {
      if (data.type != MMDB_DATA_TYPE_UTF8_STRING) return damaged_record();
      location.network = printable(data, kNetworkNameBytesMax);
    }
    const bool nothing = !location.country && !location.asn && !location.network;
    const auto value = nothing ? 0U : static_cast<std::uint32_t>(into_.locations.size());
    if (!nothing) into_.locations.push_back(std::move(location));
    values_[entry.offset] = value;
    return value;
  }

  // Not there is no damage.
  static bool usable(int status) {
    return status == MMDB_SUCCESS || status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR;
  }
  static std::unexpected<Error> damaged() {
    return fail(Code::kCorrupt, "the search tree is damaged");
  }
  static std::unexpected<Error> damaged_record() {
    return fail(Code::kCorrupt, "a record is damaged, or of another type than in MaxMind's files");
  }

  MMDB_s& file_;
  Database& into_;
  std::unordered_map<std::uint32_t, std::uint32_t> values_;  // by the record's place in the file
  std::size_t steps_ = 0;
  std::uint64_t v4_root_ = UINT64_MAX;  // a node that is not visited again
};

}  // namespace

Result<Database> read_mmdb(const std::string& path) {
  Result<FileText> text = read_file_text(path, kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  const Copy copy(text->text);
  if (!copy.whole()) return fail(Code::kUnavailable, "there is no memory for a copy of it");
  text->text = std::string();

  Opened opened;
  const int status = MMDB_open(copy.path().c_str(), MMDB_MODE_MMAP, &opened.file);
  if (status != MMDB_SUCCESS) {
    return fail(Code::kCorrupt, std::string("not a MaxMind file: ") + MMDB_strerror(status));
  }
  opened.open = true;
  if (opened.file.metadata.ip_version != 4 && opened.file.metadata.ip_version != 6) {
    return fail(Code::kCorrupt, "neither of IPv4 nor of IPv6");
  }
  Database database;
  database.locations.emplace_back();
  if (opened.file.metadata.database_type != nullptr) {
    database.kind = std::string(opened.file.metadata.database_type).substr(0, 128);
  }
  const std::uint64_t built_s = opened.file.metadata.build_epoch;
  if (built_s < 253'402'300'800U) {
    database.built = UtcTime(std::chrono::seconds(static_cast<std::int64_t>(built_s)));
  }
  const Result<void> walked = Walk(opened.file, database).run();
  if (!walked) return std::unexpected(walked.error());
  database.table.finish();
  return database;
}

}  // namespace sallyport::geo
