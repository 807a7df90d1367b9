// SPDX-License-Identifier: Apache-2.0
// The body of a request: read whole before anything goes up. Small ones lie in memory, uploads in a
// spool (memory, then an unlinked file encrypted with a key that dies with the request). Stages do
// not rewrite bytes, they record splices; what is sent is the inspected body with those splices.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "exchange/body_memory.h"
#include "net/body.h"

namespace sallyport {

class Spool;  // exchange/spool.h

struct Splice {
  std::uint64_t offset = 0;   // in the inspected body
  std::uint64_t removed = 0;  // bytes replaced
  std::string inserted;
};

enum class BodyKind { kNone, kJson, kMultipart, kOpaque };

class RequestBody {
 public:
  RequestBody();
  ~RequestBody();
  RequestBody(RequestBody&&) noexcept;
  RequestBody& operator=(RequestBody&&) noexcept;

  BodyKind kind = BodyKind::kNone;
  std::string content_type;      // as it goes up; empty without a body
  std::string bytes;             // kJson
  std::unique_ptr<Spool> spool;  // kMultipart, kOpaque
  BodyMemory::Share memory;      // what `bytes` may take of all bodies' memory

  std::uint64_t size() const;  // inspected bytes, before splices

  // Splices do not overlap; any order. kInvalid if one would overlap or lie outside.
  Result<void> splice(Splice edit);
  const std::vector<Splice>& splices() const { return splices_; }
  std::uint64_t sent_size() const;  // after splices
  std::string sent_text() const;    // the same as text; only for a body in memory (kJson)

  // The body as it goes up; may be called again for a retry.
  std::unique_ptr<net::BodySource> open() const;
  void release();  // gives the memory back once the request was sent

 private:
  std::vector<Splice> splices_;  // sorted by offset
};

}  // namespace sallyport
