// SPDX-License-Identifier: Apache-2.0
#include "provider/admin_json.h"

#include <cmath>

#include "base/text.h"
#include "event/limits.h"

namespace sallyport::provider {
namespace {

constexpr std::size_t kTextBytesMax = 512;
constexpr std::size_t kSecretBytesMax = 512;
constexpr std::int64_t kTimeMaxS = 253'402'300'799;  // the year 9999: it is added to, and printed
constexpr double kUsdMax = 1e9;  // a billion dollars a day is no cost but a broken answer

std::shared_ptr<const Secret> secret_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  const auto text = value ? value->string() : std::nullopt;
  if (!text || text->empty() || text->size() > kSecretBytesMax) return nullptr;
  for (const char c : *text) {
    if (c <= ' ' || c >= 0x7f) return nullptr;  // it must fit into a header
  }
  return std::make_shared<const Secret>(*text);
}

std::optional<JsonValue> object_of(const JsonValue& object, std::string_view member) {
  auto value = object.at(member);
  if (!value || !value->is_object()) return std::nullopt;
  return value;
}

// Seconds since 1970; none where they make no time.
std::optional<std::int64_t> time_of(const JsonValue& object, std::string_view member) {
  const auto time = integer_of(object, member);
  return time && *time >= 0 && *time <= kTimeMaxS ? time : std::nullopt;
}

// A count that is missing is 0; one that is negative is no count.
bool count_of(const JsonValue& object, std::string_view member, std::int64_t& into) {
  into = integer_of(object, member).value_or(0);
  return into >= 0;
}

void read_actor(const JsonValue& actor, AuditLogEntry& entry) {
  entry.actor_type = text_of(actor, "type");
  if (const auto session = object_of(actor, "session")) {
    if (const auto user = object_of(*session, "user")) {
      entry.actor_id = text_of(*user, "id");
      entry.actor_email = text_of(*user, "email");
    }
    entry.ip = text_of(*session, "ip_address");
    entry.user_agent = text_of(*session, "user_agent");
    if (const auto place = object_of(*session, "ip_address_details")) {
      entry.country = text_of(*place, "country");
      const auto asn = parse_uint(text_of(*place, "asn"));
      if (asn && *asn <= UINT32_MAX) entry.asn = static_cast<std::int64_t>(*asn);
    }
  }
  if (const auto key = object_of(actor, "api_key")) {
    entry.actor_key_id = text_of(*key, "id");
    for (const char* owner : {"user", "service_account"}) {
      if (const auto who = object_of(*key, owner)) {
        entry.actor_id = text_of(*who, "id");
        entry.actor_email = text_of(*who, "email");
      }
    }
  }
}

}  // namespace

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  const auto text = value ? value->string() : std::nullopt;
  return std::string(text.value_or("").substr(0, kTextBytesMax));
}

std::optional<std::int64_t> integer_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return value ? value->integer() : std::nullopt;
}

std::optional<bool> bool_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return value ? value->boolean() : std::nullopt;
}

std::optional<ServiceAccount> read_service_account(const JsonValue& item) {
  ServiceAccount account;
  account.id = text_of(item, "id");
  account.name = text_of(item, "name");
  account.role = text_of(item, "role");
  account.created_at_s = time_of(item, "created_at").value_or(0);
  if (!is_provider_id(account.id)) return std::nullopt;
  return account;
}

std::optional<MintedKey> read_minted_key(const JsonValue& item) {
  const auto account = read_service_account(item);
  const auto key = object_of(item, "api_key");
  if (!account || !key) return std::nullopt;
  MintedKey minted{*account, text_of(*key, "id"), secret_of(*key, "value")};
  if (!is_provider_id(minted.key_id) || !minted.value) return std::nullopt;
  return minted;
}

std::optional<ProjectKey> read_project_key(const JsonValue& item) {
  ProjectKey key;
  key.id = text_of(item, "id");
  key.name = text_of(item, "name");
  key.redacted_value = text_of(item, "redacted_value");
  key.created_at_s = time_of(item, "created_at").value_or(0);
  key.last_used_at_s = time_of(item, "last_used_at");
  if (const auto owner = object_of(item, "owner")) {
    key.owner_type = text_of(*owner, "type");
    for (const char* kind : {"user", "service_account"}) {
      if (const auto who = object_of(*owner, kind)) {
        key.owner_id = text_of(*who, "id");
        key.owner_name = text_of(*who, "name");
      }
    }
  }
  if (!is_provider_id(key.id)) return std::nullopt;
  return key;
}

std::optional<AdminKey> read_admin_key(const JsonValue& item) {
  AdminKey key;
  key.id = text_of(item, "id");
  key.name = text_of(item, "name");
  key.redacted_value = text_of(item, "redacted_value");
  key.created_at_s = time_of(item, "created_at").value_or(0);
  key.expires_at_s = time_of(item, "expires_at");
  key.last_used_at_s = time_of(item, "last_used_at");
  key.value = secret_of(item, "value");
  if (!is_provider_id(key.id)) return std::nullopt;
  return key;
}

std::optional<AuditLogEntry> read_audit_entry(const JsonValue& item) {
  AuditLogEntry entry;
  entry.id = text_of(item, "id");
  entry.type = text_of(item, "type");
  const auto at = time_of(item, "effective_at");
  if (entry.id.empty() || entry.type.empty() || !at) return std::nullopt;
  entry.effective_at_s = *at;
  if (const auto project = object_of(item, "project")) entry.project_id = text_of(*project, "id");
  if (const auto actor = object_of(item, "actor")) read_actor(*actor, entry);
  if (const auto object = object_of(item, entry.type)) entry.object_id = text_of(*object, "id");
  return entry;
}

bool read_usage_bucket(const JsonValue& bucket, std::vector<UsageResult>& into) {
  const auto start = time_of(bucket, "start_time"), end = time_of(bucket, "end_time");
  const auto results = bucket.at("results");
  if (!start || !end || !results || !results->is_array()) return false;
  for (const JsonValue& item : results->items()) {
    UsageResult usage;
    usage.start_time_s = *start;
    usage.end_time_s = *end;
    usage.api_key_id = text_of(item, "api_key_id");
    // An exchanged token has no key: there the provider tells its service account.
    if (usage.api_key_id.empty()) usage.api_key_id = text_of(item, "user_id");
    usage.model = text_of(item, "model");
    usage.batch = bool_of(item, "batch").value_or(false);
    if (!count_of(item, "input_tokens", usage.input_tokens) ||
        !count_of(item, "input_cached_tokens", usage.cached_tokens) ||
        !count_of(item, "output_tokens", usage.output_tokens) ||
        !count_of(item, "num_model_requests", usage.requests)) {
      return false;
    }
    into.push_back(std::move(usage));
  }
  return true;
}

bool read_cost_bucket(const JsonValue& bucket, std::vector<CostResult>& into) {
  const auto start = time_of(bucket, "start_time"), end = time_of(bucket, "end_time");
  const auto results = bucket.at("results");
  if (!start || !end || !results || !results->is_array()) return false;
  for (const JsonValue& item : results->items()) {
    CostResult cost;
    cost.start_time_s = *start;
    cost.end_time_s = *end;
    cost.api_key_id = text_of(item, "api_key_id");
    cost.project_id = text_of(item, "project_id");
    cost.line_item = text_of(item, "line_item");
    const auto amount = object_of(item, "amount");
    const auto value = amount ? amount->at("value") : std::nullopt;
    const auto usd = value ? value->number() : std::nullopt;
    if (!usd || !(std::fabs(*usd) < kUsdMax)) return false;
    cost.other_currency = text_of(*amount, "currency") != "usd";
    cost.nano_usd = std::llround(*usd * static_cast<double>(kNanoUsdPerUsd));
    into.push_back(std::move(cost));
  }
  return true;
}

}  // namespace sallyport::provider
