// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "provider/config.h"

namespace sallyport::upstream {

struct UpstreamConfig {
  std::string name = "openai";
  std::string base_url = "https://api.openai.com/v1";  // what replaces /v1 of the client's path
  enum class Auth {
    kBearer,
    kApiKeyHeader
  } auth = Auth::kBearer;                 // kApiKeyHeader: Azure's `api-key`
  std::shared_ptr<const Secret> api_key;  // null: none is sent (a local server)
  std::string api_key_id;                 // public name of that credential for the record
  provider::LeaseConfig lease;            // where the credential comes from, if not from api_key
  std::string query;                      // appended to every target, e.g. "api-version=2024-10-21"
  std::optional<std::string> organization, project;
  std::optional<std::string> ca_file;  // instead of the system's store
  std::vector<std::string> models;     // requests for these go here (exact or prefix with *)
  std::int64_t connect_ms = 3'000;
  std::int64_t first_byte_ms = 60'000;
  std::int64_t idle_ms = 120'000;
  int retries_max = 2;                 // only where nothing was sent
  std::size_t connections_max = 256;   // per thread
  std::int64_t pool_idle_ms = 30'000;  // shorter than the provider's own idle timeout
  double breaker_error_rate = 0.5;     // share of failed calls that opens it
  std::int64_t breaker_window_ms = 30'000;
  int breaker_calls_min = 20;  // fewer calls in the window prove nothing
  std::int64_t breaker_open_ms = 15'000;
};

struct Config {
  std::vector<UpstreamConfig> upstreams;  // the first is the default
};

}  // namespace sallyport::upstream
