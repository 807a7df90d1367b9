// SPDX-License-Identifier: Apache-2.0
// Writes the token table that the program carries (src/meter/token_table.h), when it is built:
//   pack_ranks ENCODERS KINDS OUT      the tiktoken package's folder of encoders, kinds.txt, a file
// Refuses ranks that are not OpenAI's own: their digests stand below.
#include <openssl/evp.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "meter/token_table.h"

namespace {

using namespace sallyport::meter;  // NOLINT: a tool of one file

// SHA-256 of o200k_base.tiktoken and cl100k_base.tiktoken as OpenAI publishes them and as its own
// library checks them: a line a token, base64 of its bytes, a blank, its rank.
struct Source {
  const char* file;
  std::string_view sha256;
};
constexpr std::array<Source, kEncodings> kSources{
    {{"o200k_base.json", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"},
     {"cl100k_base.json", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"}}};

constexpr double kLoad = 0.97;             // of the slots
constexpr std::size_t kTokensABucket = 4;  // on average

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "pack_ranks: %s\n", why.c_str());
  std::exit(1);
}

std::string base64_decode(std::string_view text) {
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) die("a token is not base64");
  out.resize(static_cast<std::size_t>(size) - static_cast<std::size_t>(text.ends_with("==")) -
             static_cast<std::size_t>(text.ends_with('=')));
  return out;
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    die("no SHA-256");
  }
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += {kHex[digest[i] >> 4], kHex[digest[i] & 15]};
  }
  return out;
}

// The tokens in the order of their ranks. In the package: "! FIRST_RANK base64 base64 ...", and
// the ranks count up from there.
std::vector<std::string> read_tokens(const std::string& path, const Source& source) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view ranks;
  if (parser.load(path).get(document) != simdjson::SUCCESS ||
      document["bpe_ranks"].get(ranks) != simdjson::SUCCESS) {
    die(path + " cannot be read; `tools/deps run` installs it");
  }
  std::vector<std::string> tokens;
  std::string published;
  std::istringstream lines{std::string(ranks)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark, word;
    std::size_t rank = 0;
    if (!(words >> mark >> rank) || mark != "!" || rank != tokens.size()) die(path + ": ranks");
    while (words >> word) {
      published += word + ' ' + std::to_string(tokens.size()) + '\n';
      tokens.push_back(base64_decode(word));
      if (tokens.back().empty() || tokens.back().size() > kTokenBytesMax) die(path + ": a size");
    }
  }
  if (sha256(published) != source.sha256) die(path + " does not hold OpenAI's ranks");
  return tokens;
}

class Packer {
 public:
  template <class T>
  std::uint32_t append(const std::vector<T>& values) {
    out_.resize((out_.size() + 63) / 64 * 64);
    const std::size_t at = out_.size();
    const auto* const bytes = reinterpret_cast<const char*>(values.data());
    out_.append(bytes, values.size() * sizeof(T));
    return static_cast<std::uint32_t>(at);
  }
  std::string& bytes() { return out_; }

 private:
  std::string out_ = std::string(sizeof(TableHeader), '\0');
};

const std::uint8_t* data(const std::string& token) {
  return reinterpret_cast<const std::uint8_t*>(token.data());
}

// For each bucket, the fullest first, the first displacement that sends its tokens to free slots.
struct Hashed {
  std::vector<std::uint16_t> displacements;
  std::vector<std::uint32_t> owners;  // a token for each slot
};

Hashed hash_tokens(const std::vector<std::uint64_t>& hashes) {
  const auto bucket_count = static_cast<std::uint32_t>(hashes.size() / kTokensABucket + 1);
  const auto slot_count =
      static_cast<std::uint32_t>(static_cast<double>(hashes.size()) / kLoad) + 1;
  std::vector<std::vector<std::uint32_t>> buckets(bucket_count);
  for (std::uint32_t token = 0; token < hashes.size(); ++token) {
    buckets[bucket_of(hashes[token], bucket_count)].push_back(token);
  }
  std::vector<std::uint32_t> order(bucket_count);
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return buckets[a].size() != buckets[b].size() ? buckets[a].size() > buckets[b].size() : a < b;
  });
  Hashed out{std::vector<std::uint16_t>(bucket_count),
             std::vector<std::uint32_t>(slot_count, kNoToken)};
  std::vector<std::uint32_t> places;
  for (const std::uint32_t bucket : order) {
    for (std::uint32_t displacement = 0;; ++displacement) {
      if (displacement > 0xffff) die("no displacement found: the hash is at fault");
      places.clear();
      for (const std::uint32_t token : buckets[bucket]) {
        const std::uint32_t slot =
            slot_of(hashes[token], static_cast<std::uint16_t>(displacement), slot_count);
        if (out.owners[slot] != kNoToken || std::ranges::count(places, slot) != 0) break;
        places.push_back(slot);
      }
      if (places.size() < buckets[bucket].size()) continue;
      for (std::size_t i = 0; i < places.size(); ++i) out.owners[places[i]] = buckets[bucket][i];
      out.displacements[bucket] = static_cast<std::uint16_t>(displacement);
      break;
    }
  }
  return out;
}

RanksLayout pack_tokens(Packer& packer, const std::vector<std::string>& tokens) {
  std::vector<std::uint32_t> of_byte(256, kNoToken), of_pair(65'536, kNoToken);
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint32_t> places;
  std::vector<std::uint8_t> pool(4);  // an empty slot points here: a token without bytes
  for (std::uint32_t rank = 0; rank < tokens.size(); ++rank) {
    const std::string& token = tokens[rank];
    if (token.size() == 1) of_byte[data(token)[0]] = rank;
    if (token.size() == 2) of_pair[data(token)[0] * 256u + data(token)[1]] = rank;
    hashes.push_back(token_hash(data(token), token.size()));
    places.push_back(static_cast<std::uint32_t>(pool.size()));
    pool.push_back(static_cast<std::uint8_t>(token.size()));
    for (int shift = 0; shift < 24; shift += 8) pool.push_back(rank >> shift & 0xff);
    pool.insert(pool.end(), token.begin(), token.end());
  }
  if (std::ranges::count(of_byte, kNoToken) != 0) die("a byte is not a token");
  if (pool.size() >= 1u << kOffsetBits) die("the tokens do not fit");
  pool.resize(pool.size() + 8);

  const Hashed hashed = hash_tokens(hashes);
  std::vector<std::uint32_t> slots;
  for (const std::uint32_t owner : hashed.owners) {
    slots.push_back(owner == kNoToken ? 0 : mark_of(hashes[owner]) | places[owner]);
  }
  RanksLayout layout;
  layout.token_count = static_cast<std::uint32_t>(tokens.size());
  layout.bytes = packer.append(of_byte);
  layout.pairs = packer.append(of_pair);
  layout.bucket_count = static_cast<std::uint32_t>(hashed.displacements.size());
  layout.buckets = packer.append(hashed.displacements);
  layout.slot_count = static_cast<std::uint32_t>(slots.size());
  layout.slots = packer.append(slots);
  layout.pool = packer.append(pool);
  return layout;
}

Kind kind_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Kind>, 7> kNames{{{"upper:", Kind::kUpper},
                                                                     {"lower:", Kind::kLower},
                                                                     {"letter:", Kind::kLetter},
                                                                     {"mark:", Kind::kMark},
                                                                     {"number:", Kind::kNumber},
                                                                     {"space:", Kind::kSpace},
                                                                     {"newline:", Kind::kNewline}}};
  for (const auto& [known, kind] : kNames) {
    if (name == known) return kind;
  }
  die("kinds.txt: unknown kind " + std::string(name));
}

// kinds.mjs tells how the file is written.
std::vector<std::uint8_t> read_kinds(const std::string& path) {
  std::vector<std::uint8_t> kinds(0x110000, static_cast<std::uint8_t>(Kind::kOther));
  std::ifstream file(path);
  std::size_t at = 0;
  Kind kind = Kind::kOther;
  for (std::string word; file >> word;) {
    if (word.ends_with(':')) {
      kind = kind_named(word);
      at = 0;
      continue;
    }
    const std::size_t colon = word.find(':');
    at += std::stoul(word.substr(0, colon), nullptr, 36);
    const std::size_t end =
        at + (colon == std::string::npos ? 1 : std::stoul(word.substr(colon + 1), nullptr, 36));
    if (kind == Kind::kOther || end > kinds.size()) die("kinds.txt: a run");
    std::fill(kinds.begin() + static_cast<std::ptrdiff_t>(at),
              kinds.begin() + static_cast<std::ptrdiff_t>(end), static_cast<std::uint8_t>(kind));
    at = end;
  }
  if (kind == Kind::kOther) die(path + " cannot be read");
  return kinds;
}

void pack_kinds(Packer& packer, const std::vector<std::uint8_t>& kinds, TableHeader& header) {
  std::vector<std::uint8_t> index;
  std::vector<std::vector<std::uint8_t>> blocks;
  for (std::size_t at = 0; at < kinds.size(); at += kKindBlock) {
    const auto begin = kinds.begin() + static_cast<std::ptrdiff_t>(at);
    const std::vector<std::uint8_t> block(begin, begin + kKindBlock);
    const auto found = std::ranges::find(blocks, block);
    index.push_back(static_cast<std::uint8_t>(found - blocks.begin()));
    if (found == blocks.end()) blocks.push_back(block);
  }
  if (blocks.size() > 256) die("the kinds do not fit");
  std::vector<std::uint8_t> all;
  for (const auto& block : blocks) all.insert(all.end(), block.begin(), block.end());
  header.kind_index = packer.append(index);
  header.kind_blocks = packer.append(all);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) die("usage: pack_ranks ENCODERS KINDS OUT");
  Packer packer;
  TableHeader header;
  for (std::size_t i = 0; i < kEncodings; ++i) {
    const std::string path = std::string(argv[1]) + "/" + kSources[i].file;
    header.ranks[i] = pack_tokens(packer, read_tokens(path, kSources[i]));
  }
  pack_kinds(packer, read_kinds(argv[2]), header);
  header.size = static_cast<std::uint32_t>(packer.bytes().size());
  std::memcpy(packer.bytes().data(), &header, sizeof header);

  // Whatever is wrong with the hashing shows here, not in a count.
  const std::string& table = packer.bytes();
  const TokenTable packed{
      {Ranks(data(table), header.ranks[0]), Ranks(data(table), header.ranks[1])}, {}, table.size()};
  for (std::size_t i = 0; i < kEncodings; ++i) {
    const auto tokens = read_tokens(std::string(argv[1]) + "/" + kSources[i].file, kSources[i]);
    for (std::uint32_t rank = 0; rank < tokens.size(); ++rank) {
      if (packed.ranks[i].find(data(tokens[rank]), tokens[rank].size()) != rank)
        die("lost a token");
    }
  }
  std::ofstream file(argv[3], std::ios::binary);
  file << table;
  file.close();
  if (!file) die(std::string(argv[3]) + " cannot be written");
}
