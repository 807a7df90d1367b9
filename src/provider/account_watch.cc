// SPDX-License-Identifier: Apache-2.0
#include "provider/account_watch.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/json_reader.h"
#include "base/log.h"
#include "provider/admin_json.h"
#include "provider/record.h"

namespace sallyport::provider {
namespace {

constexpr const char* kCursorSetting = "provider.audit_log";
constexpr const char* kKeysSetting = "provider.told_keys";

std::int64_t seconds_of(UtcTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

void write_time(JsonWriter& json, std::string_view name, std::optional<std::int64_t> time_s) {
  json.key(name);
  if (time_s) {
    json.value(format_utc(UtcTime(std::chrono::seconds(*time_s))));
  } else {
    json.null();
  }
}

// A name alone proves nothing: anybody may give it to an account of theirs. It counts while the
// account of ours is being made and its id is not known.
bool owned(const ProjectKey& key, const std::map<std::string, std::string>& accounts) {
  for (const auto& [name, id] : accounts) {
    if (id.empty() ? name == key.owner_name : id == key.owner_id) return true;
  }
  return false;
}

}  // namespace

AccountWatch::AccountWatch(WatchParts parts, std::shared_ptr<const AdminClient> client,
                           Config config, Known known, AdminSecrets own)
    : parts_(parts),
      client_(std::move(client)),
      config_(std::move(config)),
      known_(std::move(known)),
      own_(std::move(own)) {}

void AccountWatch::start() {
  parts_.loop.spawn(follow_audit_log(shared_from_this()));
  parts_.loop.spawn(follow_keys(shared_from_this()));
}

Task<void> AccountWatch::follow_audit_log(Self self) {
  while (!self->stopped_) {
    Task<void> reading = self->read_audit_log();
    co_await reading;
    co_await self->parts_.loop.sleep_for(self->config_.audit_every_ms);
  }
}

// After a first pause: a lease that is just being made would be a stranger.
Task<void> AccountWatch::follow_keys(Self self) {
  while (!self->stopped_) {
    Task<void> retention = self->look_at_retention();
    co_await retention;
    co_await self->parts_.loop.sleep_for(self->config_.keys_every_ms);
    Task<void> keys = self->look_at_keys();
    co_await keys;
    Task<void> admin_keys = self->look_at_admin_keys();
    co_await admin_keys;
  }
}

Task<void> AccountWatch::read_audit_log() {
  if (!cursor_loaded_) {
    Task<bool> loading = load_cursor();
    cursor_loaded_ = co_await loading;
  }
  if (!cursor_loaded_ || !parts_.recorder.accepting()) co_return;
  const auto read = std::make_shared<Entries>();
  Task<Result<void>> reading = read_pages(false, read);
  const Result<void> whole = co_await reading;
  if (!whole) co_return;
  // What concerns the whole tenant, admin keys above all, stands apart. An outage of it holds both
  // up, so that nothing is passed over; an organisation that has none of it does not.
  reading = read_pages(true, read);
  const Result<void> tenant = co_await reading;
  const bool outage = !tenant && !AdminClient::without_effect(tenant.error());
  if (outage || (!tenant && tenant.error().code == Code::kExhausted)) co_return;
  Entries& fresh = *read;
  if (fresh.empty()) co_return;
  // Oldest first, whichever way the provider gave them.
  std::ranges::sort(fresh, {}, [](const AuditLogEntry& entry) {
    return std::tie(entry.effective_at_s, entry.id);
  });
  for (const AuditLogEntry& entry : fresh) {
    tell_entry(entry);
    cursor_.since_s = std::max(cursor_.since_s, entry.effective_at_s);
    cursor_.ids.push_back(entry.id);
  }
  if (cursor_.ids.size() > kIdsMax) {
    cursor_.ids.erase(cursor_.ids.begin(),
                      cursor_.ids.end() - static_cast<std::ptrdiff_t>(kIdsMax));
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("since", cursor_.since_s).key("ids").begin_array();
  for (const std::string& id : cursor_.ids) json.value(id);
  json.end_array().end_object();
  Task<Result<void>> putting = put(kCursorSetting, std::move(text));
  (void)co_await putting;  // not kept: some are told once more after a restart
}

// What is new, of all pages.
Task<Result<void>> AccountWatch::read_pages(bool tenant, std::shared_ptr<Entries> fresh) {
  const char* what = tenant ? "tenant_audit_log" : "audit_log";
  const std::int64_t since_s = cursor_.since_s - std::chrono::seconds(kOverlap).count();
  const auto seen = [&](const std::string& id) {
    return std::ranges::find(cursor_.ids, id) != cursor_.ids.end() ||
           std::ranges::find(*fresh, id, &AuditLogEntry::id) != fresh->end();
  };
  std::string after;
  for (int turn = 0; turn < kPagesMax; ++turn) {
    Task<Result<AuditLogPage>> asking = client_->audit_logs(since_s, after, tenant);
    Result<AuditLogPage> page = co_await asking;
    if (!page) {
      tell_unavailable(what, page.error());
      co_return std::unexpected(page.error());
    }
    if (page->unreadable > 0) {
      tell_unavailable("audit_log_entry", {Code::kCorrupt, "entries of another shape: " +
                                                               std::to_string(page->unreadable)});
    }
    for (AuditLogEntry& entry : page->entries) {
      if (!seen(entry.id)) fresh->push_back(std::move(entry));
    }
    if (!page->has_more || page->last_id.empty() || page->last_id == after) {
      if (after.empty()) unavailable_.erase(what);
      co_return Result<void>();
    }
    after = page->last_id;
  }
  // More happened than is read in one round: what is older than this is missing in the record.
  tell_unavailable(what, {Code::kExhausted, "more entries than are read at one time"});
  co_return Result<void>();
}

void AccountWatch::tell_entry(const AuditLogEntry& entry) {
  Event event = make_event(parts_.clock.now(), entry.type, [&](JsonWriter& json) {
    json.field("audit_log_id", entry.id);
    json.field("effective_at", format_utc(UtcTime(std::chrono::seconds(entry.effective_at_s))));
    json.field("actor_type", entry.actor_type);
    for (const auto& [name, value] : {std::pair{"actor_id", &entry.actor_id},
                                      {"actor_key_id", &entry.actor_key_id},
                                      {"object_id", &entry.object_id},
                                      {"project", &entry.project_id},
                                      {"user_agent", &entry.user_agent}}) {
      if (!value->empty()) json.field(name, *value);
    }
  });
  event.ip = entry.ip;
  event.actor = !entry.actor_email.empty() ? entry.actor_email : entry.actor_id;
  if (!entry.country.empty()) event.geo = entry.country;
  event.asn = entry.asn;
  if (entry.object_id.starts_with("key_")) event.provider_key_id = entry.object_id;
  record(parts_.recorder, std::move(event));
}

// Owners of keys that are leases, also those on their way in or out.
Task<AccountWatch::Accounts> AccountWatch::our_accounts() {
  auto read = std::make_shared<Result<std::vector<LeaseRow>>>();
  std::function<void()> act = [read, &leases = parts_.leases] { *read = leases.list(); };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  Accounts accounts;
  if (*read) {
    for (const LeaseRow& row : **read) accounts[row.name] = row.account_id;
  }
  co_return accounts;
}

Task<void> AccountWatch::look_at_keys() {
  if (!keys_loaded_) {
    Task<bool> loading = load_told_keys();
    keys_loaded_ = co_await loading;
  }
  if (!keys_loaded_ || !parts_.recorder.accepting()) co_return;
  const std::size_t told_before = told_keys_.size();
  for (const std::string& project : config_.projects) {
    Task<Accounts> naming = our_accounts();
    Accounts ours = co_await naming;
    Task<Result<std::vector<ProjectKey>>> asking = client_->list_project_keys(project);
    const Result<std::vector<ProjectKey>> keys = co_await asking;
    if (!keys) {
      tell_unavailable("project_keys", keys.error());
      co_return;
    }
    naming = our_accounts();
    const Accounts later = co_await naming;
    for (const auto& [name, id] : later) ours[name] = id;
    std::set<std::string> known(config_.known_keys.begin(), config_.known_keys.end());
    for (std::string& id : known_()) known.insert(std::move(id));
    const std::int64_t dormant_s = seconds_of(parts_.clock.now()) - config_.dormant_after_ms / 1000;
    for (const ProjectKey& key : *keys) {
      if (!known.contains(key.id) && !owned(key, ours)) {
        tell_key(key, project, "unknown_provider_key");
      }
      if (key.last_used_at_s.value_or(key.created_at_s) < dormant_s) {
        tell_key(key, project, "dormant_provider_key");
      }
    }
  }
  unavailable_.erase("project_keys");
  Task<void> keeping = keep_told_keys(told_before);
  co_await keeping;
}

// Whoever holds an admin key may do all that we may, and undo it.
Task<void> AccountWatch::look_at_admin_keys() {
  if (!keys_loaded_ || !parts_.recorder.accepting()) co_return;
  Task<Result<std::vector<AdminKey>>> asking = client_->list_admin_keys();
  const Result<std::vector<AdminKey>> keys = co_await asking;
  if (!keys) {
    tell_unavailable("admin_keys", keys.error());
    co_return;
  }
  unavailable_.erase("admin_keys");
  const std::size_t told_before = told_keys_.size();
  const std::int64_t now_s = seconds_of(parts_.clock.now());
  const std::int64_t notice_s = std::chrono::seconds(kExpiryNotice).count();
  for (const AdminKey& key : *keys) {
    const bool own = std::ranges::any_of(own_, [&key](const auto& secret) {
      return secret && fits_redacted(*secret, key.redacted_value);
    });
    const bool known = std::ranges::find(config_.known_keys, key.id) != config_.known_keys.end();
    if (!own && !known) tell_admin_key(key, "unknown_admin_key");
    if (own && key.expires_at_s && *key.expires_at_s < now_s + notice_s) {
      tell_admin_key(key, "admin_key_expires");
    }
    const std::int64_t used_s = key.last_used_at_s.value_or(key.created_at_s);
    if (!own && used_s < now_s - config_.dormant_after_ms / 1000) {
      tell_admin_key(key, "dormant_admin_key");
    }
  }
  Task<void> keeping = keep_told_keys(told_before);
  co_await keeping;
}

Task<void> AccountWatch::keep_told_keys(std::size_t told_before) {
  if (told_keys_.size() == told_before) co_return;
  std::string text;
  JsonWriter json(text);
  json.begin_array();
  for (const std::string& told : told_keys_) json.value(told);
  json.end_array();
  Task<Result<void>> putting = put(kKeysSetting, std::move(text));
  (void)co_await putting;
}

// A key beyond the most that are remembered is in the operator's log only; that there are such is
// an event, once.
bool AccountWatch::tell_once(const char* error, const std::string& key_id) {
  std::string told = std::string(error) + " " + key_id;
  if (told_keys_.contains(told)) return false;
  if (told_keys_.size() < kKeysMax) return told_keys_.insert(std::move(told)).second;
  log::warn("provider.key_not_told", {{"finding", error}, {"provider_key_id", key_id}});
  tell_unavailable("told_keys",
                   {Code::kExhausted, "more keys than are remembered: " + std::to_string(kKeysMax) +
                                          " were told, later ones are not"});
  return false;
}

void AccountWatch::tell_admin_key(const AdminKey& key, const char* error) {
  if (!tell_once(error, key.id)) return;
  Event event = make_event(parts_.clock.now(), "admin_key.seen", [&](JsonWriter& json) {
    json.field("name", key.name).field("redacted_value", key.redacted_value);
    write_time(json, "created_at", key.created_at_s);
    write_time(json, "expires_at", key.expires_at_s);
    write_time(json, "last_used_at", key.last_used_at_s);
  });
  event.provider_key_id = key.id;
  event.error = error;
  log::warn("provider.admin_key", {{"finding", error}, {"provider_key_id", key.id}});
  record(parts_.recorder, std::move(event));
}

void AccountWatch::tell_key(const ProjectKey& key, const std::string& project, const char* error) {
  if (!tell_once(error, key.id)) return;
  Event event = make_event(parts_.clock.now(), "provider_key.seen", [&](JsonWriter& json) {
    json.field("project", project).field("name", key.name);
    json.field("redacted_value", key.redacted_value);
    json.field("owner_type", key.owner_type).field("owner_id", key.owner_id);
    write_time(json, "created_at", key.created_at_s);
    write_time(json, "last_used_at", key.last_used_at_s);
  });
  event.provider_key_id = key.id;
  event.error = error;
  log::warn("provider.key",
            {{"finding", error}, {"provider_key_id", key.id}, {"project", project}});
  record(parts_.recorder, std::move(event));
}

Task<void> AccountWatch::look_at_retention() {
  if (config_.retention == "any" || !parts_.recorder.accepting()) co_return;
  std::vector<std::string> places{""};  // the organisation, then the projects
  places.insert(places.end(), config_.projects.begin(), config_.projects.end());
  std::string differing;
  for (const std::string& project : places) {
    Task<Result<std::string>> asking = client_->data_retention(project);
    const Result<std::string> type = co_await asking;
    if (!type) {
      tell_unavailable("data_retention", type.error());
      co_return;
    }
    const bool inherits = !project.empty() && *type == "organization_default";
    if (*type == config_.retention || inherits) continue;
    differing += (differing.empty() ? "" : ", ") +
                 (project.empty() ? std::string("organization") : project) + ": " + *type;
  }
  unavailable_.erase("data_retention");
  if (std::exchange(told_retention_, differing) == differing || differing.empty()) co_return;
  Event event = make_event(parts_.clock.now(), "provider.retention", [&](JsonWriter& json) {
    json.field("expected", config_.retention).field("found", differing);
  });
  event.error = "retention_differs";
  log::error("provider.retention_differs", {{"expected", config_.retention}, {"found", differing}});
  record(parts_.recorder, std::move(event));
}

void AccountWatch::tell_unavailable(const char* what, const Error& error) {
  log::warn("provider.unreadable", {{"what", what}, {"reason", error.what}});
  if (!unavailable_.insert(what).second) return;  // once an outage
  Event event = make_event(parts_.clock.now(), "provider.watch", [&](JsonWriter& json) {
    json.field("what", what).field("reason", error.what);
  });
  event.error = "provider_unreadable";
  record(parts_.recorder, std::move(event));
}

Task<Result<std::string>> AccountWatch::get(std::string name) {
  auto read = std::make_shared<Result<std::optional<std::string>>>();
  std::function<void()> act = [read, name, &settings = parts_.settings] {
    *read = settings.get(name);
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  if (!*read) co_return std::unexpected(read->error());
  co_return (*read)->value_or("");
}

Task<Result<void>> AccountWatch::put(std::string name, std::string value) {
  auto done = std::make_shared<Result<void>>();
  std::function<void()> act = [done, name, value, &settings = parts_.settings] {
    *done = settings.put(name, value);
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  co_return *done;
}

Task<bool> AccountWatch::load_cursor() {
  Task<Result<std::string>> getting = get(kCursorSetting);
  const Result<std::string> text = co_await getting;
  if (!text) co_return false;  // the store does not answer: next time
  cursor_.since_s = seconds_of(parts_.clock.now() - kFirstLookBack);
  const Result<JsonValue> kept = JsonValue::parse(*text);
  if (!kept || !kept->is_object()) co_return true;
  cursor_.since_s = integer_of(*kept, "since").value_or(cursor_.since_s);
  const auto ids = kept->at("ids");
  if (!ids) co_return true;
  for (const JsonValue& id : ids->items()) cursor_.ids.emplace_back(id.string().value_or(""));
  co_return true;
}

Task<bool> AccountWatch::load_told_keys() {
  Task<Result<std::string>> getting = get(kKeysSetting);
  const Result<std::string> text = co_await getting;
  if (!text) co_return false;
  const Result<JsonValue> kept = JsonValue::parse(*text);
  if (!kept) co_return true;
  for (const JsonValue& told : kept->items()) told_keys_.emplace(told.string().value_or(""));
  co_return true;
}

}  // namespace sallyport::provider
