// SPDX-License-Identifier: Apache-2.0
#include "notify/sink_table.h"

#include <algorithm>
#include <iterator>

#include "notify/bigquery.h"
#include "notify/datadog.h"
#include "notify/elasticsearch.h"
#include "notify/kafka.h"
#include "notify/otlp.h"
#include "notify/sentry.h"
#include "notify/slack.h"
#include "notify/splunk.h"
#include "notify/syslog.h"
#include "notify/webhook.h"

namespace sallyport::notify {
namespace {

// What a person, or somebody's program, wants to hear of at once.
constexpr std::string_view kNews = "finding,incident,action,breaker,provider";

// What somebody has to repair.
constexpr std::string_view kTrouble = "failed,finding,incident,action,breaker,provider";

constexpr SinkType kSinkTypes[] = {
    {"webhook", "Signed messages by Standard Webhooks to any address, one a record.", Need::kMust,
     Need::kMust, Need::kNo, kNews, kWebhookOptions, make_webhook, check_webhook},
    {"slack", "Messages in a Slack channel, with a bot's token one thread for each incident.",
     Need::kMay, Need::kMust, Need::kNo, kNews, kSlackOptions, make_slack, check_slack},
    {"elasticsearch", "Elasticsearch's _bulk.", Need::kMust, Need::kMust, Need::kMay, "all",
     kElasticsearchOptions, make_elasticsearch, check_elasticsearch},
    {"opensearch", "OpenSearch's _bulk.", Need::kMust, Need::kMust, Need::kMust, "all",
     kElasticsearchOptions, make_elasticsearch, check_elasticsearch},
    {"splunk", "Splunk's HTTP Event Collector.", Need::kMust, Need::kMust, Need::kNo, "all",
     kSplunkOptions, make_splunk, check_splunk},
    {"datadog", "Datadog's intake for logs.", Need::kMay, Need::kMust, Need::kNo, "all",
     kDatadogOptions, make_datadog, check_datadog},
    {"otlp", "OpenTelemetry: logs, traces and metrics over OTLP/HTTP in JSON.", Need::kMust,
     Need::kMay, Need::kNo, "all", kOtlpOptions, make_otlp, check_otlp},
    {"sentry", "Sentry: what is wrong with the gate or its provider, as error events.", Need::kNo,
     Need::kMust, Need::kNo, kTrouble, kSentryOptions, make_sentry, check_sentry},
    {"bigquery", "A BigQuery table, through insertAll.", Need::kMay, Need::kMust, Need::kNo, "all",
     kBigQueryOptions, make_bigquery, check_bigquery},
    {"kafka", "A Kafka topic.", Need::kNo, Need::kMay, Need::kMay, "all", kKafkaOptions, make_kafka,
     check_kafka},
    {"syslog", "A syslog server (RFC 5424) over TCP or TLS.", Need::kMust, Need::kNo, Need::kNo,
     "all", kSyslogOptions, make_syslog, check_syslog},
};

constexpr std::size_t kBatchRecordsMax = 10'000;
constexpr std::size_t kBatchBytesMin = 64u << 10;  // one record of any size
constexpr std::size_t kBatchBytesMax = 64u << 20;
constexpr std::chrono::milliseconds kBatchWaitMax{60'000};
constexpr std::chrono::milliseconds kTimeoutMin{100}, kTimeoutMax{600'000};

// Kinds of the log that later parts of the watch write; a filter may name them before they do.
constexpr std::string_view kComing[] = {"finding", "incident"};

std::unexpected<Error> wrong(std::string_view field, std::string_view why) {
  return fail(Code::kInvalid, std::string(field) + ": " + std::string(why));
}

bool is_filter(std::string_view word) {
  return word == "all" || word == "refused" || word == "failed" || parse_kind(word).has_value() ||
         std::ranges::find(kComing, word) != std::end(kComing);
}

Result<void> check_need(std::string_view field, Need need, bool given, const SinkType& type) {
  if (need == Need::kMust && !given) return wrong(field, "missing");
  if (need == Need::kNo && given) {
    return wrong(field, "a sink of type " + std::string(type.name) + " has none");
  }
  return {};
}

Result<void> check_numbers(const SinkConfig& config) {
  if (config.batch_records < 1 || config.batch_records > kBatchRecordsMax) {
    return wrong("batch_records", "1 to 10000");
  }
  if (config.batch_bytes < kBatchBytesMin || config.batch_bytes > kBatchBytesMax) {
    return wrong("batch_bytes", "64KiB to 64MiB");
  }
  if (config.batch_wait.count() < 0 || config.batch_wait > kBatchWaitMax) {
    return wrong("batch_wait", "0s to 60s");
  }
  if (config.timeout < kTimeoutMin || config.timeout > kTimeoutMax) {
    return wrong("timeout", "100ms to 10m");
  }
  return {};
}

Result<void> check_options(const SinkConfig& config, const SinkType& type) {
  for (const auto& [name, value] : config.options) {
    if (std::ranges::find(type.options, name, &SinkOption::name) != type.options.end()) continue;
    return wrong("options." + name, "a sink of type " + std::string(type.name) + " has no such");
  }
  for (const SinkOption& known : type.options) {
    const auto given = config.options.find(std::string(known.name));
    if (known.required && (given == config.options.end() || given->second.empty())) {
      return wrong("options." + std::string(known.name), "missing");
    }
  }
  return {};
}

// It becomes the name of a file.
bool is_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= 63 && name[0] != '-' && name[0] != '_' &&
         std::ranges::all_of(name, plain);
}

}  // namespace

std::span<const SinkType> sink_types() { return kSinkTypes; }

const SinkType* find_sink_type(std::string_view name) {
  const auto found = std::ranges::find(sink_types(), name, &SinkType::name);
  return found == sink_types().end() ? nullptr : &*found;
}

std::string_view option(const SinkConfig& config, const SinkType& type, std::string_view name) {
  const auto given = config.options.find(std::string(name));
  if (given != config.options.end()) return given->second;
  const auto known = std::ranges::find(type.options, name, &SinkOption::name);
  return known == type.options.end() ? std::string_view() : known->fallback;
}

std::vector<std::string> effective_only(const SinkConfig& config, const SinkType& type) {
  if (!config.only.empty()) return config.only;
  std::vector<std::string> words;
  std::string_view rest = type.only;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    words.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return words;
}

bool goes(const std::vector<std::string>& only, const Event& event) {
  return std::ranges::any_of(only, [&](std::string_view word) {
    if (word == "all") return true;
    if (word == "failed") return event.kind == Kind::kRequest && event.status.value_or(0) >= 500;
    if (word == "refused") return event.kind == Kind::kRequest && event.status.value_or(0) >= 400;
    return word == name(event.kind);
  });
}

Result<void> check_sink(const SinkConfig& config) {
  if (!is_name(config.name))
    return wrong("name", "a-z 0-9 - _, at most 63, begins with a letter or digit");
  const SinkType* type = find_sink_type(config.type);
  if (type == nullptr) {
    std::string known;
    for (const SinkType& one : sink_types()) {
      known += (known.empty() ? "" : ", ") + std::string(one.name);
    }
    return wrong("type", "one of " + known);
  }
  const bool has_token = config.token != nullptr && !config.token->empty();
  for (const Result<void>& checked : {check_need("url", type->url, !config.url.empty(), *type),
                                      check_need("token", type->token, has_token, *type),
                                      check_need("user", type->user, !config.user.empty(), *type),
                                      check_numbers(config), check_options(config, *type)}) {
    if (!checked) return checked;
  }
  for (const std::string& word : config.only) {
    if (!is_filter(word)) return wrong("only", "unknown kind of record \"" + word + "\"");
  }
  if (config.begin != "end" && config.begin != "beginning") {
    return wrong("begin", "end or beginning");
  }
  return type->check ? type->check(config) : Result<void>();
}

}  // namespace sallyport::notify
