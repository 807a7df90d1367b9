// SPDX-License-Identifier: Apache-2.0
#include "notify/dead_letters.h"

#include <algorithm>

#include "base/json_writer.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kReasonBytesMax = 512;  // a receiver may say much

}  // namespace

Result<std::size_t> DeadLetters::add(UtcTime now, std::span<const Letter> letters) {
  const Result<std::uint64_t> size = files_.size(directory_ + "/" + name_);
  if (!size && size.error().code != Code::kNotFound) return std::unexpected(size.error());
  const std::uint64_t room = bytes_max_ - std::min(bytes_max_, size.value_or(0));
  std::string out;
  std::size_t kept = 0;
  for (const Letter& letter : letters) {
    std::string text;
    JsonWriter(text)
        .begin_object()
        .field("time_utc", std::string_view(format_utc(now)))
        .field("id", letter.id)
        .field("reason", letter.reason.substr(0, kReasonBytesMax))
        .field("line", letter.line)  // as text: it may be what could not be read
        .end_object();
    text += '\n';
    if (out.size() + text.size() > room) break;
    out += text;
    ++kept;
  }
  if (kept == 0) return kept;
  const Result<void> done = audit::append_file(files_, directory_, name_, out);
  if (!done) return std::unexpected(done.error());
  return kept;
}

}  // namespace sallyport::notify
