// SPDX-License-Identifier: Apache-2.0
// A record as one syslog message (RFC 5424), framed for a stream by counting octets (RFC 6587, RFC
// 5425). Pure functions; notify/syslog.h has the connection.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "notify/sink.h"

namespace sallyport::notify {

struct SyslogWords {
  int facility = 13;  // log audit
  std::string host;   // as it stands in the header
  std::string enterprise = "32473";
  std::string version;
  bool cef = false;                  // else JSON
  std::size_t message_bytes = 8192;  // longer ones are replaced by their id
};

// "LEN <PRI>1 TIME HOST sallyport - KIND [sallyport@N ...] MESSAGE".
void append_syslog(std::string& out, const Outgoing& record, const SyslogWords& words);

// Printable ASCII without blanks, at most `bytes_max`; "-" when nothing is left.
std::string syslog_name(std::string_view text, std::size_t bytes_max);

}  // namespace sallyport::notify
