// SPDX-License-Identifier: Apache-2.0
// The token tables as they lie in the program, made when it is built (tools/token_ranks) and used
// in place: no start-up, no copy, about 5 MB of read-only pages for both encodings. Shared by the
// tool that writes them and the code that reads them, so that both hash alike.
//
// A token's rank is found by its bytes. One or two of them are looked up directly, since joining
// begins with those. Else a hash chooses a bucket, the bucket's displacement chooses
// the slot (no two tokens share one, so one probe decides), the slot points to the token's record.
// The bytes are always compared: what is not a token is never taken for one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport::meter {

static_assert(std::endian::native == std::endian::little, "the table is little-endian");

// What the splitting patterns tell apart. kInvalid: no UTF-8; kEnd: the text is over.
enum class Kind : std::uint8_t {
  kOther,
  kUpper,    // Lu, Lt
  kLower,    // Ll
  kLetter,   // Lm, Lo: both upper and lower to the patterns
  kMark,     // M
  kNumber,   // N
  kSpace,    // white space but for the two below
  kNewline,  // CR, LF
  kInvalid,
  kEnd,
};

inline constexpr std::uint32_t kNoToken = ~std::uint32_t{0};
inline constexpr std::size_t kTokenBytesMax = 128;  // of the longest token; checked by the tool
inline constexpr std::size_t kEncodings = 2;
inline constexpr std::size_t kKindBlock = 256;  // code points a block
inline constexpr std::size_t kKindBlocks = 0x110000 / kKindBlock;
inline constexpr std::uint32_t kOffsetBits = 22;  // of a record in its pool; a slot's rest: hash
inline constexpr std::array<char, 8> kTableMagic{'S', 'P', 'T', 'O', 'K', 'E', 'N', '1'};

// Places are offsets from the table's first byte.
struct RanksLayout {
  std::uint32_t bytes = 0;                      // 256 x u32: the ranks of single bytes
  std::uint32_t pairs = 0;                      // 65536 x u32: of two, the first byte above
  std::uint32_t buckets = 0, bucket_count = 0;  // u16: displacements
  std::uint32_t slots = 0, slot_count = 0;      // u32: hash above, record below; 0: empty
  std::uint32_t pool = 0;                       // records: size u8, rank u24, the token's bytes
  std::uint32_t token_count = 0;
};

struct TableHeader {
  std::array<char, 8> magic = kTableMagic;
  std::uint32_t size = 0;         // of all
  std::uint32_t kind_index = 0;   // u8 a block
  std::uint32_t kind_blocks = 0;  // Kind a code point
  std::array<RanksLayout, kEncodings> ranks;
};

template <class T>
T load(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// `size` is at least 1. Reads no byte beyond.
inline std::uint64_t token_hash(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::uint64_t kA = 0x9e3779b97f4a7c15, kB = 0xd1b54a32d192ed03, kC = 0xc2b2ae3d27d4eb4f;
  const auto mix = [](std::uint64_t x, std::uint64_t y) {
    const auto product = static_cast<unsigned __int128>(x) * y;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t head = 0, tail = 0;
  if (size >= 8) {
    head = load<std::uint64_t>(bytes);
    tail = load<std::uint64_t>(bytes + size - 8);
    for (std::size_t i = 8; i + 8 < size; i += 8) {
      head = mix(head ^ kA, load<std::uint64_t>(bytes + i) ^ kB);
    }
  } else if (size >= 4) {
    head = load<std::uint32_t>(bytes);
    tail = load<std::uint32_t>(bytes + size - 4);
  } else {
    head = bytes[0] | std::uint64_t{bytes[size >> 1]} << 8 | std::uint64_t{bytes[size - 1]} << 16;
  }
  return mix(head ^ kA ^ size * kC, tail ^ kB);
}

inline std::uint32_t bucket_of(std::uint64_t hash, std::uint32_t bucket_count) {
  return static_cast<std::uint32_t>((hash >> 32) * bucket_count >> 32);
}

inline std::uint32_t slot_of(std::uint64_t hash, std::uint16_t displacement,
                             std::uint32_t slot_count) {
  std::uint32_t x = static_cast<std::uint32_t>(hash) ^ displacement * 0x9e3779b1u;
  x = (x ^ x >> 15) * 0x85ebca6bu;
  return static_cast<std::uint32_t>(std::uint64_t{x} * slot_count >> 32);
}

// The part of a slot above its record's place.
inline std::uint32_t mark_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 10) & (~std::uint32_t{0} << kOffsetBits);
}

inline bool same_bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) {
      if (load<std::uint64_t>(a + i) != load<std::uint64_t>(b + i)) return false;
    }
    return load<std::uint64_t>(a + size - 8) == load<std::uint64_t>(b + size - 8);
  }
  if (size >= 4) {
    return load<std::uint32_t>(a) == load<std::uint32_t>(b) &&
           load<std::uint32_t>(a + size - 4) == load<std::uint32_t>(b + size - 4);
  }
  return a[0] == b[0] && a[size >> 1] == b[size >> 1] && a[size - 1] == b[size - 1];
}

// One encoding's tokens. Refers to the table, which lives as long as the program.
class Ranks {
 public:
  Ranks() = default;
  Ranks(const std::uint8_t* table, const RanksLayout& layout)
      : bytes_(table + layout.bytes),
        pairs_(table + layout.pairs),
        buckets_(table + layout.buckets),
        slots_(table + layout.slots),
        pool_(table + layout.pool),
        bucket_count_(layout.bucket_count),
        slot_count_(layout.slot_count),
        token_count_(layout.token_count) {}

  // kNoToken if the bytes are not a token. `size` is at least 1.
  std::uint32_t find(const std::uint8_t* bytes, std::size_t size) const {
    if (size == 1) return of_byte(bytes[0]);
    if (size == 2) return load<std::uint32_t>(pairs_ + (bytes[0] * 256u + bytes[1]) * 4);
    if (size > kTokenBytesMax) return kNoToken;
    const std::uint64_t hash = token_hash(bytes, size);
    const std::size_t bucket = bucket_of(hash, bucket_count_);
    const auto displacement = load<std::uint16_t>(buckets_ + bucket * 2);
    const std::size_t slot_index = slot_of(hash, displacement, slot_count_);
    const auto slot = load<std::uint32_t>(slots_ + slot_index * 4);
    constexpr std::uint32_t kPlace = (1u << kOffsetBits) - 1;
    if ((slot & ~kPlace) != mark_of(hash)) return kNoToken;
    const std::uint8_t* const record = pool_ + (slot & kPlace);
    const auto head = load<std::uint32_t>(record);
    if ((head & 0xff) != size || !same_bytes(record + 4, bytes, size)) return kNoToken;
    return head >> 8;
  }
  std::uint32_t of_byte(std::uint8_t byte) const {
    return load<std::uint32_t>(bytes_ + std::size_t{byte} * 4);
  }
  std::uint32_t token_count() const { return token_count_; }

 private:
  const std::uint8_t* bytes_ = nullptr;
  const std::uint8_t* pairs_ = nullptr;
  const std::uint8_t* buckets_ = nullptr;
  const std::uint8_t* slots_ = nullptr;
  const std::uint8_t* pool_ = nullptr;
  std::uint32_t bucket_count_ = 0, slot_count_ = 0, token_count_ = 0;
};

// The kinds of all code points.
class Kinds {
 public:
  Kinds() = default;
  Kinds(const std::uint8_t* index, const std::uint8_t* blocks) : index_(index), blocks_(blocks) {}
  Kind of(std::uint32_t code_point) const {  // below 0x110000
    const std::size_t block = index_[code_point / kKindBlock];
    return static_cast<Kind>(blocks_[block * kKindBlock + code_point % kKindBlock]);
  }
  Kind of_ascii(std::uint8_t byte) const { return static_cast<Kind>(blocks_[byte]); }  // below 0x80

 private:
  const std::uint8_t* index_ = nullptr;
  const std::uint8_t* blocks_ = nullptr;  // block 0 is that of code point 0
};

struct TokenTable {
  std::array<Ranks, kEncodings> ranks;  // o200k, cl100k
  Kinds kinds;
  std::size_t size = 0;  // bytes of the whole
};

// `begin` is aligned to 8 bytes and stays.
TokenTable token_table_at(const std::uint8_t* begin);
// The one in the program.
const TokenTable& token_table();

}  // namespace sallyport::meter
