// SPDX-License-Identifier: Apache-2.0
#include "audit/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "audit/signed_note.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

constexpr std::string_view kProofHead = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kIndex = "index ";
constexpr std::size_t kProofFileBytesMax = kNoteBytesMax + 16 * 1024;

// Takes one line and its newline from the front.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

// No sign, no leading zero: each number has one spelling.
std::optional<std::uint64_t> decimal(std::string_view digits) {
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  return parse_uint(digits);
}

std::optional<TreeHash> hash_of(std::string_view base64) {
  const auto bytes = base64_decode(base64);
  TreeHash hash;
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

std::string base64_of(const TreeHash& hash) {
  return base64_encode({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace

bool good_origin(std::string_view origin) {
  return !origin.empty() && origin.size() <= 200 && origin.front() != '/' && origin.back() != '/' &&
         std::ranges::all_of(origin, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_' || c == '/' || c == ':';
         });
}

std::string Checkpoint::text() const {
  return origin + '\n' + std::to_string(size) + '\n' + base64_of(root) + '\n';
}

Result<Checkpoint> Checkpoint::parse(std::string_view note_text) {
  const auto origin = take_line(note_text);
  if (!origin || origin->empty()) return fail(Code::kInvalid, "a checkpoint has no origin");
  const auto size_line = take_line(note_text);
  const auto size = size_line ? decimal(*size_line) : std::nullopt;
  if (!size || *size > kTreeSizeMax) return fail(Code::kInvalid, "a checkpoint has no size");
  const auto root_line = take_line(note_text);
  const auto root = root_line ? hash_of(*root_line) : std::nullopt;
  if (!root) return fail(Code::kInvalid, "a checkpoint has no root");
  if (!note_text.empty()) return fail(Code::kInvalid, "a checkpoint has lines too many");
  return Checkpoint{std::string(*origin), *size, *root};
}

std::string ProofFile::text() const {
  std::string out(kProofHead);
  out += '\n';
  out += kIndex;
  out += std::to_string(index) + '\n';
  for (const TreeHash& hash : proof) out += base64_of(hash) + '\n';
  return out + '\n' + checkpoint;
}

Result<ProofFile> ProofFile::parse(std::string_view text) {
  const auto wrong = [](const char* what) {
    return fail(Code::kInvalid, std::string("not a proof file: ") + what);
  };
  if (text.size() > kProofFileBytesMax) return wrong("too long");
  if (take_line(text) != kProofHead) return wrong("the first line");
  auto line = take_line(text);
  if (line && line->starts_with("extra ")) line = take_line(text);  // not authenticated: not used
  const auto index =
      line && line->starts_with(kIndex) ? decimal(line->substr(kIndex.size())) : std::nullopt;
  if (!index) return wrong("the index");
  ProofFile file;
  file.index = *index;
  for (line = take_line(text); line && !line->empty(); line = take_line(text)) {
    const auto hash = hash_of(*line);
    if (!hash || file.proof.size() == kProofHashesMax) return wrong("a hash");
    file.proof.push_back(*hash);
  }
  if (!line) return wrong("it ends before the checkpoint");
  file.checkpoint = text;
  return file;
}

}  // namespace sallyport::audit
