// SPDX-License-Identifier: Apache-2.0
#include "config/provider_fields.h"

#include <algorithm>

#include "config/values.h"
#include "provider/admin_client.h"

namespace sallyport::config {
namespace {

constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr Reload kRestart = Reload::kRestart;

}  // namespace

#define AT(expression) [](Place& p) -> Slot { return &p.expression; }

std::vector<Field> lease_fields() {
  using enum Type;
  return {
      {"upstream[].lease.mode",
       kWord,
       AT(upstream->lease.mode),
       "Where the provider's credential comes from: api_key; one service account per lease, made "
       "and deleted through the Admin API; or a token exchanged for an identity that the gate "
       "signs.",
       0,
       0,
       kRestart,
       {"static", "service_account", "workload_identity"}},
      {"upstream[].lease.admin_url",
       kUrl,
       AT(upstream->lease.admin_url),
       "Base URL of the Admin API; the upstream's base_url when left out.",
       0,
       0,
       kRestart,
       {},
       "https://api.openai.com/v1"},
      {"upstream[].lease.admin_key",
       kSecret,
       AT(upstream->lease.admin_key),
       "Admin key of the organisation, for mode service_account.",
       1,
       0,
       kRestart,
       {},
       "${cred:openai_admin_key}"},
      {"upstream[].lease.project",
       kText,
       AT(upstream->lease.project),
       "Project in which the service accounts are made.",
       0,
       0,
       kRestart,
       {},
       "proj_acme"},
      {"upstream[].lease.instance",
       kName,
       AT(upstream->lease.instance),
       "Name of this gateway in the accounts' names, sallyport-<instance>-<generation>. No two "
       "gateways may have the same: each deletes what it does not know.",
       0,
       0,
       kRestart,
       {},
       "gate-1"},
      {"upstream[].lease.life", kDuration, AT(upstream->lease.life_ms),
       "How long a lease is used; it is renewed at half of it.", kMinute, 30 * kDay, kRestart},
      {"upstream[].lease.drain", kDuration, AT(upstream->lease.drain_ms),
       "How long streams under way may keep a lease that was replaced.", 0, kDay, kRestart},
      {"upstream[].lease.token_url", kUrl, AT(upstream->lease.token_url),
       "Where identities are exchanged for tokens, for mode workload_identity.", 0, 0, kRestart},
      {"upstream[].lease.identity_provider_id",
       kText,
       AT(upstream->lease.identity_provider_id),
       "Id under which this gateway is registered at the provider as an issuer.",
       0,
       0,
       kRestart,
       {},
       "idp-acme"},
      {"upstream[].lease.service_account_id",
       kText,
       AT(upstream->lease.service_account_id),
       "Service account that the exchanged token acts as.",
       0,
       0,
       kRestart,
       {},
       "svc_acct_acme"},
      {"upstream[].lease.client_id",
       kText,
       AT(upstream->lease.client_id),
       "Sent with the exchange when set.",
       0,
       0,
       kRestart,
       {},
       "acme"},
      {"upstream[].lease.issuer",
       kUrl,
       AT(upstream->lease.issuer),
       "iss of the identities that the gate signs, as registered at the provider.",
       0,
       0,
       kRestart,
       {},
       "https://gate.example.com"},
      {"upstream[].lease.audience", kText, AT(upstream->lease.audience), "aud of these identities.",
       0, 0, kRestart},
      {"upstream[].lease.subject",
       kText,
       AT(upstream->lease.subject),
       "sub of these identities; sallyport:<instance> when left out.",
       0,
       0,
       kRestart,
       {},
       "sallyport:gate-1"},
      {"upstream[].lease.key_file",
       kPath,
       AT(upstream->lease.key_file),
       "RSA key (PEM) that signs them; made with mode 0600 when it does not exist.",
       0,
       0,
       kRestart,
       {},
       "/var/lib/sallyport/identity.pem"},
  };
}

std::vector<Field> provider_fields() {
  using enum Type;
  return {
      {"provider.admin_url", kUrl, AT(config->provider.admin_url),
       "Base URL of the Admin API that is watched.", 0, 0, kRestart},
      {"provider.admin_key",
       kSecret,
       AT(config->provider.admin_key),
       "Admin key for watching the audit log, keys and retention at the provider; nothing is "
       "watched without one.",
       1,
       0,
       kRestart,
       {},
       "${cred:openai_admin_key}"},
      {"provider.projects",
       kTexts,
       AT(config->provider.projects),
       "Projects that only this gateway uses: every key in them must be known, and all their usage "
       "must have passed here.",
       0,
       0,
       kRestart,
       {},
       "[proj_acme]"},
      {"provider.audit_log.every", kDuration, AT(config->provider.audit_every_ms),
       "How often the provider's own audit log is read.", 5 * kSecond, kDay, kRestart},
      {"provider.keys.every", kDuration, AT(config->provider.keys_every_ms),
       "How often the list of keys and the retention setting are read.", 10 * kSecond, kDay,
       kRestart},
      {"provider.keys.dormant_after", kDuration, AT(config->provider.dormant_after_ms),
       "A key that was not used for so long is told once.", kHour, 3650 * kDay, kRestart},
      {"provider.keys.known",
       kTexts,
       AT(config->provider.known_keys),
       "Ids of keys in these projects that are no surprise.",
       0,
       0,
       kRestart,
       {},
       "[key_ci]"},
      {"provider.retention",
       kWord,
       AT(config->provider.retention),
       "The retention setting that the organisation is expected to have; any when left out.",
       0,
       0,
       kRestart,
       {"any", "zero_data_retention", "modified_abuse_monitoring", "enhanced_zero_data_retention",
        "enhanced_modified_abuse_monitoring"}},
      {"meter.reconcile.admin_key",
       kSecret,
       AT(config->meter.reconcile.admin_key),
       "Admin key for reading usage and costs; that of provider when left out. Usage is not "
       "compared without one.",
       1,
       0,
       kRestart,
       {},
       "${env:OPENAI_ADMIN_KEY}"},
      {"meter.reconcile.every", kDuration, AT(config->meter.reconcile.every_ms),
       "How often the provider's usage is compared with ours.", 10 * kSecond, kDay, kRestart},
      {"meter.reconcile.tolerance", kPercent, AT(config->meter.reconcile.tolerance),
       "Share by which the sums may differ.", 0, 100, kRestart},
      {"meter.reconcile.lag", kDuration, AT(config->meter.reconcile.lag_ms),
       "How late the provider's figures may come; younger minutes are not compared yet.", 0, kDay,
       kRestart},
  };
}
#undef AT

std::vector<LeaseProblem> check_lease(const upstream::UpstreamConfig& upstream, bool secrets) {
  const provider::LeaseConfig& lease = upstream.lease;
  std::vector<LeaseProblem> problems;
  const auto needs = [&](const char* field, bool there) {
    if (!there) problems.push_back({field, "missing; lease.mode " + lease.mode + " needs it"});
  };
  const auto over_tls = [&](const char* field, const std::string& text) {
    const auto url = text.empty() ? std::nullopt : parse_url(text);
    if (url && !url->tls && !is_loopback_host(url->host)) {
      problems.push_back({field, "must be https: secrets are on the way"});
    }
  };
  if (lease.mode == "static") return problems;
  if (upstream.api_key) problems.push_back({"api_key", "not beside lease.mode " + lease.mode});
  if (lease.mode == "service_account") {
    if (secrets) needs("lease.admin_key", lease.admin_key != nullptr);
    needs("lease.project", !lease.project.empty());
    needs("lease.instance", !lease.instance.empty());
    if (!lease.project.empty() && !provider::is_provider_id(lease.project)) {
      problems.push_back({"lease.project", "letters, digits, - and _ only"});
    }
    over_tls("lease.admin_url", lease.admin_url);
  } else {
    needs("lease.identity_provider_id", !lease.identity_provider_id.empty());
    needs("lease.service_account_id", !lease.service_account_id.empty());
    needs("lease.issuer", !lease.issuer.empty());
    needs("lease.key_file", lease.key_file.has_value());
    if (lease.subject.empty()) needs("lease.instance", !lease.instance.empty());
    over_tls("lease.token_url", lease.token_url);
  }
  return problems;
}

bool keep_leases(const Config& running, Config& next) {
  bool differs = false;
  for (upstream::UpstreamConfig& one : next.upstream.upstreams) {
    const auto old =
        std::ranges::find(running.upstream.upstreams, one.name, &upstream::UpstreamConfig::name);
    if (old == running.upstream.upstreams.end()) continue;
    if (old->lease.mode == "static" || one.lease.mode == "static") continue;
    const Place left{.upstream = const_cast<upstream::UpstreamConfig*>(&*old)};
    const Place right{.upstream = &one};
    for (const Field& field : lease_fields()) differs = differs || !same(field, left, right);
    one.lease = old->lease;
  }
  return differs;
}

}  // namespace sallyport::config
