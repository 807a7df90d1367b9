// SPDX-License-Identifier: Apache-2.0
#include "cli/start_check.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "admin/oidc_provider.h"
#include "audit/log_keys.h"
#include "base/clock.h"
#include "cli/courier_start.h"
#include "config/checks.h"
#include "geo/location_table.h"
#include "http/gate.h"
#include "keys/dpop.h"
#include "keys/key_delivery.h"
#include "keys/leak_report.h"
#include "keys/token_exchange.h"
#include "meter/prices.h"
#include "net/connect.h"
#include "net/loop.h"
#include "net/offload.h"
#include "notify/sink_table.h"
#include "provider/admin_client.h"
#include "provider/identity_key.h"
#include "upstream/upstreams.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kSomeSecret =
    "0123456789abcdef0123456789abcdef";  // only its length counts

std::string entry(const char* list, std::size_t at) {
  return std::string(list) + "[" + std::to_string(at) + "]";
}

class StartChecks {
 public:
  StartChecks(const config::Positions& where, bool files) : where_(where), files_(files) {}

  void listeners(const config::Config& config) {
    for (std::size_t i = 0; files_ && i < config.http.listeners.size(); ++i) {
      take(entry("http.listeners", i) + ".tls", http::read_certificates(config.http.listeners[i]));
    }
    if (files_ && config.admin.tls_cert_file) {
      http::ListenerConfig admin;
      admin.tls_cert_file = config.admin.tls_cert_file;
      admin.tls_key_file = config.admin.tls_key_file;
      take("admin.listener.tls", http::read_certificates(admin));
    }
    if (config.http.public_url) {
      take("http.public_url", keys::DpopProofs::make(*config.http.public_url, clock_));
    }
    if (config.admin.oidc.issuer.empty()) return;
    admin::OidcConfig login = config.admin.oidc;
    login.ca_file = file(login.ca_file);
    take("admin.login.oidc",
         admin::OidcProvider::make(
             login, {.loop = loop_, .resolver = resolver_, .offload = offload_, .clock = clock_}));
  }

  void deliveries(const keys::Config& keys) {
    for (std::size_t i = 0; i < keys.deliver.size(); ++i) {
      const std::string at = entry("keys.deliver", i);
      keys::DeliveryConfig target = keys.deliver[i];
      target.ca_file = file(target.ca_file);
      if (!files_ && where_.contains(at + ".sign_with")) {
        target.sign_with = std::make_shared<const Secret>(kSomeSecret);
      }
      named(at, keys::KeyDelivery::check(target));
    }
  }

  void strangers(const keys::Config& keys) {
    keys::KeySources sources({.resolver = resolver_, .offload = offload_, .clock = clock_});
    for (std::size_t i = 0; i < keys.identity_exchange.size(); ++i) {
      keys::IdentityMapping mapping = keys.identity_exchange[i];
      mapping.ca_file = file(mapping.ca_file);
      take(entry("keys.identity_exchange", i),
           keys::TokenExchange::make({mapping}, sources, {offload_, offload_}, clock_, {}));
    }
    take("keys.leak_report", keys::LeakReportKeys::make(keys.leak_report, sources));
  }

  void upstreams(const upstream::Config& config) {
    for (std::size_t i = 0; i < config.upstreams.size(); ++i) {
      const std::string at = entry("upstream", i);
      upstream::UpstreamConfig one = config.upstreams[i];
      one.ca_file = file(one.ca_file);
      lease(at + ".lease", one);
      one.lease = {};  // it has tasks and rows in the store: only serve makes one
      upstream::Config alone;
      alone.upstreams.push_back(std::move(one));
      take(at, upstream::Upstreams::build(alone, {}, nullptr, nullptr));
    }
  }

  void provider(const config::Config& config) {
    const auto& key = config.meter.reconcile.admin_key;
    if (!config.provider.admin_key && !key) return;
    admin_client("provider.admin_url", {.base_url = config.provider.admin_url,
                                        .key = key ? key : config.provider.admin_key});
  }

  void record(const config::Config& config) {
    if (!config.audit.enabled) return;
    if (config.audit.signing_seed) {
      take("audit.signing_seed", audit::decode_seed(*config.audit.signing_seed));
    }
    take("audit", check_courier(config.audit));
    const notify::SinkParts parts{
        .resolver = resolver_, .clock = clock_, .origin = {}, .host = {}, .version = {}};
    for (std::size_t i = 0; files_ && i < config.notify.sinks.size(); ++i) {
      const notify::SinkConfig& sink = config.notify.sinks[i];
      named(entry("notify", i), notify::find_sink_type(sink.type)->make(sink, parts));
    }
  }

  void tables(const config::Config& config) {
    if (files_ || config.meter.prices == "builtin") {
      take("meter.prices", meter::Prices::load(config.meter));
    }
    if (files_) take("geo", geo::LocationTable::check(config.geo));
  }

  std::vector<config::Problem> problems() && {
    std::ranges::sort(problems_, {}, [](const config::Problem& one) {
      return std::tie(one.line, one.column, one.field, one.message);
    });
    return std::move(problems_);
  }

 private:
  template <class T>
  void take(std::string field, const Result<T>& made) {
    if (made) return;
    problems_.push_back(config::problem_at(where_, std::move(field), made.error().what));
  }
  // The error begins with the field of the entry: "to: missing".
  template <class T>
  void named(const std::string& at, const Result<T>& made) {
    if (made) return;
    const std::string& what = made.error().what;
    const std::size_t colon = std::min(what.find(": "), what.size());
    if (colon == what.size() || what.find(' ') < colon) return take(at, made);
    problems_.push_back(
        config::problem_at(where_, at + "." + what.substr(0, colon), what.substr(colon + 2)));
  }
  std::optional<std::string> file(const std::optional<std::string>& path) const {
    return files_ ? path : std::nullopt;
  }

  void admin_client(const std::string& field, provider::AdminAccess access) {
    take(field, provider::AdminClient::make(loop_, resolver_, std::move(access)));
  }

  void lease(const std::string& at, const upstream::UpstreamConfig& one) {
    const provider::LeaseConfig& lease = one.lease;
    if (lease.mode == "service_account") {
      admin_client(at, {.base_url = lease.admin_url.empty() ? one.base_url : lease.admin_url,
                        .key = lease.admin_key,
                        .ca_file = one.ca_file});
    }
    // One that is not there yet is made by serve.
    if (files_ && lease.mode == "workload_identity" && lease.key_file &&
        ::access(lease.key_file->c_str(), F_OK) == 0) {
      take(at + ".key_file", provider::IdentityKey::open(*lease.key_file));
    }
  }

  const config::Positions& where_;
  const bool files_;
  const SystemClock clock_;
  net::Loop loop_;
  net::Resolver resolver_;
  net::Offload offload_{1};
  std::vector<config::Problem> problems_;
};

}  // namespace

std::vector<config::Problem> start_problems(const config::Config& config,
                                            const config::Positions& where, bool files) {
  StartChecks checks(where, files);
  checks.listeners(config);
  checks.deliveries(config.keys);
  checks.strangers(config.keys);
  checks.upstreams(config.upstream);
  checks.provider(config);
  checks.record(config);
  checks.tables(config);
  return std::move(checks).problems();
}

config::LoadResult load_to_serve(const std::string& file, bool secrets) {
  config::Surroundings around = config::process_surroundings(file);
  around.follow_secrets = secrets;
  config::LoadResult loaded = config::load_file(file, around);
  if (!loaded) return loaded;
  std::vector<config::Problem> problems = start_problems(loaded->config, loaded->where, secrets);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return loaded;
}

}  // namespace sallyport::cli
