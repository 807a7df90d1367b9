// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sallyport::admin {

struct Config {
  std::string address = "127.0.0.1:9443";  // never the data port; loopback unless TLS is on
  std::optional<std::string> tls_cert_file, tls_key_file;
  std::vector<std::string> hosts;  // further names that Host may have, against DNS rebinding
  std::string socket =
      "/run/sallyport/admin.sock";  // mode 0600: file permissions are the login; empty = none
};

}  // namespace sallyport::admin
