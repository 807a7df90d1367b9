// SPDX-License-Identifier: Apache-2.0
#include "config/notify_fields.h"

#include "notify/sink_table.h"

namespace sallyport::config {
namespace {

constexpr std::int64_t kKiB = 1024, kMiB = 1024 * kKiB, kMinute = 60'000;
constexpr Reload kRestart = Reload::kRestart;

// Long enough for every type, and no type reads more out of it than that there is one.
constexpr std::string_view kSomeToken = "0123456789abcdef0123456789abcdef";

}  // namespace

#define AT(expression) [](Place& p) -> Slot { return &p.expression; }

std::vector<Field> notify_fields() {
  using enum Type;
  return {
      {"notify[].name", kName, AT(sink->name),
       "Name of the sink; its place in the record hangs on it.", 0, 0, kRestart},
      {"notify[].type",
       kText,
       AT(sink->type),
       "What kind of receiver it is; docs/sinks.md lists them with their options.",
       0,
       0,
       kRestart,
       {},
       "elasticsearch"},
      {"notify[].url",
       kText,
       AT(sink->url),
       "Where the receiver is: https, or http to a network that allow names; of syslog tcp:// or "
       "tls://.",
       0,
       0,
       kRestart,
       {},
       "https://siem.example:9200"},
      {"notify[].token",
       kSecret,
       AT(sink->token),
       "What the receiver wants to see: a token, a key, a password, the secret that signs.",
       1,
       0,
       kRestart,
       {},
       "${cred:siem_token}"},
      {"notify[].user", kText, AT(sink->user), "User name that goes with the token.", 0, 0,
       kRestart},
      {"notify[].ca",
       kPath,
       AT(sink->ca_file),
       "Authorities (PEM) to trust instead of the system's.",
       0,
       0,
       kRestart,
       {},
       "file:/etc/sallyport/siem-ca.crt"},
      {"notify[].allow",
       kNetworks,
       AT(sink->allow),
       "Private or loopback networks the receiver may be in; otherwise only public addresses are "
       "connected to.",
       0,
       0,
       kRestart,
       {},
       "[10.0.0.0/8]"},
      {"notify[].only",
       kTexts,
       AT(sink->only),
       "Which records go: kinds (docs/events.md), refused, failed, or all; left out, what the type "
       "is "
       "for.",
       0,
       0,
       kRestart,
       {},
       "[refused, action, admin]"},
      {"notify[].begin", kText, AT(sink->begin),
       "Where a new sink begins: at the end of the record, or at its beginning.", 0, 0, kRestart},
      {"notify[].batch_records", kInteger, AT(sink->batch_records), "Most records in one delivery.",
       1, 10'000, kRestart},
      {"notify[].batch_bytes", kSize, AT(sink->batch_bytes),
       "Most bytes of records in one delivery.", 64 * kKiB, 64 * kMiB, kRestart},
      {"notify[].batch_wait", kDuration, AT(sink->batch_wait),
       "How long a delivery that is not full waits for more.", 0, kMinute, kRestart},
      {"notify[].timeout", kDuration, AT(sink->timeout), "For one delivery.", 100, 10 * kMinute,
       kRestart},
      {"notify[].options",
       kTextMap,
       AT(sink->options),
       "What only this type of sink knows (docs/sinks.md).",
       0,
       0,
       kRestart,
       {},
       "{index: logs-sallyport.audit-default}"},
  };
}

std::optional<std::string> sink_problem(const notify::SinkConfig& sink, bool token_unread) {
  notify::SinkConfig checked = sink;
  if (token_unread && !checked.token) checked.token = std::make_shared<const Secret>(kSomeToken);
  const Result<void> good = notify::check_sink(checked);
  if (good) return std::nullopt;
  return good.error().what;
}

}  // namespace sallyport::config
