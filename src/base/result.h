// SPDX-License-Identifier: Apache-2.0
// What a caller can expect to go wrong is a value. A code exists only if a caller branches on it.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace sallyport {

enum class Code {
  kInvalid,      // the input is wrong; the same input will be wrong again
  kNotFound,     // there is no such thing
  kDenied,       // there is, but not for this caller
  kExhausted,    // a limit, a queue or a deadline is used up
  kUnavailable,  // a peer, a disk or a store did not answer; may work later
  kCorrupt,      // stored or received data is not what it must be
};

struct Error {
  Code code;
  std::string what;  // for the operator's log; never holds a secret or a prompt
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Code code, std::string what) {
  return std::unexpected(Error{code, std::move(what)});
}

// The code as the operator's log spells it.
constexpr const char* name(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not_found";
    case Code::kDenied:
      return "denied";
    case Code::kExhausted:
      return "exhausted";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kCorrupt:
      return "corrupt";
  }
  return "unknown";
}

}  // namespace sallyport
