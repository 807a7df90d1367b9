// SPDX-License-Identifier: Apache-2.0
#include "upstream/upstreams.h"

#include <algorithm>
#include <utility>

#include "net/http1_head.h"

namespace sallyport::upstream {
namespace {

std::unexpected<Error> wrong(const UpstreamConfig& config, const std::string& what) {
  return fail(Code::kInvalid, "upstream " + config.name + ": " + what);
}

// Everything that goes into a head is checked here once, so that a request cannot fail on it.
Result<void> check(const UpstreamConfig& config) {
  if (!net::is_token(config.name)) return wrong(config, "name: letters, digits, - and _ only");
  if (config.api_key && !net::is_field_value(config.api_key->reveal())) {
    return wrong(config, "api_key: not a header value (a line end in the file?)");
  }
  for (const auto& field : {config.organization, config.project}) {
    if (field && !net::is_field_value(*field)) {
      return wrong(config, "organization, project: not a header value");
    }
  }
  const bool query_fits = std::ranges::all_of(
      config.query, [](char c) { return c > ' ' && c < 0x7f && c != '#' && c != '?'; });
  if (!query_fits) return wrong(config, "query: name=value pairs only");
  if (config.connections_max == 0) return wrong(config, "connections_max: at least 1");
  return {};
}

BreakerLimits breaker_limits(const UpstreamConfig& config) {
  return {.error_rate = config.breaker_error_rate,
          .window_ms = config.breaker_window_ms,
          .calls_min = config.breaker_calls_min,
          .open_ms = config.breaker_open_ms};
}

// A breaker that knows something is kept, unless what it guards or its limits changed.
void inherit(Upstream& upstream, const Upstream& old) {
  upstream.counters = old.counters;
  const bool same = old.config.base_url == upstream.config.base_url &&
                    old.breaker->limits() == breaker_limits(upstream.config);
  if (same) upstream.breaker = old.breaker;
}

Result<std::shared_ptr<provider::CredentialSource>> credential_of(
    const UpstreamConfig& config, const provider::CredentialSources* sources) {
  if (config.lease.mode == "static") {
    return std::make_shared<provider::StaticCredential>(config.api_key_id, config.api_key);
  }
  // Sources are made at the start: they have tasks and rows in the store.
  auto source = sources ? sources->find(config.name) : nullptr;
  if (!source) return wrong(config, "lease: taken up by a restart only");
  return source;
}

bool matches(const std::string& pattern, const std::string& model) {
  if (!pattern.ends_with('*')) return pattern == model;
  return model.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

}  // namespace

std::string_view name(Fault fault) {
  switch (fault) {
    case Fault::kConnect:
      return "connect";
    case Fault::kBusy:
      return "busy";
    case Fault::kRefused:
      return "breaker";
    case Fault::kTimeout:
      return "timeout";
    case Fault::kDisconnected:
      return "disconnected";
    case Fault::kMalformed:
      return "malformed";
    case Fault::kAuth:
      return "auth";
    case Fault::kServer:
      return "server";
    case Fault::kQuota:
      return "quota";
    case Fault::kRate:
      return "rate";
  }
  return "unknown";
}

std::vector<provider::UpstreamCredential> credentials_of(const Config& config) {
  std::vector<provider::UpstreamCredential> all;
  for (const UpstreamConfig& one : config.upstreams) {
    all.push_back({one.name, one.base_url, one.ca_file, one.api_key_id, one.lease});
  }
  return all;
}

Result<std::shared_ptr<const Upstreams>> Upstreams::build(
    const Config& config, Breaker::Observer observer, const Upstreams* previous,
    const provider::CredentialSources* sources) {
  if (config.upstreams.empty()) return fail(Code::kInvalid, "upstreams: at least one");
  auto upstreams = std::make_shared<Upstreams>();
  for (const UpstreamConfig& one : config.upstreams) {
    const Result<void> fits = check(one);
    if (!fits) return std::unexpected(fits.error());
    const auto same_name = [&one](const auto& other) { return other->config.name == one.name; };
    if (std::ranges::any_of(upstreams->all_, same_name)) return wrong(one, "the name is taken");

    auto upstream = std::make_shared<Upstream>();
    upstream->config = one;
    Result<net::Url> url = net::parse_url(one.base_url);
    if (!url) return wrong(one, "base_url: " + url.error().what);
    upstream->url = std::move(*url);
    if (upstream->url.tls) {
      auto tls = net::TlsContext::client(one.ca_file.value_or(""));
      if (!tls) return wrong(one, "ca_file: " + tls.error().what);
      upstream->tls = std::move(*tls);
    }
    auto credential = credential_of(one, sources);
    if (!credential) return std::unexpected(credential.error());
    upstream->credential = std::move(*credential);
    if (previous) {
      const auto old = std::ranges::find_if(previous->all_, same_name);
      if (old != previous->all_.end()) inherit(*upstream, **old);
    }
    if (!upstream->counters) upstream->counters = std::make_shared<Counters>();
    if (!upstream->breaker) {
      upstream->breaker = std::make_shared<Breaker>(one.name, breaker_limits(one), observer);
    }
    upstreams->all_.push_back(std::move(upstream));
  }
  return upstreams;
}

std::shared_ptr<const Upstream> Upstreams::choose(const std::optional<std::string>& by_key,
                                                  const std::optional<std::string>& model) const {
  if (by_key) {
    const auto own = std::ranges::find_if(
        all_, [&](const auto& upstream) { return upstream->config.name == *by_key; });
    return own == all_.end() ? nullptr : *own;
  }
  if (model) {
    for (const auto& upstream : all_) {
      for (const std::string& pattern : upstream->config.models) {
        if (matches(pattern, *model)) return upstream;
      }
    }
  }
  return all_.front();
}

}  // namespace sallyport::upstream
