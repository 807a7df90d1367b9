// SPDX-License-Identifier: Apache-2.0
// What the gateway needs to run, checked one by one, each with what to do about it. Changes
// nothing: no file is made, no port kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace sallyport::cli {

enum class Health { kGood, kWarn, kFail };

struct Diagnosis {
  Health health = Health::kGood;
  std::string name;  // "store"
  std::string what;
  std::string fix;  // empty when there is nothing to do
};
using Diagnoses = std::vector<Diagnosis>;

struct DoctorOptions {
  bool server_runs = false;  // its ports are in use by right
  bool offline = false;
};

Diagnoses examine(const config::Config& config, const DoctorOptions& options);

// The parts, for tests.
void examine_dangers(const config::Config& config, Diagnoses& found);
void examine_files(const config::Config& config, Diagnoses& found);
void examine_tls_files(std::string_view name, const std::string& certificate,
                       const std::string& key, Diagnoses& found);
void examine_ports(const config::Config& config, bool server_runs, Diagnoses& found);
void examine_host(const config::Config& config, Diagnoses& found);
void examine_upstreams(const config::Config& config, Diagnoses& found);
// What the running server says of itself and is not well; the body of /health/readiness.
void examine_server(std::string_view readiness, Diagnoses& found);

}  // namespace sallyport::cli
