// SPDX-License-Identifier: Apache-2.0
// How the simulated provider behaves for every call. What a single call may ask for stands in
// behaviour.h and docs/sim.md.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "net/stream.h"

namespace sallyport::sim {

struct SimOptions {
  net::Endpoint listen = {};        // port 0 picks one; see SimServer::address()
  std::string key = "sk-sim";       // the credential it accepts; empty accepts any
  std::int64_t latency_ms = 0;      // before every answer
  std::int64_t token_delay_ms = 0;  // between two pieces of a stream
  std::uint64_t seed = 0;           // same seed and same request, same answer
  // Share of calls (0 to 1) that get the behaviour of that name, for example {"error-503", 0.05}.
  std::vector<std::pair<std::string, double>> faults = {};
  bool request_log = true;         // GET /sim/requests; off where strangers may reach it
  std::size_t logged_max = 2'000;  // the oldest are forgotten
  std::size_t files_max = 1'000;   // uploads beyond it are refused as OpenAI refuses a quota
  std::size_t files_bytes_max = 256u << 20;
  std::size_t body_bytes_max = 640u << 20;  // a file of 512 MB and its multipart frame
};

}  // namespace sallyport::sim
