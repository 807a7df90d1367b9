// SPDX-License-Identifier: Apache-2.0
// `sallyport sim`: the simulated provider on its own.
#include <ostream>

#include "base/text.h"
#include "cli/commands.h"
#include "http/gate.h"
#include "sim/sim_server.h"

namespace sallyport::cli {
namespace {

constexpr std::uint64_t kCallsMax = 10'000;

Result<sim::SimOptions> read_options(const Invocation& call) {
  sim::SimOptions options;
  auto at = http::parse_address(call.value("listen", "127.0.0.1:8081"));
  if (!at) return std::unexpected(at.error());
  options.listen = *at;
  for (const auto& [name, place] : {std::pair("latency", &options.latency_ms),
                                    std::pair("token-delay", &options.token_delay_ms)}) {
    if (!call.has(name)) continue;
    const auto duration = parse_duration(call.value(name));
    if (!duration)
      return fail(Code::kInvalid, std::string("--") + name + " takes a duration such as 20ms");
    *place = duration->count();
  }
  if (call.has("seed")) {
    const auto seed = parse_uint(call.value("seed"));
    if (!seed) return fail(Code::kInvalid, "--seed takes a number");
    options.seed = *seed;
  }
  if (call.has("key")) options.key = call.value("key");
  if (call.has("admin-key")) options.admin_key = call.value("admin-key");
  options.strict_keys = call.has("strict-keys");
  if (options.strict_keys && !call.has("key")) options.key.clear();
  for (const auto& [name, place] : {std::pair("alive-calls", &options.alive_calls),
                                    std::pair("usage-lag", &options.usage_lag_polls)}) {
    if (!call.has(name)) continue;
    const auto count = parse_uint(call.value(name));
    if (!count || *count > kCallsMax) {
      return fail(Code::kInvalid, std::string("--") + name + " takes a number of calls");
    }
    *place = *count;
  }
  if (!call.has("fault")) return options;
  for (const std::string& fault : call.all("fault")) {
    const std::size_t equals = fault.find('=');
    char* end = nullptr;
    const std::string share = equals == std::string::npos ? "" : fault.substr(equals + 1);
    const double rate = std::strtod(share.c_str(), &end);
    if (share.empty() || *end != '\0' || !(rate >= 0 && rate <= 1)) {
      return fail(Code::kInvalid, "--fault takes NAME=SHARE with a share of 0 to 1");
    }
    options.faults.emplace_back(fault.substr(0, equals), rate);
  }
  return options;
}

}  // namespace

int simulate(const Invocation& call) {
  auto options = read_options(call);
  if (!options) return complain(call, options.error());
  return sim::run_sim(std::move(*options), call.out, call.err);
}

}  // namespace sallyport::cli
