// SPDX-License-Identifier: Apache-2.0
#include "sim/admin_log.h"

#include <algorithm>
#include <limits>

#include "base/random.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t kLimitDefault = 20;
constexpr std::size_t kLimitMax = 100;

bool is_tenant(std::string_view type) { return type.starts_with("tenant."); }

// effective_at[gt], [gte], [lt], [lte], as one closed range.
struct Range {
  std::int64_t from = 0;
  std::int64_t to = std::numeric_limits<std::int64_t>::max();
};

Asked<Range> range_of(const Query& query) {
  Range range;
  const struct {
    std::string_view name;
    std::int64_t add;
    bool lower;
  } kBounds[] = {{"effective_at[gt]", 1, true},
                 {"effective_at[gte]", 0, true},
                 {"effective_at[lt]", -1, false},
                 {"effective_at[lte]", 0, false}};
  for (const auto& bound : kBounds) {
    auto number = query.number(bound.name);
    if (!number) return std::unexpected(std::move(number.error()));
    if (!*number) continue;
    const std::int64_t at = **number + bound.add;
    if (bound.lower) range.from = std::max(range.from, at);
    if (!bound.lower) range.to = std::min(range.to, at);
  }
  return range;
}

struct Filter {
  explicit Filter(const Query& query)
      : types(query.all("event_types")),
        projects(query.all("project_ids")),
        actors(query.all("actor_ids")),
        emails(query.all("actor_emails")),
        resources(query.all("resource_ids")),
        tenant_only(query.one("tenant_only") == "true") {}

  bool takes(const AuditEntry& entry) const {
    if (entry.effective_at < range.from || entry.effective_at > range.to) return false;
    if (is_tenant(entry.type) != tenant_only) return false;
    if (!types.empty() && !holds(types, entry.type)) return false;
    if (!projects.empty() && !holds(projects, entry.project)) return false;
    if (!emails.empty() && !holds(emails, entry.actor.user_email)) return false;
    if (!resources.empty() && !holds(resources, entry.resource)) return false;
    return actors.empty() || holds(actors, entry.actor.user_id) ||
           holds(actors, entry.actor.service_account) || holds(actors, entry.actor.key_id);
  }

  std::vector<std::string_view> types, projects, actors, emails, resources;
  bool tenant_only;
  Range range;
};

void write_session(JsonWriter& json, const Actor& actor) {
  json.begin_object().field("type", "session").key("session").begin_object();
  json.key("user").begin_object().field("id", actor.user_id).field("email", actor.user_email);
  json.end_object().field("ip_address", actor.ip).field("user_agent", actor.user_agent);
  json.end_object().end_object();
}

void write_api_key(JsonWriter& json, const Actor& actor) {
  json.begin_object().field("type", "api_key").key("api_key").begin_object();
  json.field("id", actor.key_id);
  if (actor.service_account.empty()) {
    json.field("type", "user").key("user").begin_object().field("id", actor.user_id);
    json.field("email", actor.user_email).end_object();
  } else {
    json.field("type", "service_account").key("service_account").begin_object();
    json.field("id", actor.service_account).end_object();
  }
  json.end_object().end_object();
}

void write(JsonWriter& json, const AuditEntry& entry) {
  json.begin_object().field("id", entry.id).field("type", entry.type);
  json.field("effective_at", entry.effective_at);
  if (!entry.project.empty()) {
    json.key("project").begin_object().field("id", entry.project);
    json.field("name", entry.project_name).end_object();
  }
  json.key("actor");
  if (entry.actor.session) {
    write_session(json, entry.actor);
  } else {
    write_api_key(json, entry.actor);
  }
  json.key(entry.type).raw(entry.detail).end_object();
}

}  // namespace

void AdminLog::add(AuditEntry entry) {
  entry.id = "audit_log-" + random_base62(24);
  entries_.push_front(std::move(entry));
  if (entries_.size() > kEntriesMax) entries_.pop_back();
}

Answer AdminLog::list(const Query& query) const {
  auto limit = query.limit(kLimitDefault, kLimitMax);
  if (!limit) return std::move(limit.error());
  auto range = range_of(query);
  if (!range) return std::move(range.error());
  Filter filter(query);
  filter.range = *range;
  for (const std::string_view type : filter.types) {
    if (filter.tenant_only && !is_tenant(type)) {
      return invalid_value("event_types",
                           "With 'tenant_only' all event types must be of the tenant.");
    }
  }
  std::vector<const AuditEntry*> found;
  std::vector<std::string_view> ids;
  for (const AuditEntry& entry : entries_) {
    if (!filter.takes(entry)) continue;
    found.push_back(&entry);
    ids.push_back(entry.id);
  }
  auto page = page_of(ids, query, *limit);
  if (!page) return std::move(page.error());
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (std::size_t i = page->begin; i < page->end; ++i) write(json, *found[i]);
  json.end_array();
  write_page_end(json, ids, *page);
  json.end_object();
  return answer;
}

}  // namespace sallyport::sim
