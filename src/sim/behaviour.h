// SPDX-License-Identifier: Apache-2.0
// What one call asks the simulated provider to do: words in the model's name ("sim-slow+no-done")
// or in the header x-sim-behave ("slow, no-done"). docs/sim.md lists them; unknown words are
// ignored, as a provider ignores what it does not know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace sallyport::sim {

struct Behaviour {
  std::string error;  // "500", "429-rate": answer this error
  std::optional<std::int64_t> retry_after_s;
  std::int64_t latency_ms = 0;             // before the first byte
  std::int64_t piece_delay_ms = 0;         // between two pieces of a stream
  std::optional<std::size_t> tokens;       // length of the answer
  std::optional<std::uint64_t> big_bytes;  // length of the answer, in bytes of text
  std::optional<std::size_t> die_after;    // break the connection after so many pieces
  bool die_in_event = false;               // and give half of the next one
  bool die_before_head = false;            // break it without an answer
  bool error_midstream = false;            // an error event after some pieces, then the end
  bool no_done = false;                    // leave out `data: [DONE]`
  bool no_usage = false;                   // as an upstream that does not count
  bool split_utf8 = false;                 // cut every piece inside a character
  bool crlf = false;                       // CR LF line ends in event streams
  bool comments = false;                   // a comment line before every event
  bool echo = false;                       // the answer is the last text of the request
  bool tool_calls = false;                 // the answer calls a function
  bool not_json = false;                   // 200 with HTML, as a broken proxy gives
  bool drop_before = false;                // break the connection before anything happened
  bool no_key = false;                     // an account is made without the key that belongs to it
  bool after_effect = false;               // `error` comes after the call took effect
  // Of a deletion: for each later call with the key, '1' if it is answered, '0' if it gets a 401.
  std::optional<std::string> afterlife = {};

  void apply(std::string_view word);
  void apply_all(std::string_view words, char separator);
};

inline constexpr std::uint64_t kBigBytesMax = 1u << 30;
inline constexpr std::size_t kTokensMax = 1'000'000;
inline constexpr std::size_t kAfterlifeMax = 10'000;
inline constexpr std::int64_t kWaitMsMax = 600'000;

// From the model's name and the header.
Behaviour behaviour_of(std::string_view model, const net::ServerRequest& request);

}  // namespace sallyport::sim
