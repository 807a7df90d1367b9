// SPDX-License-Identifier: Apache-2.0
#include "cli/strangers.h"

#include <string>
#include <utility>

#include "base/log.h"
#include "cli/house.h"
#include "keys/exchange_route.h"

namespace sallyport::cli {
namespace {

// "found by github at https://...": one label of the record.
std::string where_found(std::string_view source, std::string_view url) {
  std::string why = "reported as leaked";
  if (!source.empty()) why += " by " + std::string(source.substr(0, 40));
  if (!url.empty()) why += " at " + std::string(url.substr(0, 160));
  return why;
}

// Whose identity it was: one line of the record. A stranger's text, so its length is bounded; the
// record escapes it.
std::string asked_by(const keys::Exchanged& granted) {
  return "exchanged for " + granted.subject.substr(0, 160) + " of " + granted.issuer.substr(0, 80);
}

// Whoever reported it must come again where it is not durable: a restart would let it live.
template <class Ended>
Result<void> kept(const Result<Ended>& ended, const std::string& kid) {
  if (!ended) return std::unexpected(ended.error());
  if (ended->durable) return {};
  return fail(Code::kUnavailable, kid + " is dead here, and not yet in the store");
}

}  // namespace

Strangers::Strangers(StrangerParts parts)
    : parts_(parts),
      keys_(parts.ring, parts.recorder, parts.clock),
      tokens_(parts.ring, parts.recorder, parts.clock),
      sources_({.resolver = parts.resolver, .offload = parts.mint, .clock = parts.clock}) {}

Result<std::unique_ptr<Strangers>> Strangers::make(const config::Config& config,
                                                   StrangerParts parts) {
  std::unique_ptr<Strangers> made(new Strangers(parts));
  if (config.http.public_url) {
    auto proofs = keys::DpopProofs::make(*config.http.public_url, parts.clock);
    if (!proofs) return std::unexpected(proofs.error());
    made->proofs_ = std::move(*proofs);
  }
  const Result<void> taken = made->take(config);
  if (!taken) return std::unexpected(taken.error());
  const keys::LeakReportConfig& leaks = config.keys.leak_report;
  if (leaks.github_keys_url || leaks.github_keys_file || leaks.secret) {
    auto signatures = keys::LeakReportKeys::make(leaks, made->sources_);
    if (!signatures) return std::unexpected(signatures.error());
    made->leak_signatures_ = std::move(*signatures);
  }
  return made;
}

Result<void> Strangers::take(const config::Config& config) {
  parts_.ring.know_upstreams(upstream_names(config));  // also what an operator's keys may name
  if (exchange_) return exchange_->take(config.keys.identity_exchange);
  if (config.keys.identity_exchange.empty()) return {};
  auto exchange = keys::TokenExchange::make(
      config.keys.identity_exchange, sources_, {parts_.verify, parts_.mint}, parts_.clock,
      [this](const keys::Exchanged& granted) { return mint(granted); });
  if (!exchange) return std::unexpected(exchange.error());
  exchange_ = std::move(*exchange);
  return {};
}

void Strangers::add_routes(std::vector<std::unique_ptr<OwnRoute>>& routes) {
  if (exchange_) {
    routes.push_back(
        std::make_unique<keys::ExchangeRoute>(*exchange_, proofs_.get(), parts_.clock));
  }
  if (leak_signatures_) {
    routes.push_back(std::make_unique<keys::LeakReportRoute>(
        *leak_signatures_, *this, keys::LeakReportRoute::Threads{parts_.verify, parts_.urgent}));
  }
}

Result<keys::Issued> Strangers::mint(const keys::Exchanged& granted) {
  const admin::Actor actor{.name = "identity:" + granted.mapping_id, .ip = granted.ip};
  keys::KeySpec spec = granted.spec;
  spec.beside_own = true;
  Result<keys::CreatedKey> made = keys_.create(spec, actor, asked_by(granted));
  if (!made) return std::unexpected(made.error());
  return keys::Issued{
      .text = std::move(made->text), .kid = made->info.kid, .expires_at = made->info.expires_at};
}

Result<keys::LeakVerdict> Strangers::report(std::string_view token, std::string_view source,
                                            std::string_view url, std::string_view ip) {
  const Result<keys::Whose> whose = parts_.ring.whose(token);
  if (!whose) return std::unexpected(whose.error());
  if (!whose->genuine) return keys::LeakVerdict{.ours = false};
  const admin::Actor actor{.name = "leak-report", .ip = std::string(ip)};
  const std::string why = where_found(source, url);
  log::warn("keys.leak_reported", {{"kid", whose->kid}, {"token", whose->tid.value_or("")}});
  // A derived token dies alone: its parent's secret cannot be found from it.
  keys::LeakVerdict verdict{.ours = true};
  if (whose->tid) {
    parts_.ring.revoke_token_now(whose->kid, *whose->tid, actor.name, why);
    verdict.keep = [tokens = tokens_, kid = whose->kid, tid = *whose->tid, actor, why]() mutable {
      return kept(tokens.revoke_token(kid, tid, actor, why), kid);
    };
    return verdict;
  }
  admin::KeyActs acts = keys_;  // it remembers what the key was
  acts.revoke_now(whose->kid, actor, why);
  verdict.keep = [acts = std::move(acts), kid = whose->kid, actor, why]() mutable {
    return kept(acts.revoke(kid, actor, why), kid);
  };
  return verdict;
}

}  // namespace sallyport::cli
