// SPDX-License-Identifier: Apache-2.0
#include "notify/bigquery.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "notify/bigquery_row.h"

namespace sallyport::notify {
namespace {

constexpr std::string_view kHost = "https://bigquery.googleapis.com";
constexpr std::string_view kAudience = "https://bigquery.googleapis.com/";
constexpr std::size_t kRecordsMax = 10'000;  // of 50,000 rows, at 500 recommended
constexpr std::size_t kBytesMax = 4u << 20;  // a row says a record about twice; 10 MB at most
constexpr std::size_t kInsertIdBytesMax = 128;
constexpr std::size_t kReasonBytesMax = 200;
constexpr std::chrono::minutes kTableAppears{5};  // a new table is not there at once everywhere

// Reasons of a row or a request that another attempt may not meet.
constexpr std::string_view kLater[] = {"stopped",       "timeout",           "backendError",
                                       "internalError", "rateLimitExceeded", "quotaExceeded"};

const SinkType& type() { return *find_sink_type("bigquery"); }

bool is_later(std::string_view reason) {
  return std::ranges::find(kLater, reason) != std::end(kLater);
}

// Letters, digits, - _ (and : . in a project of a domain): it becomes part of the path.
bool is_path_name(std::string_view name, std::string_view more) {
  const auto plain = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           more.contains(c);
  };
  return !name.empty() && name.size() <= 1024 && std::ranges::all_of(name, plain);
}

std::string text_at(const JsonValue& object, std::string_view name) {
  const std::optional<JsonValue> value = object.at(name);
  return std::string(value ? value->string().value_or("") : "");
}

class BigQueryFormat final : public HttpFormat {
 public:
  BigQueryFormat(const SinkConfig& config, std::unique_ptr<ServiceAccount> account)
      : account_(std::move(account)) {
    std::string project(option(config, type(), "project"));
    if (project.empty()) project = account_->project();
    url_ = config.url.empty() ? kHost : std::string_view(config.url);
    while (url_.ends_with('/')) url_.pop_back();
    url_ += "/bigquery/v2/projects/" + project + "/datasets/" +
            std::string(option(config, type(), "dataset")) + "/tables/" +
            std::string(option(config, type(), "table")) + "/insertAll";
  }

  Result<net::Question> encode(const Batch& batch, UtcTime now) override {
    now_ = now;
    Result<std::string> token = account_->token(std::string(kAudience), now);
    if (!token) return std::unexpected(std::move(token).error());
    net::Question question;
    question.method = "POST";
    question.url = url_;
    question.headers.emplace_back("authorization", "Bearer " + *token);
    question.headers.emplace_back("content-type", "application/json");
    JsonWriter json(question.body);
    json.begin_object().field("skipInvalidRows", true).field("ignoreUnknownValues", false);
    json.key("rows").begin_array();
    std::string row;
    for (const Outgoing& record : batch) {
      row.clear();
      append_bigquery_row(row, record);
      json.begin_object();
      // Longer than BigQuery takes: without one it cannot tell a repeated row, the id column can.
      if (record.id.size() <= kInsertIdBytesMax) json.field("insertId", record.id);
      json.key("json").raw(row).end_object();
    }
    json.end_array().end_object();
    return question;
  }

  Verdict judge(const net::Reply& reply, const Batch& batch,
                std::chrono::milliseconds wait) override {
    Verdict verdict = verdict_of_status(reply.status, batch, wait);
    if (reply.status == 200) {
      missing_since_.reset();
      refused_ = false;
      return judge_rows(reply.body, batch);
    }
    const std::string reason = reason_of(reply.body);
    if (!reason.empty()) verdict.why += ": " + reason;
    if (reply.status == 401) return judge_token(std::move(verdict));
    if (reply.status == 403 && is_later(reason)) {
      verdict.kind = Verdict::Kind::kAgain;
      verdict.wait = wait;
    }
    if (reply.status == 404) {
      if (!missing_since_) missing_since_ = now_;
      if (now_ - *missing_since_ < kTableAppears) verdict.kind = Verdict::Kind::kAgain;
    }
    // The request as a whole cannot be read: alone it shows which row it is.
    if (reply.status == 400) verdict = {.kind = Verdict::Kind::kHalve, .why = verdict.why};
    return verdict;
  }

 private:
  // A token of our own is new once: a clock that was wrong may be right by now.
  Verdict judge_token(Verdict verdict) {
    account_->forget();
    verdict.why += "; is the clock right?";
    if (!std::exchange(refused_, true)) verdict.kind = Verdict::Kind::kAgain;
    return verdict;
  }

  static std::string reason_of(std::string_view body) {
    const Result<JsonValue> answer = JsonValue::parse(body);
    if (!answer || !answer->is_object()) return "";
    const std::optional<JsonValue> error = answer->at("error");
    const std::optional<JsonValue> errors =
        error && error->is_object() ? error->at("errors") : std::nullopt;
    const std::vector<JsonValue> items = errors ? errors->items() : std::vector<JsonValue>();
    if (items.empty() || !items[0].is_object()) return "";
    return text_at(items[0], "reason").substr(0, kReasonBytesMax);
  }

  // With skipInvalidRows what stands in insertErrors was not taken and all else was.
  static Verdict judge_rows(std::string_view body, const Batch& batch) {
    const Result<JsonValue> answer = JsonValue::parse(body);
    if (!answer || !answer->is_object()) {
      return {.kind = Verdict::Kind::kAgain, .why = "the answer is not that of insertAll"};
    }
    const std::optional<JsonValue> errors = answer->at("insertErrors");
    Verdict verdict;
    if (!errors) return verdict;
    std::vector<bool> seen(batch.size(), false);
    for (const JsonValue& one : errors->items()) {
      const std::optional<JsonValue> index = one.is_object() ? one.at("index") : std::nullopt;
      const std::int64_t at = index ? index->integer().value_or(-1) : 0;  // 0 may be left out
      if (at < 0 || static_cast<std::size_t>(at) >= batch.size() || !one.is_object()) {
        return {.kind = Verdict::Kind::kAgain, .why = "the answer names a row that was not sent"};
      }
      if (seen[static_cast<std::size_t>(at)]) continue;
      seen[static_cast<std::size_t>(at)] = true;
      judge_row(one, static_cast<std::size_t>(at), verdict);
    }
    return verdict;
  }

  static void judge_row(const JsonValue& one, std::size_t at, Verdict& verdict) {
    const std::optional<JsonValue> errors = one.at("errors");
    std::string reason, message;
    for (const JsonValue& error : errors ? errors->items() : std::vector<JsonValue>()) {
      if (!error.is_object()) continue;
      if (!reason.empty() && !is_later(reason)) break;
      reason = text_at(error, "reason");
      message = text_at(error, "location") + ": " + text_at(error, "message");
    }
    if (reason.empty() || is_later(reason)) {
      verdict.kind = Verdict::Kind::kAgain;
      verdict.again.push_back(at);
      verdict.why = "rows were answered " + (reason.empty() ? "without a reason" : reason);
      return;
    }
    verdict.dead.push_back({at, (reason + " " + message).substr(0, kReasonBytesMax)});
  }

  const std::unique_ptr<ServiceAccount> account_;
  std::string url_;
  UtcTime now_{};
  std::optional<UtcTime> missing_since_;
  bool refused_ = false;  // the token before this one
};

}  // namespace

Result<void> check_bigquery(const SinkConfig& config) {
  const std::string_view project = option(config, type(), "project");
  if (!project.empty() && !is_path_name(project, "-:.")) {
    return fail(Code::kInvalid, "options.project: a-z A-Z 0-9 _ - : .");
  }
  for (const std::string_view name : {"dataset", "table"}) {
    if (is_path_name(option(config, type(), name), "-")) continue;
    return fail(Code::kInvalid, "options." + std::string(name) + ": a-z A-Z 0-9 _ -");
  }
  if (config.batch_records > kRecordsMax || config.batch_bytes > kBytesMax) {
    return fail(Code::kInvalid, "batch_bytes: BigQuery takes at most 10 MB in one request; 4MiB");
  }
  return {};
}

Result<std::unique_ptr<HttpFormat>> bigquery_format(const SinkConfig& config) {
  const Result<void> checked = check_bigquery(config);
  if (!checked) return std::unexpected(checked.error());
  Result<std::unique_ptr<ServiceAccount>> account = ServiceAccount::parse(*config.token);
  if (!account) return std::unexpected(std::move(account).error());
  const std::string_view project = option(config, type(), "project");
  if (project.empty() && !is_path_name((*account)->project(), "-:.")) {
    return fail(Code::kInvalid, "options.project: the service account names none");
  }
  return std::make_unique<BigQueryFormat>(config, std::move(*account));
}

Result<std::unique_ptr<Sink>> make_bigquery(const SinkConfig& config, const SinkParts& parts) {
  Result<std::unique_ptr<HttpFormat>> format = bigquery_format(config);
  if (!format) return std::unexpected(std::move(format).error());
  SinkConfig addressed = config;
  if (addressed.url.empty()) addressed.url = kHost;
  return make_http_sink(addressed, parts, std::move(*format));
}

}  // namespace sallyport::notify
