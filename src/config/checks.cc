// SPDX-License-Identifier: Apache-2.0
#include "config/checks.h"

#include <algorithm>
#include <set>

#include "config/notify_fields.h"
#include "config/provider_fields.h"
#include "config/values.h"
#include "keys/identity_mapping.h"

namespace sallyport::config {
namespace {

class Checks {
 public:
  Checks(const Positions& where, bool secrets, std::vector<Problem>& problems,
         std::vector<Problem>& warnings)
      : where_(where), secrets_(secrets), problems_(problems), warnings_(warnings) {}

  void listeners(const http::Config& http) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < http.listeners.size(); ++i) {
      const http::ListenerConfig& listener = http.listeners[i];
      const std::string at = "http.listeners[" + std::to_string(i) + "]";
      if (!names.insert(listener.name).second) refuse(at + ".name", "used twice");
      both(at + ".tls", listener.tls_cert_file.has_value(), listener.tls_key_file.has_value());
      const bool tls = listener.tls_cert_file && listener.tls_key_file;
      if (listener.client_ca_file && !tls) refuse(at + ".client_ca", "needs tls");
      if (listener.client_certificate_required && !listener.client_ca_file) {
        refuse(at + ".client_certificate_required", "needs client_ca");
      }
      if (!tls && !loopback(listener.address)) {
        warn(at + ".address",
             "keys and prompts come in without TLS on an address that others reach");
      }
    }
  }

  void bodies(const http::Config& http) {
    if (http.body_bytes_max * (http::kParseFactor + 1) > http.body_memory_max) {
      warn("http.body_memory_max",
           "is less than 15 times http.body_bytes_max: the largest bodies are always refused");
    }
  }

  void keys(const keys::Config& keys) {
    if (keys.life > keys.life_max) refuse("keys.life", "is longer than keys.life_max");
    if (keys.required && (secrets_ ? keys.pepper.empty() : !where_.contains("keys.pepper"))) {
      refuse("keys.pepper",
             "missing; make one with  openssl rand -base64 48  and write ${cred:key_pepper}, "
             "${env:NAME} or file:/path");
    }
    if (!keys.required) warn("keys.required", "the gate is open: anybody may use it");
    if (keys.keep_on_store_failure) {
      warn("keys.on_store_failure",
           "while the store is silent, what other processes revoke goes on working here");
    }
    if (keys.rotate.every.count() > 0 && keys.deliver.empty()) {
      warn("keys.rotate.every",
           "no key is replaced: without keys.deliver a new secret has no way to its owner");
    }
    if (keys.life_max > std::chrono::hours(24)) {
      warn("keys.life_max", "keys may live longer than a day");
    }
  }

  void identities(const keys::Config& keys, const upstream::Config& upstream) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < keys.identity_exchange.size(); ++i) {
      const keys::IdentityMapping& mapping = keys.identity_exchange[i];
      const std::string at = "keys.identity_exchange[" + std::to_string(i) + "]";
      for (const std::string& problem : keys::mapping_problems(mapping)) {
        const std::size_t colon = std::min(problem.find(": "), problem.size());
        const bool field = colon < problem.size() && problem.find(' ') > colon;
        field ? refuse(at + "." + problem.substr(0, colon), problem.substr(colon + 2))
              : refuse(at, problem);
      }
      if (!names.insert(mapping.name).second) refuse(at + ".name", "used twice");
      if (!mapping.jwks_file) {
        const std::string& place = mapping.jwks_url ? *mapping.jwks_url : mapping.issuer;
        trusted_place(at + (mapping.jwks_url ? ".jwks_url" : ".issuer"), place);
      }
      const bool known = std::ranges::any_of(
          upstream.upstreams, [&](const auto& one) { return one.name == mapping.upstream; });
      if (mapping.upstream && !known) refuse(at + ".upstream", "no upstream has that name");
    }
    const keys::LeakReportConfig& report = keys.leak_report;
    if (!report.github_keys_url) return;
    if (report.github_keys_file) {
      refuse("keys.leak_report", "github_keys_url or github_keys_file, not both");
    }
    trusted_place("keys.leak_report.github_keys_url", *report.github_keys_url);
  }

  void upstreams(const upstream::Config& upstream) {
    if (upstream.upstreams.empty()) {
      refuse("upstream",
             "missing; name at least one, for example  - {name: openai, base_url: "
             "https://api.openai.com/v1, api_key: \"${cred:openai_api_key}\"}");
    }
    std::set<std::string> names;
    for (std::size_t i = 0; i < upstream.upstreams.size(); ++i) {
      const upstream::UpstreamConfig& one = upstream.upstreams[i];
      const std::string at = "upstream[" + std::to_string(i) + "]";
      if (!names.insert(one.name).second) {
        refuse(at + ".name", "used twice; give each upstream its own name");
      }
      const auto url = parse_url(one.base_url);
      if (url && !url->tls && !is_loopback_host(url->host)) {
        warn(at + ".base_url", "prompts and the provider's key leave this host without TLS");
      }
      if (url && !url->tls && one.ca_file) refuse(at + ".ca", "needs an https:// base_url");
      for (const LeaseProblem& problem : check_lease(one, secrets_)) {
        refuse(at + "." + problem.field, problem.message);
      }
      const bool leased = one.lease.mode != "static";
      if (secrets_ && !leased && !one.api_key && url && url->host == "api.openai.com") {
        warn(at + ".api_key", "missing; the provider will refuse every request");
      }
    }
  }

  void audit(const audit::Config& audit) {
    if (!audit.enabled) warn("audit.enabled", "nothing is recorded");
    if (!audit.refuse_on_write_failure) {
      warn("audit.on_write_failure", "requests pass unrecorded while the journal cannot write");
    }
  }

  void sinks(const notify::Config& notify, bool recorded) {
    if (!notify.sinks.empty() && !recorded) refuse("notify", "needs audit.enabled");
    std::set<std::string> names;
    for (std::size_t i = 0; i < notify.sinks.size(); ++i) {
      const notify::SinkConfig& sink = notify.sinks[i];
      const std::string at = "notify[" + std::to_string(i) + "]";
      if (!names.insert(sink.name).second) refuse(at + ".name", "used twice");
      const auto problem = sink_problem(sink, !secrets_ && where_.contains(at + ".token"));
      if (!problem) continue;
      const std::size_t colon = problem->find(": ");
      refuse(at + "." + problem->substr(0, colon), problem->substr(colon + 2));
    }
  }

  void admin(const admin::Config& admin) {
    both("admin.listener.tls", admin.tls_cert_file.has_value(), admin.tls_key_file.has_value());
    if (!loopback(admin.address) && !admin.tls_cert_file) {
      refuse("admin.listener.address", "is not loopback and therefore needs admin.listener.tls");
    }
    login(admin);
    for (const std::string& product : admin.compatible_with) {
      if (product != "litellm") refuse("admin.compatible_with", "knows only litellm");
    }
  }

 private:
  // Whoever is on the way to a place of keys could put his own in.
  void trusted_place(const std::string& field, const std::string& text) {
    const auto url = parse_url(text);
    if (url && !url->tls && !is_loopback_host(url->host)) refuse(field, "must be https");
  }

  static bool loopback(const std::string& address) {
    const auto parsed = parse_host_port(address);
    return parsed && parsed->address.is_loopback();
  }

  void login(const admin::Config& admin) {
    const auto& oidc = admin.oidc;
    if (oidc.issuer.empty()) {
      if (!oidc.client_id.empty() || !oidc.redirect_url.empty()) {
        refuse("admin.login.oidc.issuer", "missing");
      }
      return;
    }
    if (oidc.client_id.empty()) refuse("admin.login.oidc.client_id", "missing");
    for (const auto& [field, text] :
         {std::pair{"admin.login.oidc.issuer", oidc.issuer},
          std::pair{"admin.login.oidc.redirect_url", oidc.redirect_url}}) {
      const auto url = parse_url(text);
      if (!url) {
        refuse(field, "missing");
      } else if (!url->tls && !is_loopback_host(url->host)) {
        refuse(field, "must be https");
      }
    }
    if (!oidc.redirect_url.ends_with("/admin/callback")) {
      refuse("admin.login.oidc.redirect_url", "must end in /admin/callback");
    }
    if (admin.viewers.empty() && admin.operators.empty() && admin.admins.empty()) {
      refuse("admin.login.roles", "missing; name who gets which role, or nobody gets in");
    }
  }

  void both(const std::string& field, bool certificate, bool key) {
    if (certificate != key) refuse(field, "needs both cert and key");
  }

  void refuse(std::string field, std::string message) {
    problems_.push_back(problem_at(where_, std::move(field), std::move(message)));
  }
  void warn(std::string field, std::string message) {
    warnings_.push_back(problem_at(where_, std::move(field), std::move(message)));
  }

  const Positions& where_;
  const bool secrets_;
  std::vector<Problem>& problems_;
  std::vector<Problem>& warnings_;
};

}  // namespace

Problem problem_at(const Positions& where, std::string field, std::string message) {
  std::string path = field;
  for (;;) {
    const auto found = where.find(path);
    if (found != where.end()) {
      return {found->second.first, found->second.second, field, std::move(message)};
    }
    const std::size_t cut = path.find_last_of(".[");
    if (cut == std::string::npos) return {1, 1, field, std::move(message)};
    path.resize(cut);
  }
}

void check_together(const Config& config, const Positions& where, bool secrets,
                    std::vector<Problem>& problems, std::vector<Problem>& warnings) {
  Checks checks(where, secrets, problems, warnings);
  checks.listeners(config.http);
  checks.bodies(config.http);
  checks.keys(config.keys);
  checks.upstreams(config.upstream);
  checks.identities(config.keys, config.upstream);
  checks.audit(config.audit);
  checks.sinks(config.notify, config.audit.enabled);
  checks.admin(config.admin);
}

}  // namespace sallyport::config
