// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace sallyport::detect {

struct Config {
  // A key takes about 3 KB. Beyond the most, what was not seen longest is forgotten, young keys
  // first: a flood of made-up names costs no old key its baseline.
  std::size_t keys_max = 100'000;
  std::size_t sources_max = 400'000;  // addresses whose failures are counted; 56 bytes each
  std::size_t incidents_max = 4'096;  // open at the same time

  // Nats of evidence (docs/detectors.md).
  double medium_score = 3.0;
  double high_score = 5.5;
  double critical_score = 9.0;

  // The geography is older than six months: what it says is a hint, so that a case which leans on
  // it never rises above medium.
  bool geography_stale = false;
};

}  // namespace sallyport::detect
