// SPDX-License-Identifier: Apache-2.0
#include "net/receiver.h"

#include <span>
#include <utility>

namespace sallyport::net {

Task<Result<std::size_t>> Receiver::more(Deadline until) {
  // Unused bytes move to a string of their own size: what waits here is small (a piece of a head),
  // and the buffer goes back to the loop while nothing comes.
  if (unread_.empty()) {
    std::string().swap(kept_);  // assignment would keep the memory
  } else if (unread_.data() + unread_.size() != kept_.data() + kept_.size()) {
    kept_.assign(unread_);
  } else {
    kept_.erase(0, static_cast<std::size_t>(unread_.data() - kept_.data()));
  }
  unread_ = kept_;
  buffer_.release();

  const Ready ready = co_await stream_.readable(until);
  if (ready == Ready::kTimeout) co_return fail(Code::kExhausted, "nothing came in time");
  if (ready == Ready::kCancelled) co_return fail(Code::kUnavailable, "cancelled");

  buffer_ = stream_.handle().loop().buffer();
  const std::span<char> room(buffer_.data(), kBufferBytes);
  const Result<std::size_t> read = co_await stream_.read_some(room, until);
  if (!read || *read == 0) {
    buffer_.release();
    co_return read;
  }
  if (kept_.empty()) {
    unread_ = {buffer_.data(), *read};
  } else {
    kept_.append(buffer_.data(), *read);
    unread_ = kept_;
    buffer_.release();
  }
  co_return *read;
}

void Receiver::release() {
  buffer_.release();
  std::string().swap(kept_);
  unread_ = {};
}

}  // namespace sallyport::net
