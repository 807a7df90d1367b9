// SPDX-License-Identifier: Apache-2.0
#include "audit/last_signed.h"

#include <utility>

#include "audit/checkpoint.h"

namespace sallyport::audit {
namespace {

constexpr std::string_view kHead = "sallyport last signed v1\n";
constexpr std::size_t kBytesMax = 4'096;

}  // namespace

// The head, a checkpoint's three lines, and the key.
std::string SignedState::text() const {
  const Checkpoint checkpoint{.origin = origin, .size = size, .root = root};
  return std::string(kHead) + checkpoint.text() + key + '\n';
}

Result<SignedState> SignedState::parse(std::string_view text) {
  const auto wrong = [] { return fail(Code::kCorrupt, "not a last-signed state"); };
  if (!text.starts_with(kHead)) return wrong();
  text.remove_prefix(kHead.size());
  if (!text.ends_with('\n')) return wrong();
  text.remove_suffix(1);
  const std::size_t end = text.rfind('\n');
  if (end == std::string_view::npos) return wrong();
  Result<Checkpoint> checkpoint = Checkpoint::parse(text.substr(0, end + 1));
  if (!checkpoint || end + 1 == text.size()) return wrong();
  return SignedState{.origin = std::move(checkpoint->origin),
                     .size = checkpoint->size,
                     .root = checkpoint->root,
                     .key = std::string(text.substr(end + 1))};
}

Result<std::optional<SignedState>> LastSigned::read(FileSystem& files, const std::string& path) {
  const Result<std::string> text = files.read(path, kBytesMax);
  if (!text && text.error().code == Code::kNotFound) return std::optional<SignedState>();
  if (!text) return std::unexpected(text.error());
  Result<SignedState> state = SignedState::parse(*text);
  if (!state) return fail(Code::kCorrupt, path + ": " + state.error().what);
  return std::optional(std::move(*state));
}

Result<LastSigned> LastSigned::open(FileSystem& files, std::string path) {
  const Result<void> made = files.make_directory(directory_of(path));
  if (!made) return std::unexpected(made.error());
  LastSigned last(files, std::move(path));
  auto lock = files.lock(last.path_ + ".lock");
  if (!lock) return std::unexpected(std::move(lock.error()));
  last.lock_ = std::move(*lock);
  auto state = read(files, last.path_);
  if (!state) return std::unexpected(std::move(state.error()));
  last.state_ = std::move(*state);
  return last;
}

Result<void> LastSigned::advance(const SignedState& next) {
  if (state_) {
    if (next.origin != state_->origin) return fail(Code::kDenied, "the origin would change");
    if (next.size < state_->size) return fail(Code::kDenied, "the size would go back");
    if (next.size == state_->size && next.root != state_->root) {
      return fail(Code::kDenied, "the root of the same size would change");
    }
  }
  return replace(next);
}

Result<void> LastSigned::replace(const SignedState& next) {
  const auto now = read(*files_, path_);
  if (!now) return std::unexpected(now.error());
  if (*now != state_) {
    return fail(Code::kDenied, path_ + " was changed by somebody else; not signing");
  }
  const Result<void> done = replace_file(*files_, directory_of(path_), name_of(path_), next.text());
  if (!done) {
    // Not known whether the new one stands: what stands is what counts.
    const auto after = read(*files_, path_);
    if (after && *after && **after == next) state_ = next;
    return done;
  }
  state_ = next;
  return {};
}

}  // namespace sallyport::audit
