// SPDX-License-Identifier: Apache-2.0
#include "exchange/request_body.h"

#include <algorithm>
#include <utility>

#include "exchange/spool.h"

namespace sallyport {
namespace {

// Below this a spliced body is put together once, so that it leaves with its head in one send.
constexpr std::uint64_t kAssembledBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes = 64 * 1024;

// Gives out the inspected bytes of a body with its splices, in order.
class SplicedBody final : public net::BodySource {
 public:
  explicit SplicedBody(const RequestBody& body) : body_(body) {}

  Task<Result<std::string_view>> pull() override {
    const auto& splices = body_.splices();
    while (at_ < body_.size() || next_ < splices.size()) {
      if (next_ < splices.size() && splices[next_].offset == at_) {
        const Splice& edit = splices[next_++];
        at_ += edit.removed;
        if (!edit.inserted.empty()) co_return std::string_view(edit.inserted);
        continue;
      }
      co_return original(next_ < splices.size() ? splices[next_].offset : body_.size());
    }
    co_return std::string_view();
  }

 private:
  Result<std::string_view> original(std::uint64_t until) {
    const std::uint64_t left = until - at_;
    if (!body_.spool) {
      const std::string_view piece = std::string_view(body_.bytes).substr(at_, left);
      at_ = until;
      return piece;
    }
    auto read = body_.spool->read(at_, std::min<std::uint64_t>(left, kPieceBytes));
    if (!read) return std::unexpected(read.error());
    if (read->empty()) return fail(Code::kCorrupt, "the spool is shorter than it was");
    piece_ = std::move(*read);
    at_ += piece_.size();
    return std::string_view(piece_);
  }

  const RequestBody& body_;  // outlives the source
  std::uint64_t at_ = 0;
  std::size_t next_ = 0;
  std::string piece_;
};

std::string assemble(const RequestBody& body) {
  std::string out;
  out.reserve(body.sent_size());
  std::size_t at = 0;
  for (const Splice& edit : body.splices()) {
    out.append(body.bytes, at, edit.offset - at);
    out.append(edit.inserted);
    at = edit.offset + edit.removed;
  }
  out.append(body.bytes, at);
  return out;
}

}  // namespace

RequestBody::RequestBody() = default;
RequestBody::~RequestBody() = default;
RequestBody::RequestBody(RequestBody&&) noexcept = default;
RequestBody& RequestBody::operator=(RequestBody&&) noexcept = default;

std::uint64_t RequestBody::size() const { return spool ? spool->size() : bytes.size(); }

Result<void> RequestBody::splice(Splice edit) {
  const std::uint64_t whole = size();
  if (edit.offset > whole || edit.removed > whole - edit.offset) {
    return fail(Code::kInvalid, "a splice lies outside the body");
  }
  const auto place = std::upper_bound(
      splices_.begin(), splices_.end(), edit.offset,
      [](std::uint64_t offset, const Splice& other) { return offset < other.offset; });
  if (place != splices_.begin()) {
    const Splice& before = *std::prev(place);
    // Two insertions at one place are ambiguous in order, so they count as overlapping too.
    if (before.offset + before.removed > edit.offset || before.offset == edit.offset) {
      return fail(Code::kInvalid, "two splices overlap");
    }
  }
  if (place != splices_.end() && edit.offset + edit.removed > place->offset) {
    return fail(Code::kInvalid, "two splices overlap");
  }
  splices_.insert(place, std::move(edit));
  return {};
}

std::uint64_t RequestBody::sent_size() const {
  std::uint64_t total = size();
  for (const Splice& edit : splices_) total = total - edit.removed + edit.inserted.size();
  return total;
}

std::string RequestBody::sent_text() const { return assemble(*this); }

std::unique_ptr<net::BodySource> RequestBody::open() const {
  if (kind == BodyKind::kNone) return nullptr;
  if (!spool && !splices_.empty() && size() <= kAssembledBytesMax) {
    return std::make_unique<net::BytesBody>(assemble(*this));
  }
  return std::make_unique<SplicedBody>(*this);
}

void RequestBody::release() {
  std::string().swap(bytes);
  spool.reset();
  memory = BodyMemory::Share();
  std::vector<Splice>().swap(splices_);
}

}  // namespace sallyport
