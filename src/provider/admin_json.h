// SPDX-License-Identifier: Apache-2.0
// The shapes of the Admin API's answers. What is missing or of another type is nothing, never a
// guess; members that are not known are passed over, since the provider adds some all the time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "provider/admin_client.h"

namespace sallyport::provider {

// Members of an object; the empty text where there is none or it is null. At most 512 bytes.
std::string text_of(const JsonValue& object, std::string_view member);
std::optional<std::int64_t> integer_of(const JsonValue& object, std::string_view member);
std::optional<bool> bool_of(const JsonValue& object, std::string_view member);

std::optional<ServiceAccount> read_service_account(const JsonValue& item);
std::optional<MintedKey> read_minted_key(const JsonValue& item);
std::optional<ProjectKey> read_project_key(const JsonValue& item);
std::optional<AdminKey> read_admin_key(const JsonValue& item);
std::optional<AuditLogEntry> read_audit_entry(const JsonValue& item);
bool read_usage_bucket(const JsonValue& bucket, std::vector<UsageResult>& into);
bool read_cost_bucket(const JsonValue& bucket, std::vector<CostResult>& into);

}  // namespace sallyport::provider
