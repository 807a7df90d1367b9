// SPDX-License-Identifier: Apache-2.0
#include "notify/datadog.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json_writer.h"

namespace sallyport::notify {
namespace {

// The address is made of the site: no other may get the key.
constexpr std::string_view kSites[] = {
    "datadoghq.com",     "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com",
    "ap2.datadoghq.com", "datadoghq.eu",      "ddog-gov.com"};
constexpr std::size_t kRecordsMax = 1'000;    // in one array
constexpr std::size_t kBytesMax = 4'500'000;  // below 5 MB, with what is around the records
constexpr std::string_view kPath = "/api/v2/logs";

std::string url_of(const SinkConfig& config) {
  const SinkType& type = *find_sink_type("datadog");
  if (config.url.empty()) {
    return "https://http-intake.logs." + std::string(option(config, type, "site")) +
           std::string(kPath);
  }
  std::string url = config.url;
  while (url.ends_with('/')) url.pop_back();
  return url + std::string(kPath);
}

class DatadogFormat final : public HttpFormat {
 public:
  DatadogFormat(const SinkConfig& config, const SinkParts& parts, const RecordFormat& record)
      : url_(url_of(config)), token_(config.token), host_(parts.host), record_(record) {
    const SinkType& type = *find_sink_type("datadog");
    service_ = option(config, type, "service");
    tags_ = option(config, type, "tags");
  }

  Result<net::Question> encode(const Batch& batch, UtcTime) override {
    net::Question question;
    question.method = "POST";
    question.url = url_;
    question.headers.emplace_back("dd-api-key", std::string(token_->reveal()));
    question.headers.emplace_back("content-type", "application/json");
    JsonWriter json(question.body);
    json.begin_array();
    std::string message;
    for (const Outgoing& record : batch) {
      message.clear();
      record_.append(message, record);
      json.begin_object().field("ddsource", "sallyport");
      if (!tags_.empty()) json.field("ddtags", tags_);
      json.field("hostname", host_).field("service", service_).field("message", message);
      json.end_object();
    }
    json.end_array();
    return question;
  }

  Verdict judge(const net::Reply& reply, const Batch& batch,
                std::chrono::milliseconds wait) override {
    // 202 is the one word for taken; another 2xx did not come from the intake.
    if (reply.status >= 200 && reply.status < 300 && reply.status != 202) {
      return {.kind = Verdict::Kind::kAgain,
              .why = "the receiver answered " + std::to_string(reply.status) + " instead of 202"};
    }
    Verdict verdict = verdict_of_status(reply.status, batch, wait);
    // One bad message spoils the array: alone it shows which one it is.
    if (reply.status == 400) verdict = {.kind = Verdict::Kind::kHalve, .why = verdict.why};
    return verdict;
  }

 private:
  std::string url_;
  std::shared_ptr<const Secret> token_;
  std::string host_, service_, tags_;
  const RecordFormat& record_;
};

}  // namespace

Result<void> check_datadog(const SinkConfig& config) {
  const SinkType& type = *find_sink_type("datadog");
  if (config.url.empty() &&
      std::ranges::find(kSites, option(config, type, "site")) == std::end(kSites)) {
    std::string known;
    for (const std::string_view site : kSites)
      known += (known.empty() ? "" : ", ") + std::string(site);
    return fail(Code::kInvalid, "options.site: one of " + known);
  }
  const Result<void> compression = check_compression(config, type);
  if (!compression) return compression;
  if (config.batch_records > kRecordsMax) {
    return fail(Code::kInvalid, "batch_records: Datadog takes at most 1000 in one request");
  }
  if (config.batch_bytes > kBytesMax) {
    return fail(Code::kInvalid, "batch_bytes: Datadog takes at most 5 MB in one request; 4MiB");
  }
  const Result<const RecordFormat*> record = record_format(config, type);
  if (!record) return std::unexpected(record.error());
  return {};
}

Result<std::unique_ptr<HttpFormat>> datadog_format(const SinkConfig& config,
                                                   const SinkParts& parts) {
  const Result<const RecordFormat*> record = record_format(config, *find_sink_type("datadog"));
  if (!record) return std::unexpected(record.error());
  return std::make_unique<DatadogFormat>(config, parts, **record);
}

Result<std::unique_ptr<Sink>> make_datadog(const SinkConfig& config, const SinkParts& parts) {
  Result<std::unique_ptr<HttpFormat>> format = datadog_format(config, parts);
  if (!format) return std::unexpected(std::move(format).error());
  SinkConfig addressed = config;
  addressed.url = url_of(config);
  return make_http_sink(addressed, parts, std::move(*format));
}

}  // namespace sallyport::notify
