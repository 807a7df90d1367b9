// SPDX-License-Identifier: Apache-2.0
#include "notify/elasticsearch.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kIndexBytesMax = 255;
constexpr std::size_t kReasonBytesMax = 200;

// What an index may be called, short of the rules that only the cluster knows.
bool is_index(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kIndexBytesMax && name[0] != '-' && name[0] != '_' &&
         name[0] != '.' && std::ranges::all_of(name, plain);
}

std::string text_at(const JsonValue& object, std::string_view name) {
  const std::optional<JsonValue> value = object.at(name);
  return std::string(value ? value->string().value_or("") : "");
}

std::string clipped(std::string text) {
  if (text.size() > kReasonBytesMax) text.resize(kReasonBytesMax);
  return text;
}

class ElasticsearchFormat final : public HttpFormat {
 public:
  ElasticsearchFormat(const SinkConfig& config, const RecordFormat& record)
      : url_(config.url), user_(config.user), token_(config.token), record_(record) {
    const SinkType& type = *find_sink_type(config.type);
    while (url_.ends_with('/')) url_.pop_back();
    url_ += "/_bulk";
    const std::string_view pipeline = option(config, type, "pipeline");
    if (!pipeline.empty()) url_ += "?pipeline=" + std::string(pipeline);
    index_ = option(config, type, "index");
  }

  Result<net::Question> encode(const Batch& batch, UtcTime) override {
    net::Question question;
    question.method = "POST";
    question.url = url_;
    question.headers.emplace_back("authorization", credential());
    question.headers.emplace_back("content-type", "application/x-ndjson");
    for (const Outgoing& record : batch) append(question.body, record);
    return question;
  }

  Verdict judge(const net::Reply& reply, const Batch& batch,
                std::chrono::milliseconds wait) override {
    Verdict verdict = verdict_of_status(reply.status, batch, wait);
    const bool other_success = reply.status > 200 && reply.status < 300;
    if (reply.status != 200 && !other_success) {
      // A batch that cannot be read as a whole: alone it shows which record it is.
      if (reply.status == 400) verdict = {.kind = Verdict::Kind::kHalve, .why = verdict.why};
      return verdict;
    }
    const Result<JsonValue> answer = JsonValue::parse(reply.body);
    const auto errors = answer && answer->is_object() ? answer->at("errors") : std::nullopt;
    const auto items = answer && answer->is_object() ? answer->at("items") : std::nullopt;
    if (!errors || !errors->boolean() || !items || items->items().size() != batch.size()) {
      return {.kind = Verdict::Kind::kAgain, .why = "the answer is not that of _bulk"};
    }
    return *errors->boolean() ? judge_items(items->items(), wait) : Verdict{};
  }

 private:
  std::string credential() const {
    const std::string token(token_->reveal());
    if (user_.empty()) return "ApiKey " + token;
    return "Basic " + base64_encode(user_ + ":" + token);
  }

  void append(std::string& out, const Outgoing& record) const {
    out += R"({"create":{"_index":)";
    append_json_string(out, index_);
    out += R"(,"_id":)";
    append_json_string(out, record.id);
    out += "}}\n";
    std::string document;
    record_.append(document, record);
    // A data stream asks for it; a format may bring its own.
    if (!document.starts_with(R"({"@timestamp":)")) {
      out += R"({"@timestamp":")";
      append_utc(out, record.event.timestamp_utc);
      out += document.size() > 2 ? "\"," : "\"";
      document.erase(0, 1);
    }
    out += document;
    out += '\n';
  }

  // In the order of the request; each with its own status.
  static Verdict judge_items(const std::vector<JsonValue>& items, std::chrono::milliseconds wait) {
    Verdict verdict;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto members = items[i].members();
      const auto status = members.empty() || !members[0].second.is_object()
                              ? std::nullopt
                              : members[0].second.at("status");
      const std::int64_t code = status ? status->integer().value_or(0) : 0;
      if ((code >= 200 && code < 300) || code == 409) continue;  // 409: delivered before
      if (code == 429 || code >= 500 || code == 0) {
        verdict.kind = Verdict::Kind::kAgain;
        verdict.again.push_back(i);
        verdict.why = "records were answered " + std::to_string(code);
        continue;
      }
      if (code == 401 || code == 403 || code == 404) {
        return {.kind = Verdict::Kind::kStop,
                .why = "a record was answered " + std::to_string(code) + " " +
                       reason(members[0].second)};
      }
      verdict.dead.push_back({i, std::to_string(code) + " " + reason(members[0].second)});
    }
    verdict.wait = wait;
    return verdict;
  }

  static std::string reason(const JsonValue& item) {
    const std::optional<JsonValue> error = item.at("error");
    if (!error || !error->is_object()) return "without a reason";
    return clipped(text_at(*error, "type") + ": " + text_at(*error, "reason"));
  }

  std::string url_, user_, index_;
  std::shared_ptr<const Secret> token_;
  const RecordFormat& record_;
};

}  // namespace

Result<void> check_elasticsearch(const SinkConfig& config) {
  const SinkType& type = *find_sink_type(config.type);
  const Result<void> compression = check_compression(config, type);
  if (!compression) return compression;
  if (!is_index(option(config, type, "index"))) {
    return fail(Code::kInvalid, "options.index: a-z 0-9 - _ . and begins with a letter or digit");
  }
  const std::string_view pipeline = option(config, type, "pipeline");
  if (!pipeline.empty() && !is_index(pipeline)) {
    return fail(Code::kInvalid, "options.pipeline: a-z 0-9 - _ .");
  }
  const Result<const RecordFormat*> record = record_format(config, type);
  if (!record) return std::unexpected(record.error());
  return {};
}

Result<std::unique_ptr<HttpFormat>> elasticsearch_format(const SinkConfig& config) {
  const Result<const RecordFormat*> record = record_format(config, *find_sink_type(config.type));
  if (!record) return std::unexpected(record.error());
  return std::make_unique<ElasticsearchFormat>(config, **record);
}

Result<std::unique_ptr<Sink>> make_elasticsearch(const SinkConfig& config, const SinkParts& parts) {
  Result<std::unique_ptr<HttpFormat>> format = elasticsearch_format(config);
  if (!format) return std::unexpected(std::move(format).error());
  return make_http_sink(config, parts, std::move(*format));
}

}  // namespace sallyport::notify
