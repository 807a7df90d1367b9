// SPDX-License-Identifier: Apache-2.0
#include "sim/admin_api.h"

#include <algorithm>
#include <array>

namespace sallyport::sim {
namespace {

constexpr std::size_t kListDefault = 20;
constexpr std::size_t kListMax = 100;
constexpr std::size_t kNameMax = 256;
constexpr std::int64_t kAdminKeyLifeMaxS = 31'536'000;
constexpr std::string_view kUserScope = "api.model.request";

constexpr std::string_view kRetentions[] = {"zero_data_retention", "modified_abuse_monitoring",
                                            "enhanced_zero_data_retention",
                                            "enhanced_modified_abuse_monitoring"};
constexpr std::string_view kProjectRetentions[] = {"organization_default", "none"};

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::string_view segment = path.substr(0, path.find('/'));
    segments.push_back(segment);
    path.remove_prefix(std::min(segment.size() + 1, path.size()));
  }
  return segments;
}

Answer refused(std::string message) {
  return error_answer({.status = 400, .type = "invalid_request_error", .message = message});
}

Answer full() { return refused("You have reached the limit of objects of this kind."); }

std::string id_detail(std::string_view id, std::string_view data = {}) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("id", id);
  if (!data.empty()) json.key("data").raw(data);
  json.end_object();
  return out;
}

std::string scopes_json(const std::vector<std::string>& scopes) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("scopes").begin_array();
  for (const std::string& scope : scopes) json.value(scope);
  json.end_array().end_object();
  return out;
}

Answer deleted(std::string_view object, std::string_view id) {
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", std::string(object) + ".deleted");
  if (!id.empty()) json.field("id", id);
  json.field("deleted", true).end_object();
  return answer;
}

// The name of what is to be made.
Asked<std::string> name_of(const Call& call) {
  if (!call.at("name")) return std::unexpected(missing_parameter("name"));
  std::string name = call.text("name");
  if (!name.empty() && name.size() <= kNameMax) return name;
  return std::unexpected(invalid_value("name", "Invalid 'name': expected 1 to 256 characters."));
}

void write_account(JsonWriter& json, const ServiceAccount& account) {
  json.begin_object().field("object", "organization.project.service_account");
  json.field("id", account.id).field("name", account.name).field("role", account.role);
  json.field("created_at", account.created);
}

void write_new_key(JsonWriter& json, const ProjectKey& key, std::string_view secret) {
  json.begin_object().field("object", "organization.project.service_account.api_key");
  json.field("value", secret).field("name", key.name).field("created_at", key.created);
  json.field("id", key.id).end_object();
}

void write_project(JsonWriter& json, const Project& project) {
  json.begin_object().field("id", project.id).field("object", "organization.project");
  json.field("name", project.name).field("created_at", project.created).key("archived_at").null();
  json.field("status", project.archived ? "archived" : "active").end_object();
}

void write_admin_key(JsonWriter& json, const AdminKey& key, const std::string* secret) {
  json.begin_object().field("object", "organization.admin_api_key").field("id", key.id);
  json.field("name", key.name).field("redacted_value", key.redacted);
  json.field("created_at", key.created).field("expires_at", key.expires);
  json.field("last_used_at", key.last_used).key("owner").begin_object();
  json.field("type", "user").field("object", "organization.user").field("id", kPersonId);
  json.field("name", "Owner").field("created_at", key.created).field("role", "owner").end_object();
  if (secret != nullptr) json.field("value", *secret);
  json.end_object();
}

// A list of anything that has an id. `write` writes one.
template <class T, class Write>
Answer list_answer(const std::vector<const T*>& all, const Query& query, Write write) {
  auto limit = query.limit(kListDefault, kListMax);
  if (!limit) return std::move(limit.error());
  std::vector<std::string_view> ids;
  for (const T* item : all) ids.push_back(item->id);
  auto page = page_of(ids, query, *limit);
  if (!page) return std::move(page.error());
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (std::size_t i = page->begin; i < page->end; ++i) write(json, *all[i]);
  json.end_array();
  write_page_end(json, ids, *page);
  json.end_object();
  return answer;
}

}  // namespace

struct AdminApi::Act {
  const Call& call;
  const AdminKey& caller;
  std::string_view method;
  std::vector<std::string_view> path;  // behind /v1/organization/
  Query query;

  bool is(std::string_view wanted, std::size_t depth) const {
    return method == wanted && path.size() == depth;
  }
  Answer unknown() const {
    return error_answer(
        {.status = 404,
         .type = "invalid_request_error",
         .message = "Invalid URL (" + call.request.method + " " + call.request.path + ")"});
  }
};

AdminApi::AdminApi(const SimOptions& options, std::int64_t now)
    : session_acts(options.session_acts),
      alive_calls(options.alive_calls),
      directory_(options, now),
      usage_(options),
      identity_providers_(options.identity_providers) {}

std::string AdminApi::afterlife(const Act& act) const {
  return act.call.behaviour.afterlife.value_or(std::string(alive_calls, '1'));
}

void AdminApi::record(const Act& act, std::string type, std::string_view resource,
                      std::string detail, const Project* project) {
  const std::string* agent = act.call.request.find("user-agent");
  Actor actor{.session = session_acts,
              .user_id = std::string(kPersonId),
              .user_email = std::string(kPersonEmail),
              .service_account = "",
              .key_id = act.caller.id,
              .ip = act.call.request.peer.address.text(),
              .user_agent = agent == nullptr ? "" : *agent};
  log_.add({.type = std::move(type),
            .resource = std::string(resource),
            .detail = std::move(detail),
            .project = project == nullptr ? "" : project->id,
            .project_name = project == nullptr ? "" : project->name,
            .actor = std::move(actor),
            .effective_at = act.call.created});
}

Answer AdminApi::answer(const Call& call, const AdminKey& caller) {
  constexpr std::string_view kRoot = "/v1/organization/";
  const std::string_view path = std::string_view(call.request.path).substr(kRoot.size());
  const Act act{.call = call,
                .caller = caller,
                .method = call.request.method,
                .path = segments_of(path),
                .query = Query(call.request.query)};
  return route(act);
}

Answer AdminApi::route(const Act& act) {
  const std::string_view first = act.path.empty() ? "" : act.path[0];
  if (first == "admin_api_keys") return admin_keys(act);
  if (first == "projects" && act.path.size() <= 2) return projects(act);
  if (first == "projects") return route_project(act);
  if (first == "data_retention") return retention(act, nullptr);
  if (first == "spend_limit") return spend_limit(act, nullptr);
  if (first == "audit_logs" && act.is("GET", 1)) return log_.list(act.query);
  if (first == "costs" && act.is("GET", 1)) return usage_.costs(act.query, act.call.created);
  if (first == "usage" && act.is("GET", 2)) {
    return usage_.usage(act.path[1], act.query, act.call.created);
  }
  return act.unknown();
}

Answer AdminApi::route_project(const Act& act) {
  Project* project = directory_.project(act.path[1]);
  if (project == nullptr) return no_such("project", act.path[1]);
  const std::string_view part = act.path[2];
  if (part == "service_accounts") return accounts(act, *project);
  if (part == "api_keys") return keys(act, *project);
  if (part == "data_retention") return retention(act, project);
  if (part == "spend_limit") return spend_limit(act, project);
  if (part == "archive" && act.is("POST", 3)) {
    project->archived = true;
    record(act, "project.archived", project->id, id_detail(project->id), project);
    Answer answer;
    JsonWriter json(answer.body);
    write_project(json, *project);
    return answer;
  }
  return act.unknown();
}

Answer AdminApi::projects(const Act& act) {
  if (act.is("GET", 1)) {
    const bool archived = act.query.one("include_archived") == "true";
    std::vector<const Project*> found;
    for (const Project& project : directory_.projects()) {
      if (archived || !project.archived) found.push_back(&project);
    }
    return list_answer(found, act.query, write_project);
  }
  Answer answer;
  JsonWriter json(answer.body);
  if (act.is("GET", 2)) {
    const Project* project = directory_.project(act.path[1]);
    if (project == nullptr) return no_such("project", act.path[1]);
    write_project(json, *project);
    return answer;
  }
  if (!act.is("POST", 1)) return act.unknown();
  auto name = name_of(act.call);
  if (!name) return std::move(name.error());
  if (directory_.full()) return full();
  const Project& project = directory_.make_project(*name, act.call.created);
  record(act, "project.created", project.id, id_detail(project.id), &project);
  write_project(json, project);
  return answer;
}

Answer AdminApi::accounts(const Act& act, Project& project) {
  if (act.is("POST", 3)) return create_account(act, project);
  if (act.is("GET", 3)) {
    std::vector<const ServiceAccount*> found;
    for (const ServiceAccount& account : directory_.accounts()) {
      if (account.project == project.id) found.push_back(&account);
    }
    return list_answer(found, act.query, [](JsonWriter& json, const ServiceAccount& account) {
      write_account(json, account);
      json.end_object();
    });
  }
  if (act.path.size() < 4) return act.unknown();
  const ServiceAccount* account = directory_.account(project.id, act.path[3]);
  if (account == nullptr) return no_such("service account", act.path[3]);
  if (act.is("DELETE", 4)) return delete_account(act, project, *account);
  if (act.is("POST", 5) && act.path[4] == "api_keys") return create_account_key(act, *account);
  if (!act.is("GET", 4)) return act.unknown();
  Answer answer;
  JsonWriter json(answer.body);
  write_account(json, *account);
  json.end_object();
  return answer;
}

Answer AdminApi::create_account(const Act& act, Project& project) {
  auto name = name_of(act.call);
  if (!name) return std::move(name.error());
  if (project.archived) return refused("The project is archived.");
  if (directory_.full()) return full();
  const bool alone = act.call.flag("create_service_account_only", false);
  const ServiceAccount& account =
      directory_.make_account(project.id, *name, !alone, act.call.created);
  record(act, "service_account.created", account.id,
         id_detail(account.id, R"({"role":")" + account.role + R"("})"), &project);
  Answer answer;
  JsonWriter json(answer.body);
  write_account(json, account);
  json.key("api_key");
  if (alone || act.call.behaviour.no_key) {
    json.null().end_object();
    return answer;
  }
  std::string secret;
  ProjectKey& key =
      directory_.make_key(project.id, account.id, "Secret Key", act.call.created, secret);
  key.scopes = {std::string(kUserScope)};
  record(act, "api_key.created", key.id, id_detail(key.id, scopes_json(key.scopes)), &project);
  write_new_key(json, key, secret);
  json.end_object();
  return answer;
}

Answer AdminApi::create_account_key(const Act& act, const ServiceAccount& account) {
  const Project* project = directory_.project(account.project);
  if (project->archived) return refused("The project is archived.");
  if (directory_.full()) return full();
  const std::string name = act.call.text("name", "Secret Key");
  if (name.size() > kNameMax) return invalid_value("name", "Invalid 'name': too long.");
  std::vector<std::string> scopes;
  if (const auto asked = act.call.at("scopes")) {
    for (const JsonValue& scope : asked->items()) {
      if (!scope.string()) return invalid_value("scopes", "Invalid 'scopes': expected strings.");
      scopes.emplace_back(*scope.string());
    }
  }
  if (scopes.empty()) scopes.emplace_back(kUserScope);
  std::string secret;
  ProjectKey& key =
      directory_.make_key(account.project, account.id, name, act.call.created, secret);
  key.scopes = std::move(scopes);
  record(act, "api_key.created", key.id, id_detail(key.id, scopes_json(key.scopes)), project);
  Answer answer;
  JsonWriter json(answer.body);
  write_new_key(json, key, secret);
  return answer;
}

Answer AdminApi::delete_account(const Act& act, const Project& project,
                                const ServiceAccount& account) {
  if (project.archived) return refused("The project is archived.");
  for (const ProjectKey& key : directory_.keys()) {
    if (key.account == account.id)
      record(act, "api_key.deleted", key.id, id_detail(key.id), &project);
  }
  record(act, "service_account.deleted", account.id, id_detail(account.id), &project);
  Answer answer = deleted("organization.project.service_account", account.id);
  directory_.remove_account(account, afterlife(act));
  return answer;
}

void AdminApi::write_key(JsonWriter& json, const ProjectKey& key) {
  json.begin_object().field("object", "organization.project.api_key");
  json.field("redacted_value", key.redacted).field("name", key.name);
  json.field("created_at", key.created).field("last_used_at", key.last_used);
  json.field("id", key.id);
  const ServiceAccount* account = directory_.account(key.project, key.account);
  const bool inactive = account != nullptr && account->role == "none";
  json.field("owner_project_access", inactive ? "inactive" : "active");
  json.key("owner").begin_object();
  if (account != nullptr) {
    json.field("type", "service_account").key("service_account").begin_object();
    json.field("id", account->id).field("name", account->name);
    json.field("created_at", account->created).field("role", account->role);
  } else {
    json.field("type", "user").key("user").begin_object().field("id", kPersonId);
    json.field("email", kPersonEmail).field("name", "Owner").field("created_at", key.created);
    json.field("role", "owner");
  }
  json.end_object().end_object().end_object();
}

Answer AdminApi::list_keys(const Act& act, const Project& project) {
  const std::string_view access = act.query.one("owner_project_access").value_or("active");
  constexpr std::string_view kAccesses[] = {"active", "inactive", "any"};
  if (std::ranges::find(kAccesses, access) == std::end(kAccesses)) {
    return invalid_value("owner_project_access", "Invalid 'owner_project_access'.");
  }
  std::vector<const ProjectKey*> found;
  for (const ProjectKey& key : directory_.keys()) {
    if (key.project != project.id) continue;
    const ServiceAccount* account = directory_.account(project.id, key.account);
    const bool inactive = account != nullptr && account->role == "none";
    if (access == "any" || inactive == (access == "inactive")) found.push_back(&key);
  }
  return list_answer(found, act.query,
                     [this](JsonWriter& json, const ProjectKey& key) { write_key(json, key); });
}

Answer AdminApi::keys(const Act& act, Project& project) {
  if (act.is("GET", 3)) return list_keys(act, project);
  if (act.path.size() != 4) return act.unknown();
  const ProjectKey* key = directory_.key(project.id, act.path[3]);
  if (key == nullptr) return no_such("API key", act.path[3]);
  if (act.method == "DELETE") return delete_key(act, *key);
  if (act.method != "GET") return act.unknown();
  Answer answer;
  JsonWriter json(answer.body);
  write_key(json, *key);
  return answer;
}

Answer AdminApi::delete_key(const Act& act, const ProjectKey& key) {
  if (!key.account.empty()) {
    return refused(
        "API keys that belong to a service account cannot be deleted; delete the service account "
        "instead.");
  }
  record(act, "api_key.deleted", key.id, id_detail(key.id), directory_.project(key.project));
  Answer answer = deleted("organization.project.api_key", key.id);
  directory_.remove_key(key, afterlife(act));
  return answer;
}

Answer AdminApi::create_admin_key(const Act& act) {
  auto name = name_of(act.call);
  if (!name) return std::move(name.error());
  std::optional<std::int64_t> expires;
  if (const auto life = act.call.at("expires_in_seconds"); life && !life->is_null()) {
    const std::int64_t seconds = life->integer().value_or(0);
    if (seconds < 1 || seconds > kAdminKeyLifeMaxS) {
      return invalid_value("expires_in_seconds",
                           "Invalid 'expires_in_seconds': expected 1 to 31536000.");
    }
    expires = act.call.created + seconds;
  }
  if (directory_.full()) return full();
  std::string secret;
  const AdminKey& key = directory_.make_admin_key(*name, expires, act.call.created, secret);
  record(act, "tenant.admin_api_key.created", key.id, id_detail(key.id), nullptr);
  Answer answer;
  JsonWriter json(answer.body);
  write_admin_key(json, key, &secret);
  return answer;
}

Answer AdminApi::list_admin_keys(const Act& act) {
  std::vector<const AdminKey*> all;
  for (const AdminKey& key : directory_.admin_keys()) all.push_back(&key);
  if (act.query.one("order") == "desc") std::ranges::reverse(all);
  return list_answer(all, act.query, [](JsonWriter& json, const AdminKey& key) {
    write_admin_key(json, key, nullptr);
  });
}

Answer AdminApi::admin_keys(const Act& act) {
  if (act.is("POST", 1)) return create_admin_key(act);
  if (act.is("GET", 1)) return list_admin_keys(act);
  if (act.path.size() != 2) return act.unknown();
  const AdminKey* key = directory_.admin_key(act.path[1]);
  if (key == nullptr) return no_such("admin API key", act.path[1]);
  if (act.method == "DELETE") {
    record(act, "tenant.admin_api_key.deleted", key->id, id_detail(key->id), nullptr);
    Answer answer = deleted("organization.admin_api_key", key->id);
    directory_.remove_admin_key(*key);
    return answer;
  }
  if (act.method != "GET") return act.unknown();
  Answer answer;
  JsonWriter json(answer.body);
  write_admin_key(json, *key, nullptr);
  return answer;
}

Answer AdminApi::retention(const Act& act, Project* project) {
  if (act.path.size() != (project == nullptr ? 1 : 3)) return act.unknown();
  std::string& type = project == nullptr ? directory_.retention : project->retention;
  if (act.method == "POST") {
    const std::string asked = act.call.text("retention_type");
    const bool known = std::ranges::find(kRetentions, asked) != std::end(kRetentions);
    const bool of_project = project != nullptr && std::ranges::find(kProjectRetentions, asked) !=
                                                      std::end(kProjectRetentions);
    if (!known && !of_project) {
      return invalid_value("retention_type", "Invalid 'retention_type': '" + asked + "'.");
    }
    type = asked;
    // The provider's log has no type for this change; what it has is "updated".
    const std::string id = project == nullptr ? "org-simulated" : project->id;
    record(act, project == nullptr ? "organization.updated" : "project.updated", id,
           R"({"id":")" + id + R"(","changes_requested":{}})", project);
  } else if (act.method != "GET") {
    return act.unknown();
  }
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object();
  json.field("object",
             project == nullptr ? "organization.data_retention" : "project.data_retention");
  json.field("type", type).end_object();
  return answer;
}

Answer AdminApi::spend_limit(const Act& act, Project* project) {
  if (act.path.size() != (project == nullptr ? 1 : 3)) return act.unknown();
  const std::string object =
      project == nullptr ? "organization.spend_limit" : "project.spend_limit";
  std::optional<SpendLimit>& limit =
      project == nullptr ? directory_.spend_limit : project->spend_limit;
  const std::string id = project == nullptr ? "org-simulated" : project->id;
  const std::string change = project == nullptr ? "organization.updated" : "project.updated";
  const std::string detail = R"({"id":")" + id + R"(","changes_requested":{}})";
  if (act.method == "POST") {
    const std::int64_t cents = act.call.integer("threshold_amount").value_or(-1);
    if (cents < 0) return invalid_value("threshold_amount", "Invalid 'threshold_amount'.");
    limit = SpendLimit{.threshold_cents = cents};
    record(act, change, id, detail, project);
  }
  if (!limit) return no_such("spend limit", id);
  if (act.method == "DELETE") {
    limit.reset();
    record(act, change, id, detail, project);
    return deleted(object, "");
  }
  if (act.method != "GET" && act.method != "POST") return act.unknown();
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", object).field("threshold_amount", limit->threshold_cents);
  json.field("currency", "USD").field("interval", "month").key("enforcement").begin_object();
  json.field("status", "inactive").end_object().end_object();
  return answer;
}

std::optional<AdminApi::Made> AdminApi::make_key_by_hand(const Stranger& stranger,
                                                         std::int64_t now) {
  const Project* project = stranger.project.empty() ? &directory_.projects().front()
                                                    : directory_.project(stranger.project);
  if (project == nullptr || directory_.full()) return std::nullopt;
  Made made;
  const auto record = [&](std::string type, const std::string& id, std::string detail) {
    log_.add({.type = std::move(type),
              .resource = id,
              .detail = std::move(detail),
              .project = project->id,
              .project_name = project->name,
              .actor = {.session = true,
                        .user_id = "user-stranger",
                        .user_email = stranger.email,
                        .service_account = "",
                        .key_id = "",
                        .ip = stranger.ip,
                        .user_agent = "Mozilla/5.0 (simulated)"},
              .effective_at = now});
  };
  if (stranger.service_account) {
    const ServiceAccount& account = directory_.make_account(project->id, stranger.name, true, now);
    made.service_account_id = account.id;
    record("service_account.created", account.id, id_detail(account.id, R"({"role":"member"})"));
  }
  ProjectKey& key =
      directory_.make_key(project->id, made.service_account_id, stranger.name, now, made.secret);
  key.scopes = {std::string(kUserScope)};
  made.key_id = key.id;
  record("api_key.created", key.id, id_detail(key.id, scopes_json(key.scopes)));
  return made;
}

}  // namespace sallyport::sim
