// SPDX-License-Identifier: Apache-2.0
// One request as the detectors see it: decoded once, names as numbers (hash.h), so that no detector
// touches text. Lives for one call of Watch::observe.
#pragma once

#include <cstdint>

namespace sallyport::detect {

using Second = std::uint32_t;  // since 1970; good until 2106

inline constexpr Second kHour = 3'600;
inline constexpr Second kDay = 86'400;

struct Sighting {
  Second now = 0;
  float tokens_input = 0;  // 0 where nobody told
  float tokens_output = 0;
  float counted_input = 0;  // tokens of the input that were counted when it was admitted
  float requests = 1;       // 0: more news of a request that was counted before
  float weight = 1;         // of a refusal for attempts in the rate: retries are no work
  int status = 0;           // 0: none yet
  bool limited = false;     // 429
  bool failed = false;      // any status of 400 and above
  bool server_error = false;
  bool flagged = false;  // a check of the answer raised a flag
  std::int64_t latency_ms = -1;

  std::uint64_t address = 0;  // hash; 0: none
  std::uint64_t subnet = 0;   // its /24 or /64
  std::uint32_t network = 0;  // (ASN, country), or (/16, country) where no ASN is known; 0: none
  std::uint32_t asn = 0;      // 0: unknown
  std::uint16_t country = 0;  // two letters; 0: unknown
  std::uint32_t operated_by = 0;  // the ASN, or who owns a well-known range; 0: unknown
  bool network_is_ours = false;   // some key is at home there
  bool strange = false;           // an address its key never had, in a network that is home
  bool datacentre = false;

  std::uint32_t model = 0, purpose = 0, endpoint = 0;  // hashes; 0: none

  float tokens() const { return tokens_input + tokens_output; }
  float new_tokens() const { return tokens() > counted_input ? tokens() - counted_input : 0; }
  bool works() const { return status < 400 && status != 0; }
};

}  // namespace sallyport::detect
