// SPDX-License-Identifier: Apache-2.0
#include "provider/admin_client.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "base/text.h"
#include "provider/admin_json.h"
#include "provider/patient_ask.h"

namespace sallyport::provider {
namespace {

std::string encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) {
      out += c;
    } else {
      out += '%' + to_hex(std::string_view(&c, 1));
    }
  }
  return out;
}

// In one allocation, which moves: no second copy stays behind.
std::string bearer(const Secret& key) {
  constexpr std::string_view kScheme = "Bearer ";
  std::string out;
  out.reserve(kScheme.size() + key.reveal().size());
  out.append(kScheme).append(key.reveal());
  return out;
}

std::string project_path(const std::string& project, std::string_view rest) {
  return "/organization/projects/" + project + std::string(rest);
}

std::string window_of(const UsageQuery& query) {
  std::string out = "?start_time=" + std::to_string(query.start_time_s) +
                    "&end_time=" + std::to_string(query.end_time_s);
  for (const std::string& project : query.project_ids) {
    out += "&project_ids%5B%5D=" + encode(project);
  }
  return out;
}

std::unexpected<Error> bad_id() {
  return fail(Code::kInvalid, "an id of the provider's has characters that no id has");
}

std::unexpected<Error> bad_shape(const std::string& target) {
  return fail(Code::kCorrupt, "the provider's answer to " + target.substr(0, target.find('?')) +
                                  " has another shape than documented");
}

}  // namespace

bool is_provider_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

bool fits_redacted(const Secret& key, std::string_view redacted) {
  constexpr std::size_t kTailMin = 3;
  const std::size_t gap = redacted.find_first_of(".*");
  if (gap == std::string_view::npos || gap == 0) return false;
  const std::string_view head = redacted.substr(0, gap);
  const std::string_view tail = redacted.substr(redacted.find_last_of(".*") + 1);
  const std::string_view text = key.reveal();
  return tail.size() >= kTailMin && head.size() + tail.size() <= text.size() &&
         text.starts_with(head) && text.ends_with(tail);
}

bool AdminClient::without_effect(const Error& error) {
  return error.code == Code::kDenied || error.code == Code::kNotFound ||
         error.code == Code::kInvalid || error.code == Code::kExhausted;
}

Result<std::shared_ptr<const AdminClient>> AdminClient::make(net::Loop& loop,
                                                             net::Resolver& resolver,
                                                             AdminAccess access) {
  Result<net::Url> url = net::parse_url(access.base_url);
  if (!url) return fail(Code::kInvalid, "admin_url: " + url.error().what);
  std::shared_ptr<const net::TlsContext> tls;
  if (url->tls) {
    auto made = net::TlsContext::client(access.ca_file.value_or(""));
    if (!made) return std::unexpected(made.error());
    tls = std::move(*made);
  }
  while (access.base_url.ends_with('/')) access.base_url.pop_back();
  return std::shared_ptr<const AdminClient>(
      new AdminClient(loop, resolver, std::move(access), std::move(tls)));
}

Task<Result<JsonValue>> AdminClient::call(std::string method, std::string target,
                                          std::string body) const {
  if (!access_.key) co_return fail(Code::kDenied, "there is no admin key");
  PatientQuestion question;
  question.question.method = std::move(method);
  question.question.url = access_.base_url + target;
  question.question.headers.emplace_back("authorization", bearer(*access_.key));
  question.question.headers.emplace_back("accept", "application/json");
  if (!body.empty()) question.question.headers.emplace_back("content-type", "application/json");
  question.question.body = std::move(body);
  question.limits = access_.limits;
  Task<Result<net::Reply>> asking = ask_patiently(loop_, resolver_, tls_, std::move(question));
  Result<net::Reply> reply = co_await asking;
  if (!reply) co_return std::unexpected(std::move(reply).error());
  Result<JsonValue> answer = JsonValue::parse(reply->body);
  explicit_bzero(reply->body.data(), reply->body.size());  // it may hold a new key
  if (!answer || !answer->is_object()) co_return bad_shape(target);
  co_return answer;
}

Task<Result<void>> AdminClient::remove(std::string target) const {
  Task<Result<JsonValue>> asking = call("DELETE", target, "");
  Result<JsonValue> answer = co_await asking;
  if (!answer && answer.error().code == Code::kNotFound) co_return Result<void>();
  if (!answer) co_return std::unexpected(std::move(answer).error());
  const auto deleted = answer->at("deleted");
  if (!deleted || deleted->boolean() != true) co_return bad_shape(target);
  co_return Result<void>();
}

Task<Result<void>> AdminClient::walk(std::string target, std::string mark, TakeItem take) const {
  const bool by_page = mark == "page";
  std::string at;
  for (int page = 0; page < access_.limits.pages_max; ++page) {
    std::string next = target;
    if (!at.empty()) {
      next += target.contains('?') ? "&" : "?";
      next += mark + "=" + encode(at);
    }
    Task<Result<JsonValue>> asking = call("GET", std::move(next), "");
    Result<JsonValue> answer = co_await asking;
    if (!answer) co_return std::unexpected(std::move(answer).error());
    const auto data = answer->at("data");
    if (!data || !data->is_array()) co_return bad_shape(target);
    for (const JsonValue& item : data->items()) {
      if (!take(item)) co_return bad_shape(target);
    }
    if (!bool_of(*answer, "has_more").value_or(false)) co_return Result<void>();
    const std::string last = text_of(*answer, by_page ? "next_page" : "last_id");
    // A provider that says "more" and not where would have us ask for ever.
    if (last.empty() || last == at) co_return bad_shape(target);
    at = last;
  }
  co_return fail(Code::kExhausted, "the provider's list is longer than is read");
}

Task<Result<MintedKey>> AdminClient::create_service_account(std::string project,
                                                            std::string name) const {
  if (!is_provider_id(project)) co_return bad_id();
  std::string body;
  JsonWriter(body).begin_object().field("name", name).end_object();
  const std::string target = project_path(project, "/service_accounts");
  Task<Result<JsonValue>> asking = call("POST", target, std::move(body));
  Result<JsonValue> answer = co_await asking;
  if (!answer) co_return std::unexpected(std::move(answer).error());
  std::optional<MintedKey> minted = read_minted_key(*answer);
  if (!minted) co_return bad_shape(target);
  co_return std::move(*minted);
}

Task<Result<std::vector<ServiceAccount>>> AdminClient::list_service_accounts(
    std::string project) const {
  if (!is_provider_id(project)) co_return bad_id();
  auto found = std::make_shared<std::vector<ServiceAccount>>();
  TakeItem take = [found](const JsonValue& item) {
    auto account = read_service_account(item);
    if (account) found->push_back(std::move(*account));
    return account.has_value();
  };
  Task<Result<void>> walking =
      walk(project_path(project, "/service_accounts?limit=100"), "after", std::move(take));
  Result<void> walked = co_await walking;
  if (!walked) co_return std::unexpected(std::move(walked).error());
  co_return std::move(*found);
}

Task<Result<void>> AdminClient::delete_service_account(std::string project, std::string id) const {
  if (!is_provider_id(project) || !is_provider_id(id)) co_return bad_id();
  Task<Result<void>> removing = remove(project_path(project, "/service_accounts/" + id));
  co_return co_await removing;
}

Task<Result<std::vector<ProjectKey>>> AdminClient::list_project_keys(std::string project) const {
  if (!is_provider_id(project)) co_return bad_id();
  auto found = std::make_shared<std::vector<ProjectKey>>();
  TakeItem take = [found](const JsonValue& item) {
    auto key = read_project_key(item);
    if (key) found->push_back(std::move(*key));
    return key.has_value();
  };
  Task<Result<void>> walking =
      walk(project_path(project, "/api_keys?limit=100"), "after", std::move(take));
  Result<void> walked = co_await walking;
  if (!walked) co_return std::unexpected(std::move(walked).error());
  co_return std::move(*found);
}

Task<Result<AdminKey>> AdminClient::create_admin_key(std::string name,
                                                     std::int64_t expires_in_s) const {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("name", name)
      .field("expires_in_seconds", expires_in_s)
      .end_object();
  Task<Result<JsonValue>> asking = call("POST", "/organization/admin_api_keys", std::move(body));
  Result<JsonValue> answer = co_await asking;
  if (!answer) co_return std::unexpected(std::move(answer).error());
  std::optional<AdminKey> key = read_admin_key(*answer);
  if (!key || !key->value) co_return bad_shape("/organization/admin_api_keys");
  co_return std::move(*key);
}

Task<Result<std::vector<AdminKey>>> AdminClient::list_admin_keys() const {
  auto found = std::make_shared<std::vector<AdminKey>>();
  TakeItem take = [found](const JsonValue& item) {
    auto key = read_admin_key(item);
    if (key) found->push_back(std::move(*key));
    return key.has_value();
  };
  Task<Result<void>> walking =
      walk("/organization/admin_api_keys?limit=100", "after", std::move(take));
  Result<void> walked = co_await walking;
  if (!walked) co_return std::unexpected(std::move(walked).error());
  co_return std::move(*found);
}

Task<Result<void>> AdminClient::delete_admin_key(std::string id) const {
  if (!is_provider_id(id)) co_return bad_id();
  Task<Result<void>> removing = remove("/organization/admin_api_keys/" + id);
  co_return co_await removing;
}

Task<Result<std::vector<UsageResult>>> AdminClient::usage_completions(UsageQuery query) const {
  auto found = std::make_shared<std::vector<UsageResult>>();
  TakeItem take = [found](const JsonValue& item) { return read_usage_bucket(item, *found); };
  Task<Result<void>> walking =
      walk("/organization/usage/completions" + window_of(query) +
               (query.hourly ? "&bucket_width=1h&limit=24" : "&bucket_width=1m&limit=1440") +
               "&group_by%5B%5D=api_key_id&group_by%5B%5D=user_id&group_by%5B%5D=model"
               "&group_by%5B%5D=batch",
           "page", std::move(take));
  Result<void> walked = co_await walking;
  if (!walked) co_return std::unexpected(std::move(walked).error());
  co_return std::move(*found);
}

Task<Result<std::vector<CostResult>>> AdminClient::costs(UsageQuery query) const {
  auto found = std::make_shared<std::vector<CostResult>>();
  TakeItem take = [found](const JsonValue& item) { return read_cost_bucket(item, *found); };
  Task<Result<void>> walking = walk("/organization/costs" + window_of(query) +
                                        "&bucket_width=1d&group_by%5B%5D=api_key_id"
                                        "&group_by%5B%5D=line_item&limit=180",
                                    "page", std::move(take));
  Result<void> walked = co_await walking;
  if (!walked) co_return std::unexpected(std::move(walked).error());
  co_return std::move(*found);
}

Task<Result<AuditLogPage>> AdminClient::audit_logs(std::int64_t since_s, std::string after,
                                                   bool tenant) const {
  std::string target =
      "/organization/audit_logs?limit=100&effective_at%5Bgte%5D=" + std::to_string(since_s);
  if (tenant) target += "&tenant_only=true";
  if (!after.empty()) target += "&after=" + encode(after);
  Task<Result<JsonValue>> asking = call("GET", target, "");
  Result<JsonValue> answer = co_await asking;
  if (!answer) co_return std::unexpected(std::move(answer).error());
  const auto data = answer->at("data");
  if (!data || !data->is_array()) co_return bad_shape(target);
  AuditLogPage page;
  page.has_more = bool_of(*answer, "has_more").value_or(false);
  page.last_id = text_of(*answer, "last_id");
  for (const JsonValue& item : data->items()) {
    auto entry = read_audit_entry(item);
    if (entry) page.entries.push_back(std::move(*entry));
    if (!entry) ++page.unreadable;
  }
  co_return page;
}

Task<Result<std::string>> AdminClient::data_retention(std::string project) const {
  if (!project.empty() && !is_provider_id(project)) co_return bad_id();
  const std::string target = project.empty() ? std::string("/organization/data_retention")
                                             : project_path(project, "/data_retention");
  Task<Result<JsonValue>> asking = call("GET", target, "");
  Result<JsonValue> answer = co_await asking;
  if (!answer) co_return std::unexpected(std::move(answer).error());
  std::string type = text_of(*answer, "type");
  if (type.empty()) co_return bad_shape(target);
  co_return type;
}

Result<Probe> make_probe(const std::string& base_url, const std::optional<std::string>& ca_file) {
  Result<net::Url> url = net::parse_url(base_url);
  if (!url) return std::unexpected(url.error());
  Probe probe;
  probe.base_url = base_url;
  while (probe.base_url.ends_with('/')) probe.base_url.pop_back();
  if (!url->tls) return probe;
  auto tls = net::TlsContext::client(ca_file.value_or(""));
  if (!tls) return std::unexpected(tls.error());
  probe.tls = std::move(*tls);
  return probe;
}

Task<Result<bool>> probe_key(net::Loop& loop, net::Resolver& resolver, Probe probe,
                             std::shared_ptr<const Secret> key) {
  net::Question question;
  question.url = probe.base_url + "/models";
  question.headers.emplace_back("authorization", bearer(*key));
  question.timeout_ms = probe.timeout_ms;
  question.answer_bytes_max = 8u << 20;  // a project may use thousands of fine-tuned models
  Task<Result<net::Reply>> asking = net::ask(loop, resolver, probe.tls, std::move(question));
  Result<net::Reply> reply = co_await asking;
  if (!reply) {
    co_return fail(Code::kUnavailable, "GET /models was not answered: " + reply.error().what);
  }
  if (reply->status == 200) co_return true;
  if (reply->status == 401) co_return false;
  co_return fail(Code::kUnavailable, "GET /models answered " + std::to_string(reply->status));
}

}  // namespace sallyport::provider
