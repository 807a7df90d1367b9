// SPDX-License-Identifier: Apache-2.0
#include "meter/tokenizer.h"

#include <array>
#include <span>

#include "meter/bpe.h"

namespace sallyport::meter {
namespace {

// A family is a name, or a name followed by '-'. The longest that fits decides, so that gpt-4o is
// not taken for gpt-4 ("gpt-4o" does not go on with '-').
struct Family {
  std::string_view name;
  Encoding encoding;
};
constexpr std::array<Family, 29> kFamilies{{
    {"gpt-3.5", Encoding::kCl100k},
    {"gpt-35", Encoding::kCl100k},
    {"gpt-4", Encoding::kCl100k},
    {"text-embedding-3", Encoding::kCl100k},
    {"text-embedding-ada-002", Encoding::kCl100k},
    {"babbage-002", Encoding::kCl100k},
    {"davinci-002", Encoding::kCl100k},
    {"chatgpt-4o", Encoding::kO200k},
    {"codex-mini", Encoding::kO200k},
    {"computer-use-preview", Encoding::kO200k},
    {"gpt-4.1", Encoding::kO200k},
    {"gpt-4.5", Encoding::kO200k},
    {"gpt-4o", Encoding::kO200k},
    {"gpt-5", Encoding::kO200k},
    {"gpt-5.1", Encoding::kO200k},
    {"gpt-5.2", Encoding::kO200k},
    {"gpt-5.3", Encoding::kO200k},
    {"gpt-5.4", Encoding::kO200k},
    {"gpt-5.5", Encoding::kO200k},
    {"gpt-5.6", Encoding::kO200k},
    {"gpt-audio", Encoding::kO200k},
    {"gpt-image", Encoding::kO200k},
    {"gpt-oss", Encoding::kO200k},
    {"gpt-realtime", Encoding::kO200k},
    {"o1", Encoding::kO200k},
    {"o3", Encoding::kO200k},
    {"o4", Encoding::kO200k},
    {"omni-moderation", Encoding::kO200k},
    {"text-moderation", Encoding::kO200k},
}};

const Family* family_of(std::string_view model) {
  if (model.starts_with("ft:")) {
    model.remove_prefix(3);
    model = model.substr(0, model.find(':'));
  }
  const Family* best = nullptr;
  for (const Family& family : kFamilies) {
    if (!model.starts_with(family.name)) continue;
    const std::string_view rest = model.substr(family.name.size());
    if (!rest.empty() && rest.front() != '-') continue;
    if (best == nullptr || family.name.size() > best->name.size()) best = &family;
  }
  return best;
}

struct Special {
  std::string_view text;
  std::uint32_t id;
};
constexpr std::array<Special, 2> kSpecialO200k{
    {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}};
constexpr std::array<Special, 5> kSpecialCl100k{{{"<|endoftext|>", 100257},
                                                 {"<|fim_prefix|>", 100258},
                                                 {"<|fim_middle|>", 100259},
                                                 {"<|fim_suffix|>", 100260},
                                                 {"<|endofprompt|>", 100276}}};

std::span<const Special> specials(Encoding encoding) {
  if (encoding == Encoding::kO200k) return kSpecialO200k;
  return kSpecialCl100k;
}

// The first special token at or after `from`; null and npos if there is none.
const Special* find_special(Encoding encoding, std::string_view text, std::size_t from,
                            std::size_t& place) {
  for (place = text.find("<|", from); place != std::string_view::npos;
       place = text.find("<|", place + 1)) {
    for (const Special& special : specials(encoding)) {
      if (text.substr(place).starts_with(special.text)) return &special;
    }
  }
  return nullptr;
}

}  // namespace

Encoding encoding_of(std::string_view model) {
  const Family* const family = family_of(model);
  return family == nullptr ? Encoding::kO200k : family->encoding;
}

bool encoding_known(std::string_view model) { return family_of(model) != nullptr; }

Tokenizer::Tokenizer(Encoding encoding)
    : encoding_(encoding),
      ranks_(token_table().ranks[static_cast<std::size_t>(encoding)]),
      kinds_(token_table().kinds) {}

const Tokenizer& Tokenizer::of(Encoding encoding) {
  static const Tokenizer o200k(Encoding::kO200k), cl100k(Encoding::kCl100k);
  return encoding == Encoding::kO200k ? o200k : cl100k;
}

std::uint64_t Tokenizer::count(std::string_view utf8, bool special_allowed) const {
  return run(utf8, special_allowed, nullptr);
}

std::vector<std::uint32_t> Tokenizer::encode(std::string_view utf8, bool special_allowed) const {
  std::vector<std::uint32_t> ids;
  run(utf8, special_allowed, &ids);
  return ids;
}

std::uint64_t Tokenizer::run(std::string_view text, bool special,
                             std::vector<std::uint32_t>* ids) const {
  if (!special) return run_ordinary(text, ids);
  std::uint64_t count = 0;
  std::size_t from = 0;
  for (;;) {
    std::size_t place = std::string_view::npos;
    const Special* const found = find_special(encoding_, text, from, place);
    if (found == nullptr) return count + run_ordinary(text.substr(from), ids);
    count += run_ordinary(text.substr(from, place - from), ids) + 1;
    if (ids != nullptr) ids->push_back(found->id);
    from = place + found->text.size();
  }
}

std::uint64_t Tokenizer::run_ordinary(std::string_view text,
                                      std::vector<std::uint32_t>* ids) const {
  std::uint64_t count = 0;
  Splitter splitter(encoding_, kinds_, text);
  for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next()) {
    count += encode_piece(ranks_, piece, ids);
  }
  return count;
}

}  // namespace sallyport::meter
