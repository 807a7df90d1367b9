// SPDX-License-Identifier: Apache-2.0
// `serve --quickstart`: a first start without a file to write. Makes a folder with a configuration
// and a pepper, starts the simulated provider on a thread of this process when no OPENAI_API_KEY is
// set, and hands out a first key. Everything it makes can be kept for real use.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace sallyport::cli {

class Quickstart {
 public:
  // Makes what is missing under `folder` (mode 0700): sallyport.yaml, key_pepper. Existing files
  // stay.
  // `gate` is the address of the data port in a configuration that is made now.
  static Result<std::unique_ptr<Quickstart>> prepare(const std::string& folder,
                                                     const std::string& gate);
  ~Quickstart();

  const std::string& config_file() const { return config_file_; }
  bool simulated() const;  // the upstream is the built-in simulated provider

 private:
  struct Provider;  // thread, loop and server of the simulated provider
  Quickstart();
  Result<void> start_provider();
  Result<void> write_files(const std::string& folder, const std::string& gate);
  std::string config_file_;
  std::unique_ptr<Provider> provider_;
};

}  // namespace sallyport::cli
