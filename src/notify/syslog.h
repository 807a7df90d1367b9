// SPDX-License-Identifier: Apache-2.0
// Syslog over TCP or TLS, on one connection that stays. The protocol has no acknowledgement: what a
// receiver got is known only to it. So what was sent within the last seconds is sent again after a
// connection broke; the ids tell what is there twice. Not a transport for evidence.
#pragma once

#include "notify/sink.h"
#include "notify/sink_table.h"
#include "notify/syslog_message.h"

namespace sallyport::notify {

inline constexpr SinkOption kSyslogOptions[] = {
    {"format", "What a message says: json or cef.", "json"},
    {"facility", "Number of the facility, 0 to 23; 13 is log audit.", "13"},
    {"enterprise", "Private enterprise number of the structured data.", "32473"},
    {"message_bytes",
     "Longest message the receiver takes, 2048 to 65536; longer ones say only "
     "their id.",
     "8192"},
    {"resend", "What was sent so long before a connection broke is sent again.", "10s"},
};

// What the options say; host and version are the house's.
Result<SyslogWords> syslog_words(const SinkConfig& config);

Result<std::unique_ptr<Sink>> make_syslog(const SinkConfig& config, const SinkParts& parts);
Result<void> check_syslog(const SinkConfig& config);

}  // namespace sallyport::notify
