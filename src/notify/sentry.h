// SPDX-License-Identifier: Apache-2.0
// Sentry: what is wrong with the gate or its provider, as error events in envelopes. One event an
// envelope; the same trouble (fingerprint) is told once in a while, with a count. Not a place for
// the record: requests that went well, or that were refused, are passed over.
#pragma once

#include "notify/http_sink.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kSentryOptions[] = {
    {"environment", "Shown as the event's environment.", "production"},
    {"window", "The same trouble is told once in so long; 0s: each time.", "60s"},
};

// What a DSN says: https://<public key>@<host>[:port]/[path/]<project>.
struct SentryAddress {
  std::string url;  // of the envelope endpoint, without the key
  std::string key;
};
Result<SentryAddress> parse_dsn(std::string_view dsn);

// What makes two records the same trouble; empty: not a thing for Sentry.
std::vector<std::string> sentry_fingerprint(const Event& event);

struct SentryWords {
  std::string host, environment, version;
};
// The envelope about one record. `times`: how often it happened since it was last told.
std::string sentry_envelope(const Outgoing& record, const SentryWords& words, std::uint64_t times,
                            UtcTime now);

// How long X-Sentry-Rate-Limits closes errors: "60:error;default:organization, 2700::key".
std::chrono::milliseconds sentry_rate_limit(std::string_view header);

Result<std::unique_ptr<Sink>> make_sentry(const SinkConfig& config, const SinkParts& parts);
Result<void> check_sentry(const SinkConfig& config);

}  // namespace sallyport::notify
