// SPDX-License-Identifier: Apache-2.0
#include "audit/log_keys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <span>

#include "audit/checkpoint.h"
#include "base/random.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kHistoryBytesMax = 1u << 20;
constexpr std::size_t kOriginBytesMax = 256;

std::optional<std::string_view> take_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  if (line.empty()) return std::nullopt;
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}

}  // namespace

Result<KeyHistory> KeyHistory::parse(std::string_view text) {
  const auto wrong = [] { return fail(Code::kCorrupt, "the history of keys is unreadable"); };
  KeyHistory history;
  const std::string_view whole = text;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return wrong();
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto key_text = take_word(line);
    const auto from = parse_uint(take_word(line).value_or(""));
    const auto to_text = take_word(line);
    auto key = VerifierKey::parse(key_text.value_or(""));
    if (!key || !from || !to_text || !line.empty()) return wrong();
    KeyTerm term{.key = std::move(*key), .from = *from, .to = {}};
    if (*to_text != "-") {
      term.to = parse_uint(*to_text);
      if (!term.to || *term.to < term.from) return wrong();
    }
    // One key follows the other without a gap, and only the last one is in force.
    auto& terms = history.terms_;
    if (terms.empty() ? term.from != 0 : terms.back().to != term.from) return wrong();
    terms.push_back(std::move(term));
  }
  if (!history.terms_.empty() && history.terms_.back().to) return wrong();
  if (history.text() != whole) return wrong();  // each number and key has one spelling
  return history;
}

Result<KeyHistory> KeyHistory::read(FileSystem& files, const std::string& journal) {
  const Result<std::string> text = files.read(journal + "/vkeys", kHistoryBytesMax);
  if (!text && text.error().code == Code::kNotFound) return KeyHistory();
  if (!text) return std::unexpected(text.error());
  return parse(*text);
}

Result<void> KeyHistory::write(FileSystem& files, const std::string& journal) const {
  return replace_file(files, journal, "vkeys", text());
}

std::string KeyHistory::text() const {
  std::string text;
  for (const KeyTerm& term : terms_) {
    text += term.key.text() + ' ' + std::to_string(term.from) + ' ';
    text += (term.to ? std::to_string(*term.to) : "-") + '\n';
  }
  return text;
}

void KeyHistory::rotate(const VerifierKey& next, std::uint64_t at_size) {
  if (terms_.empty()) at_size = 0;
  if (!terms_.empty()) terms_.back().to = at_size;
  terms_.push_back({.key = next, .from = at_size, .to = {}});
}

std::vector<VerifierKey> KeyHistory::in_force(std::uint64_t size) const {
  std::vector<VerifierKey> keys;
  for (const KeyTerm& term : terms_) {
    if (term.from <= size && (!term.to || size <= *term.to)) keys.push_back(term.key);
  }
  return keys;
}

std::optional<std::string> read_origin(FileSystem& files, const std::string& journal) {
  const Result<std::string> text = files.read(journal + "/origin", kOriginBytesMax);
  if (!text || !text->ends_with('\n')) return std::nullopt;
  std::string origin = text->substr(0, text->size() - 1);
  if (!good_origin(origin)) return std::nullopt;
  return origin;
}

Result<void> write_origin(FileSystem& files, const std::string& journal,
                          const std::string& origin) {
  return replace_file(files, journal, "origin", origin + '\n');
}

Result<std::string> log_origin(FileSystem& files, const std::string& journal,
                               const std::string& configured, bool make) {
  if (!configured.empty() && !good_origin(configured)) {
    return fail(Code::kInvalid, "audit.origin is host and path without scheme");
  }
  if (auto origin = read_origin(files, journal)) {
    if (configured.empty() || configured == *origin) return std::move(*origin);
    return fail(Code::kDenied, "audit.origin is " + configured + ", but this log is " + *origin +
                                   "; a log keeps its name (`sallyport audit accept-state "
                                   "--new-origin` begins another)");
  }
  const Result<std::string> there = files.read(journal + "/origin", kOriginBytesMax);
  if (there || there.error().code != Code::kNotFound) {
    return fail(Code::kCorrupt, journal +
                                    "/origin is unreadable; the name of the log stands in "
                                    "the first line of each checkpoint");
  }
  if (!make) return fail(Code::kNotFound, "the log has no name yet: it was never signed");
  std::string origin = configured;
  if (origin.empty()) origin = "sallyport.local/" + random_base62(16);
  const Result<void> written = write_origin(files, journal, origin);
  if (!written) return std::unexpected(written.error());
  return origin;
}

Result<std::shared_ptr<const Secret>> decode_seed(const Secret& base64) {
  std::string_view text = base64.reveal();
  if (text.ends_with('\n')) text.remove_suffix(1);
  auto bytes = base64_decode(text);
  if (!bytes || bytes->size() != kSeedBytes) {
    return fail(Code::kInvalid, "a signing key is base64 of 32 bytes");
  }
  auto seed = std::make_shared<const Secret>(*bytes);
  explicit_bzero(bytes->data(), bytes->size());
  return seed;
}

Result<std::shared_ptr<const Secret>> read_seed(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ENOENT) return fail(Code::kNotFound, path + " is not there");
    return fail(Code::kUnavailable, path + " cannot be read");
  }
  struct stat status{};
  std::array<char, 128> buffer{};
  const bool known = ::fstat(fd, &status) == 0;
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  if (!known || n < 0) return fail(Code::kUnavailable, path + " cannot be read");
  const Secret text{std::string_view(buffer.data(), static_cast<std::size_t>(n))};
  explicit_bzero(buffer.data(), buffer.size());
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) {
    return fail(Code::kDenied, path + " must be a file of the user that runs the server");
  }
  if ((status.st_mode & 077) != 0) {
    return fail(Code::kDenied, path + " may be read by others; its mode must be 0600");
  }
  auto seed = decode_seed(text);
  if (!seed) return fail(Code::kCorrupt, path + ": " + seed.error().what);
  return seed;
}

Result<std::shared_ptr<const Secret>> make_seed(FileSystem& files, const std::string& path) {
  std::array<unsigned char, kSeedBytes> bytes{};
  fill_random(bytes);
  std::string text = base64_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  text += '\n';
  auto seed = std::make_shared<const Secret>(
      std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  explicit_bzero(bytes.data(), bytes.size());
  Result<void> done = files.make_directory(directory_of(path));
  if (done) done = replace_file(files, directory_of(path), name_of(path), text);
  explicit_bzero(text.data(), text.size());
  if (!done) return std::unexpected(done.error());
  return seed;
}

}  // namespace sallyport::audit
