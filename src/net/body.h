// SPDX-License-Identifier: Apache-2.0
// A body that is pulled, piece by piece: back-pressure and streaming come free. A stage that
// changes a body wraps the source it was given.
//
//   for (;;) {
//     const Result<std::string_view> piece = co_await body->pull();
//     if (!piece) ...            // broke: the body is not complete
//     if (piece->empty()) break; // the clean end
//     use(*piece);
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"

namespace sallyport::net {

class BodySource {
 public:
  virtual ~BodySource() = default;
  // The next bytes, valid until the next pull or the source's end of life; empty at the clean end;
  // an error if the body broke off (kUnavailable), timed out (kExhausted) or is malformed
  // (kCorrupt). After an error or the end it must not be called again.
  virtual Task<Result<std::string_view>> pull() = 0;

  // True once it is known that nothing follows the piece last pulled, so that a sender can hold
  // that piece back until the record is written and send it together with the end. False promises
  // nothing. A wrapper answers for what it wraps.
  virtual bool finished() const { return false; }

  // True when the next pull gives bytes without waiting, so that a sender can put several pieces
  // into one write. False promises nothing.
  virtual bool at_hand() const { return false; }
};

// A body that is in memory; it may hold a secret.
class BytesBody final : public BodySource {
 public:
  enum class Wiped { kNo, kYes };
  explicit BytesBody(std::string bytes, Wiped wiped = Wiped::kNo)
      : bytes_(std::move(bytes)), wiped_(wiped) {}
  ~BytesBody() override;
  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return given_; }

 private:
  std::string bytes_;
  const Wiped wiped_;
  bool given_ = false;
};

}  // namespace sallyport::net
