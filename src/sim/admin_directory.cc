// SPDX-License-Identifier: Apache-2.0
#include "sim/admin_directory.h"

#include <algorithm>

#include "base/random.h"
#include "base/text.h"
#include "sim/answer.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t kIdLength = 24;
constexpr std::size_t kDeadMax = 10'000;

// The middle is what scanners know OpenAI's keys by.
std::string make_secret(std::string_view prefix) {
  return std::string(prefix) + random_base62(20) + "T3BlbkFJ" + random_base62(20);
}

std::string redacted_form(std::string_view prefix, std::string_view secret) {
  return std::string(prefix) + "..." +
         std::string(secret.substr(secret.size() - std::min<std::size_t>(secret.size(), 3)));
}

template <class T>
T* find(std::list<T>& among, std::string_view id) {
  const auto at = std::ranges::find(among, id, &T::id);
  return at == among.end() ? nullptr : &*at;
}

}  // namespace

Directory::Directory(const SimOptions& options, std::int64_t now)
    : retention(options.retention), accepts_any_(options.key.empty() && !options.strict_keys) {
  for (const std::string& id : options.projects) {
    projects_.push_back({.id = id, .name = id, .created = now});
  }
  if (projects_.empty()) projects_.push_back({.id = "proj_simulated", .name = "s", .created = now});
  if (!options.key.empty()) {
    add_key({.id = std::string(kStaticKeyId),
             .project = projects_.front().id,
             .account = "",
             .name = "static",
             .redacted = redacted_form("sk-", options.key),
             .digest = "",
             .scopes = {},
             .created = now},
            options.key);
  }
  if (!options.admin_key.empty()) {
    admin_keys_.push_back({.id = std::string(kStaticAdminKeyId),
                           .name = "static",
                           .redacted = redacted_form("sk-admin", options.admin_key),
                           .digest = sha256(options.admin_key),
                           .created = now});
  }
}

ProjectKey& Directory::add_key(ProjectKey key, std::string_view secret) {
  key.digest = sha256(secret);
  keys_.push_back(std::move(key));
  by_digest_[keys_.back().digest] = &keys_.back();
  return keys_.back();
}

Project* Directory::project(std::string_view id) { return find(projects_, id); }
AdminKey* Directory::admin_key(std::string_view id) { return find(admin_keys_, id); }

ServiceAccount* Directory::account(std::string_view project, std::string_view id) {
  ServiceAccount* found = find(accounts_, id);
  return found != nullptr && found->project == project ? found : nullptr;
}

ProjectKey* Directory::key(std::string_view project, std::string_view id) {
  ProjectKey* found = find(keys_, id);
  return found != nullptr && found->project == project ? found : nullptr;
}

const ServiceAccount* Directory::account(std::string_view id) const {
  const auto at = std::ranges::find(accounts_, id, &ServiceAccount::id);
  return at == accounts_.end() ? nullptr : &*at;
}

const ProjectKey* Directory::key(std::string_view id) const {
  const auto at = std::ranges::find(keys_, id, &ProjectKey::id);
  return at == keys_.end() ? nullptr : &*at;
}

bool Directory::full() const {
  return accounts_.size() >= kEachMax || keys_.size() >= kEachMax ||
         admin_keys_.size() >= kEachMax || projects_.size() >= kEachMax;
}

ServiceAccount& Directory::make_account(std::string_view project, std::string_view name,
                                        bool with_access, std::int64_t now) {
  accounts_.push_back({.id = "svc_acct_" + random_base62(kIdLength),
                       .project = std::string(project),
                       .name = std::string(name),
                       .role = with_access ? "member" : "none",
                       .created = now});
  return accounts_.back();
}

ProjectKey& Directory::make_key(std::string_view project, std::string_view account,
                                std::string_view name, std::int64_t now, std::string& secret) {
  const std::string_view prefix = account.empty() ? "sk-proj-" : "sk-svcacct-";
  secret = make_secret(prefix);
  return add_key({.id = "key_" + random_base62(kIdLength),
                  .project = std::string(project),
                  .account = std::string(account),
                  .name = std::string(name),
                  .redacted = redacted_form("sk-", secret),
                  .digest = "",
                  .scopes = {},
                  .created = now},
                 secret);
}

AdminKey& Directory::make_admin_key(std::string_view name, std::optional<std::int64_t> expires,
                                    std::int64_t now, std::string& secret) {
  secret = make_secret("sk-admin-");
  admin_keys_.push_back({.id = "key_" + random_base62(kIdLength),
                         .name = std::string(name),
                         .redacted = redacted_form("sk-admin", secret),
                         .digest = sha256(secret),
                         .created = now,
                         .expires = expires});
  return admin_keys_.back();
}

std::string Directory::make_token(const ServiceAccount& account, std::int64_t expires) {
  std::string token = "oat_" + random_base62(48);
  if (tokens_.size() >= kEachMax) tokens_.clear();  // the holders exchange once more
  tokens_[sha256(token)] = {.caller = {.project = account.project, .user = account.id},
                            .expires = expires};
  return token;
}

Project& Directory::make_project(std::string_view name, std::int64_t now) {
  projects_.push_back(
      {.id = "proj_" + random_base62(kIdLength), .name = std::string(name), .created = now});
  return projects_.back();
}

void Directory::bury(const std::string& digest, Caller caller, const std::string& afterlife) {
  if (dead_.size() >= kDeadMax) dead_.clear();  // then they are unknown, and 401 all the same
  dead_[digest] = {.caller = std::move(caller), .afterlife = afterlife};
}

void Directory::remove_account(const ServiceAccount& account, const std::string& afterlife) {
  const std::string id = account.id;
  std::vector<const ProjectKey*> its_keys;
  for (const ProjectKey& key : keys_) {
    if (key.account == id) its_keys.push_back(&key);
  }
  for (const ProjectKey* key : its_keys) remove_key(*key, afterlife);
  for (auto at = tokens_.begin(); at != tokens_.end();) {
    if (at->second.caller.user != id) {
      ++at;
      continue;
    }
    bury(at->first, at->second.caller, afterlife);
    at = tokens_.erase(at);
  }
  accounts_.remove_if([&](const ServiceAccount& other) { return other.id == id; });
}

void Directory::remove_key(const ProjectKey& key, const std::string& afterlife) {
  const std::string user = key.account.empty() ? std::string(kPersonId) : key.account;
  bury(key.digest, {.key_id = key.id, .project = key.project, .user = user}, afterlife);
  by_digest_.erase(key.digest);
  keys_.remove_if([&](const ProjectKey& other) { return &other == &key; });
}

void Directory::remove_admin_key(const AdminKey& key) {
  admin_keys_.remove_if([&](const AdminKey& other) { return &other == &key; });
}

std::optional<Caller> Directory::use(std::string_view secret, std::int64_t now) {
  const std::string digest = sha256(secret);
  if (const auto found = by_digest_.find(digest); found != by_digest_.end()) {
    ProjectKey& key = *found->second;
    key.last_used = now;
    const std::string user = key.account.empty() ? std::string(kPersonId) : key.account;
    return Caller{.key_id = key.id, .project = key.project, .user = user};
  }
  if (const auto found = tokens_.find(digest); found != tokens_.end()) {
    if (now >= found->second.expires) return std::nullopt;
    return found->second.caller;
  }
  if (const auto found = dead_.find(digest); found != dead_.end()) {
    Dead& dead = found->second;
    const bool answers = dead.used < dead.afterlife.size() && dead.afterlife[dead.used] == '1';
    ++dead.used;
    return answers ? std::optional(dead.caller) : std::nullopt;
  }
  if (!accepts_any_ || secret.starts_with("sk-admin-")) return std::nullopt;
  return Caller{.key_id = "key_" + to_hex(digest).substr(0, kIdLength),
                .project = projects_.front().id,
                .user = std::string(kPersonId)};
}

const AdminKey* Directory::use_admin(std::string_view secret, std::int64_t now) {
  const std::string digest = sha256(secret);
  const auto at = std::ranges::find(admin_keys_, digest, &AdminKey::digest);
  if (at == admin_keys_.end() || (at->expires && now >= *at->expires)) return nullptr;
  at->last_used = now;
  return &*at;
}

}  // namespace sallyport::sim
