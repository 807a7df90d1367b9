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

// A subject of an identity provider that may become a service account; `subject` may end in '*'.
struct SimMapping {
  std::string subject;
  std::string service_account_id;
};

// An issuer of JWTs that the organisation trusts (workload identity federation).
struct SimIdentityProvider {
  std::string id;
  std::string issuer;
  std::string audience;
  std::string jwks;  // the text of its uploaded key set
  std::vector<SimMapping> mappings;
};

// What the next calls of a path get, in the words of docs/sim.md ("error-503, after-effect").
struct SimFault {
  std::string method;  // empty: any
  std::string path;    // '*' stands for one segment, a last "**" for all that follow
  std::string behave;
  std::size_t skip = 0;   // calls that pass before it strikes
  std::size_t times = 1;  // calls it strikes; 0: all
};

struct SimOptions {
  net::Endpoint listen = {};   // port 0 picks one; see SimServer::address()
  std::string key = "sk-sim";  // a credential it accepts; empty accepts any
  // With an empty `key`: accept only what the Admin API or /oauth/token handed out.
  bool strict_keys = false;
  std::string admin_key = "sk-admin-sim";  // of the Admin API; empty: only those made later
  std::vector<std::string> projects = {"proj_simulated"};  // the first one is that of `key`
  std::string retention = "modified_abuse_monitoring";     // of the organisation
  std::size_t alive_calls = 0;      // so many more calls a deleted key still gets answered
  std::size_t usage_lag_polls = 0;  // so many polls of usage or costs do not see a call yet
  // Admin acts by API are told of an API key, without an address, as OpenAI tells them. True: of a
  // person's session at the caller's address.
  bool session_acts = false;
  std::vector<SimIdentityProvider> identity_providers = {};
  std::vector<SimFault> path_faults = {};
  // What every model costs, in USD for 1,000,000 tokens. Below 0: the built-in table.
  double input_usd_per_million = -1;
  double output_usd_per_million = -1;
  std::int64_t latency_ms = 0;      // before every answer
  std::int64_t token_delay_ms = 0;  // between two pieces of a stream
  std::uint64_t seed = 0;           // same seed and same request, same answer
  // Share of calls (0 to 1) that get the behaviour of that name, for example {"error-503", 0.05}.
  std::vector<std::pair<std::string, double>> faults = {};
  bool request_log = true;         // the routes below /sim/; off where strangers may reach it
  std::size_t logged_max = 2'000;  // the oldest are forgotten
  std::size_t files_max = 1'000;   // uploads beyond it are refused as OpenAI refuses a quota
  std::size_t files_bytes_max = 256u << 20;
  std::size_t body_bytes_max = 640u << 20;  // a file of 512 MB and its multipart frame
};

}  // namespace sallyport::sim
