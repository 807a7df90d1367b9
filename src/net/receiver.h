// SPDX-License-Identifier: Apache-2.0
// Bytes that a stream delivered and nobody has used up yet. A buffer of the loop is held only while
// there are such bytes and never while waiting, so that an idle connection costs none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "net/stream.h"

namespace sallyport::net {

class Receiver {
 public:
  explicit Receiver(Stream& stream) : stream_(stream) {}  // `stream` outlives the receiver
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // Waits for bytes and reads once; how many, or 0 at the orderly end. Bytes not yet used stay in
  // front of the new ones (the caller bounds them); all views into them end here.
  Task<Result<std::size_t>> more(Deadline until);

  std::string_view unread() const { return unread_; }
  void consume(std::size_t bytes) { unread_.remove_prefix(bytes); }

  // Gives up the buffer. Only when nothing is unread.
  void release();

 private:
  Stream& stream_;
  Buffer buffer_;            // what the last read brought, or
  std::string kept_;         // unused bytes and what came after them
  std::string_view unread_;  // into one of the two
};

}  // namespace sallyport::net
