// SPDX-License-Identifier: Apache-2.0
#include "provider/upkeep.h"

#include <algorithm>

#include "base/log.h"
#include "provider/account_watch.h"
#include "provider/record.h"
#include "provider/workload_identity.h"

namespace sallyport::provider {
namespace {

std::unexpected<Error> wrong(const std::string& where, const Error& error) {
  return fail(error.code, where + ": " + error.what);
}

}  // namespace

Upkeep::~Upkeep() { stop(); }

Result<std::unique_ptr<Upkeep>> Upkeep::make(UpkeepParts parts,
                                             std::vector<UpstreamCredential> upstreams,
                                             Config watch, ReconcileConfig reconcile,
                                             AskLimits limits, LeaseTimes times) {
  std::unique_ptr<Upkeep> upkeep(new Upkeep(parts));
  upkeep->upstreams_ = upstreams;
  for (UpstreamCredential& one : upstreams) {
    const std::string where = "upstream " + one.name + ", lease";
    Result<Kept> kept = upkeep->keep(std::move(one), limits, times);
    if (!kept) return wrong(where, kept.error());
    upkeep->kept_.push_back(std::move(*kept));
  }
  const Result<void> watched = upkeep->watch(watch, reconcile, limits);
  if (!watched) return std::unexpected(watched.error());
  return upkeep;
}

Result<Upkeep::Kept> Upkeep::keep(UpstreamCredential upstream, AskLimits limits, LeaseTimes times) {
  Kept kept;
  const LeaseConfig& lease = upstream.lease;
  if (lease.mode == "service_account") {
    Result<Probe> probe = make_probe(upstream.base_url, upstream.ca_file);
    if (!probe) return std::unexpected(probe.error());
    AdminAccess access{.base_url = lease.admin_url.empty() ? upstream.base_url : lease.admin_url,
                       .key = lease.admin_key,
                       .ca_file = upstream.ca_file,
                       .limits = limits};
    const LeaseParts of{parts_.loop,  parts_.resolver, parts_.disk,
                        parts_.clock, parts_.recorder, parts_.leases};
    auto made = LeasedCredential::make(of, upstream.name, lease, std::move(access),
                                       std::move(*probe), times);
    if (!made) return std::unexpected(made.error());
    (*made)->owns([all = upstreams_, name = upstream.name](const LeaseRow& row) {
      const UpstreamCredential* const owner = owner_of(row, all);
      return owner != nullptr && owner->name == name;
    });
    kept.source = *made;
    kept.renewable = *made;
    kept.start = [source = *made] { source->start(); };
    kept.stop = [source = *made] { source->stop(); };
  } else if (lease.mode == "workload_identity") {
    const ExchangeParts of{parts_.loop, parts_.resolver, parts_.clock, parts_.recorder};
    auto made = WorkloadIdentity::make(of, upstream.name, lease, limits);
    if (!made) return std::unexpected(made.error());
    kept.issuer = {(*made)->issuer(), (*made)->jwk()};
    kept.source = *made;
    kept.renewable = *made;
    kept.start = [source = *made] { source->start(); };
    kept.stop = [source = *made] { source->stop(); };
  }
  kept.upstream = std::move(upstream);
  return kept;
}

Result<void> Upkeep::watch(const Config& config, const ReconcileConfig& reconcile,
                           AskLimits limits) {
  std::vector<std::pair<std::string, std::shared_ptr<CredentialSource>>> sources;
  for (const Kept& kept : kept_) sources.emplace_back(kept.upstream.api_key_id, kept.source);
  std::vector<std::shared_ptr<RenewableCredential>> renewables;
  for (const Kept& kept : kept_) {
    if (kept.renewable) renewables.push_back(kept.renewable);
  }
  // What the tasks need of it is theirs: they may outlive this object.
  const auto known = [sources, renewables] {
    std::vector<std::string> ids;
    for (const auto& renewable : renewables) {  // of those before, too: their usage comes late
      for (std::string& id : renewable->key_ids()) ids.push_back(std::move(id));
    }
    for (const auto& [configured, source] : sources) {
      const auto now = source ? source->current() : nullptr;
      const std::string& id = now ? now->provider_key_id : configured;
      if (!id.empty()) ids.push_back(id);
    }
    return ids;
  };
  if (config.admin_key) {
    AdminAccess access{.base_url = config.admin_url, .key = config.admin_key, .limits = limits};
    auto client = AdminClient::make(parts_.loop, parts_.resolver, std::move(access));
    if (!client) return wrong("provider", client.error());
    const WatchParts of{parts_.loop,     parts_.disk,     parts_.clock,
                        parts_.recorder, parts_.settings, parts_.leases};
    AccountWatch::AdminSecrets own{config.admin_key, reconcile.admin_key};
    for (const Kept& kept : kept_) own.push_back(kept.upstream.lease.admin_key);
    watch_ = std::make_shared<AccountWatch>(of, std::move(*client), config, known, std::move(own));
  }
  const auto key = reconcile.admin_key ? reconcile.admin_key : config.admin_key;
  if (!key) return {};
  AdminAccess access{.base_url = config.admin_url, .key = key, .limits = limits};
  auto client = AdminClient::make(parts_.loop, parts_.resolver, std::move(access));
  if (!client) return wrong("meter.reconcile", client.error());
  const ReconcileParts of{parts_.loop,     parts_.disk,     parts_.clock,
                          parts_.recorder, parts_.settings, parts_.usage};
  reconciler_ =
      std::make_shared<Reconciler>(of, std::move(*client), reconcile, config.projects, known);
  return {};
}

// Leases of upstreams that are gone, or static now: nobody deletes them, and their keys live on.
Task<void> Upkeep::tell_ownerless(UpkeepParts parts, std::vector<UpstreamCredential> upstreams) {
  auto read = std::make_shared<Result<std::vector<LeaseRow>>>();
  std::function<void()> act = [read, &leases = parts.leases] { *read = leases.list(); };
  co_await parts.disk.run(parts.loop, std::move(act));
  if (!*read) co_return;  // every lease says so itself, and doctor looks again
  for (const LeaseRow& row : **read) {
    if (owner_of(row, upstreams) != nullptr) continue;
    log::error("lease.ownerless", {{"lease", row.name}, {"upstream", row.upstream}});
    Event event = make_event(parts.clock.now(), "lease.orphan", [&](JsonWriter& json) {
      json.field("lease", row.name).field("generation", row.generation);
      json.field("project", row.project);
      if (!row.account_id.empty()) json.field("account_id", row.account_id);
      json.field("reason", "its upstream has no lease any more: nobody here deletes it");
    });
    event.upstream = row.upstream;
    if (!row.key_id.empty()) event.provider_key_id = row.key_id;
    event.error = "lease_orphan";
    record(parts.recorder, std::move(event));
  }
}

void Upkeep::start() {
  parts_.loop.spawn(tell_ownerless(parts_, upstreams_));
  for (const Kept& kept : kept_) {
    if (kept.start) kept.start();
  }
  if (watch_) watch_->start();
  if (reconciler_) reconciler_->start();
}

void Upkeep::stop() {
  for (const Kept& kept : kept_) {
    if (kept.stop) kept.stop();
  }
  if (watch_) watch_->stop();
  if (reconciler_) reconciler_->stop();
}

std::shared_ptr<CredentialSource> Upkeep::find(std::string_view upstream) const {
  for (const Kept& kept : kept_) {
    if (kept.upstream.name == upstream) return kept.source;
  }
  return nullptr;
}

std::vector<CredentialStatus> Upkeep::list() const {
  std::vector<CredentialStatus> all;
  for (const Kept& kept : kept_) {
    if (kept.renewable) {
      all.push_back(kept.renewable->status());
      continue;
    }
    CredentialStatus status;
    status.upstream = kept.upstream.name;
    status.mode = kept.upstream.lease.mode;
    status.provider_key_id = kept.upstream.api_key_id;
    all.push_back(std::move(status));
  }
  return all;
}

std::vector<OwnIssuer> Upkeep::issuers() const {
  std::vector<OwnIssuer> all;
  for (const Kept& kept : kept_) {
    if (kept.issuer) all.push_back(*kept.issuer);
  }
  return all;
}

Result<void> Upkeep::rotate(std::string_view upstream, std::string actor,
                            std::optional<std::int64_t> drain_ms) {
  for (const Kept& kept : kept_) {
    if (kept.upstream.name != upstream) continue;
    if (kept.renewable) return kept.renewable->request(std::move(actor), drain_ms);
    return fail(Code::kInvalid, "its credential is static: change api_key and reload");
  }
  return fail(Code::kNotFound, "there is no such upstream");
}

}  // namespace sallyport::provider
