// SPDX-License-Identifier: Apache-2.0
// Typed calls of the provider's Admin API (facts: docs/provider-credentials.md). Every answer is
// bounded, every list is paged, every wait has an end. What may be asked again is asked again: 429,
// and for GET and DELETE also 5xx and broken connections. A POST whose answer is lost is never
// repeated here: it may have had its effect, and the caller must find out.
//
// No error and no log line holds a key or the provider's own words, which may quote one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "base/secret.h"
#include "net/http_client.h"

namespace sallyport::provider {

struct AskLimits {
  int attempts_max = 5;
  std::int64_t backoff_ms = 500;  // doubled with each attempt, half of it random
  std::int64_t backoff_max_ms = 30'000;
  std::int64_t retry_after_max_ms = 120'000;  // a longer Retry-After ends the asking
  std::int64_t timeout_ms = 20'000;           // for one answer
  std::size_t answer_bytes_max = 8u << 20;
  int pages_max = 200;  // of one list; what is longer is kExhausted, never half a list
};

struct AdminAccess {
  std::string base_url;                  // of the API, "https://api.openai.com/v1"
  std::shared_ptr<const Secret> key;     // an admin key; null: every call is kDenied
  std::optional<std::string> ca_file{};  // instead of the system's store
  AskLimits limits = {};
};

struct ServiceAccount {
  std::string id, name, role;
  std::int64_t created_at_s = 0;
};
struct MintedKey {
  ServiceAccount account;
  std::string key_id;
  std::shared_ptr<const Secret> value;  // shown once
};
struct ProjectKey {
  std::string id, name, redacted_value;
  std::int64_t created_at_s = 0;
  std::optional<std::int64_t> last_used_at_s;
  std::string owner_type;  // "user" or "service_account"
  std::string owner_id, owner_name;
};
struct AdminKey {
  std::string id, name, redacted_value;
  std::int64_t created_at_s = 0;
  std::optional<std::int64_t> expires_at_s, last_used_at_s;
  std::shared_ptr<const Secret> value;  // only of one just made
};

// One result of a minute's or an hour's bucket of usage/completions.
struct UsageResult {
  std::int64_t start_time_s = 0, end_time_s = 0;
  // Where it names no key, who used it (a service account, a person); empty: it names nobody.
  std::string api_key_id;
  std::string model;
  bool batch = false;
  std::int64_t input_tokens = 0, cached_tokens = 0, output_tokens = 0, requests = 0;
};
struct CostResult {
  std::int64_t start_time_s = 0, end_time_s = 0;
  std::string api_key_id, project_id;
  std::string line_item;      // "gpt-4o, input"; empty: not told
  std::int64_t nano_usd = 0;  // other currencies are left out
  bool other_currency = false;
};

struct AuditLogEntry {
  std::string id, type;
  std::int64_t effective_at_s = 0;
  std::string project_id;
  std::string actor_type;               // "session" or "api_key"
  std::string actor_id, actor_email;    // of the person or service account
  std::string actor_key_id;             // of an api_key actor
  std::string ip, user_agent, country;  // only of a session
  std::optional<std::int64_t> asn;
  std::string object_id;  // of the detail object
};
struct AuditLogPage {
  std::vector<AuditLogEntry> entries;
  std::size_t unreadable = 0;  // entries of another shape; left out
  std::string last_id;
  bool has_more = false;
};

struct UsageQuery {
  std::int64_t start_time_s = 0, end_time_s = 0;
  std::vector<std::string> project_ids = {};
  bool hourly = false;  // buckets of usage are hours, not minutes
};

class AdminClient {
 public:
  // `loop` and `resolver` outlive the client; every call is made on the loop's thread, and the
  // client outlives its calls (whoever calls holds it).
  static Result<std::shared_ptr<const AdminClient>> make(net::Loop& loop, net::Resolver& resolver,
                                                         AdminAccess access);

  // Error codes of all: kDenied (401, 403), kNotFound (404), kInvalid (other 4xx), kExhausted (429
  // to the end, or a list that is too long), kUnavailable (5xx, no connection, no answer), kCorrupt
  // (an answer of another shape). After kUnavailable, kCorrupt and kExhausted a POST may have had
  // its effect unless `without_effect` says that it had not.
  static bool without_effect(const Error& error);

  Task<Result<MintedKey>> create_service_account(std::string project, std::string name) const;
  Task<Result<std::vector<ServiceAccount>>> list_service_accounts(std::string project) const;
  // What is gone already is deleted: 404 is success.
  Task<Result<void>> delete_service_account(std::string project, std::string id) const;
  Task<Result<std::vector<ProjectKey>>> list_project_keys(std::string project) const;

  Task<Result<AdminKey>> create_admin_key(std::string name, std::int64_t expires_in_s) const;
  Task<Result<std::vector<AdminKey>>> list_admin_keys() const;
  Task<Result<void>> delete_admin_key(std::string id) const;

  // Buckets of one minute (or hour), by key, model and batch.
  Task<Result<std::vector<UsageResult>>> usage_completions(UsageQuery query) const;
  // Buckets of one day, by key and line item.
  Task<Result<std::vector<CostResult>>> costs(UsageQuery query) const;
  // One page of at most 100, of what took effect at `since_s` or later; `after` is the last id of
  // the page before, or empty.
  Task<Result<AuditLogPage>> audit_logs(std::int64_t since_s, std::string after,
                                        bool tenant = false) const;
  // The organisation's setting, or the project's when one is named.
  Task<Result<std::string>> data_retention(std::string project) const;

 private:
  using Members = std::vector<std::pair<std::string, std::string>>;
  using TakeItem = std::function<bool(const JsonValue& item)>;  // false: not the expected shape

  AdminClient(net::Loop& loop, net::Resolver& resolver, AdminAccess access,
              std::shared_ptr<const net::TlsContext> tls)
      : loop_(loop), resolver_(resolver), access_(std::move(access)), tls_(std::move(tls)) {}
  Task<Result<JsonValue>> call(std::string method, std::string target, std::string body) const;
  Task<Result<void>> remove(std::string target) const;
  // Both walk all pages of a list: by `after` and last_id, or by `page` and next_page.
  Task<Result<void>> walk(std::string target, std::string first_mark, TakeItem take) const;

  net::Loop& loop_;
  net::Resolver& resolver_;
  const AdminAccess access_;
  const std::shared_ptr<const net::TlsContext> tls_;  // null: plain HTTP
};

// Does the provider take this key? GET /v1/models, once, without retry: true for 200, false for
// 401. kUnavailable for everything else: then nothing was learnt.
struct Probe {
  std::string base_url;
  std::shared_ptr<const net::TlsContext> tls;
  std::int64_t timeout_ms = 10'000;
};
Result<Probe> make_probe(const std::string& base_url, const std::optional<std::string>& ca_file);
Task<Result<bool>> probe_key(net::Loop& loop, net::Resolver& resolver, Probe probe,
                             std::shared_ptr<const Secret> key);

// Can `redacted` ("sk-admin...xyz") be this key? What is left out of it is not known, so this tells
// ours from others, and proves nothing.
bool fits_redacted(const Secret& key, std::string_view redacted);

// An id as it may stand in a path: letters, digits, - and _; at most 128 bytes.
bool is_provider_id(std::string_view id);

}  // namespace sallyport::provider
