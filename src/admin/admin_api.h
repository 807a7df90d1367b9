// SPDX-License-Identifier: Apache-2.0
// The admin listener: health, metrics and the keys API, on its own address and UNIX socket, off the
// data port. Whoever comes over the UNIX socket has passed its file permissions; everybody else
// shows the admin token. Names in Host are checked (DNS rebinding) and pages of other origins
// refused; there is no CORS. Trusts no proxy.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/admin_token.h"
#include "admin/config.h"
#include "admin/key_acts.h"
#include "base/clock.h"
#include "event/ports/health.h"
#include "event/ports/metrics.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "keys/key_ring.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the API.
struct AdminParts {
  net::Loop& loop;        // of the admin thread; the server of this handler runs on it
  net::Offload& offload;  // for what blocks on the disk
  keys::KeyRing& keys;
  Recorder& recorder;
  SettingStore& settings;
  const Clock& clock;
  std::vector<const MetricSource*> metrics = {};
  std::vector<const HealthSource*> health = {};
  std::string version = {};
};

class AdminApi final : public net::ServerHandler {
 public:
  // Until ensure_admin_token() has run once there is no token, and only the UNIX socket gets in;
  // a token that is made later is taken up when it is first shown.
  static Result<std::unique_ptr<AdminApi>> make(const Config& config, AdminParts parts);

  Task<net::ServerResponse> handle(net::ServerRequest request) override;

 private:
  AdminApi(const Config& config, AdminParts parts, AdminToken token);

  Task<net::ServerResponse> route(net::ServerRequest request);
  Task<net::ServerResponse> keys_route(net::ServerRequest request, std::string rest);
  Task<net::ServerResponse> create_key(net::ServerRequest request);
  Task<net::ServerResponse> revoke_key(net::ServerRequest request, std::string name);
  Task<net::ServerResponse> replace_token(net::ServerRequest request);
  net::ServerResponse list_keys() const;
  net::ServerResponse show_key(std::string_view name) const;
  net::ServerResponse readiness() const;
  net::ServerResponse metrics() const;
  net::ServerResponse status() const;

  bool host_allowed(const net::ServerRequest& request) const;
  bool authorized(const net::ServerRequest& request);
  Actor actor_of(const net::ServerRequest& request) const;
  void record_refusal(const net::ServerRequest& request, const char* code);

  const std::string configured_host_;  // of the listener's address; empty when it is a wildcard
  const bool wildcard_;
  const std::vector<std::string> hosts_;
  AdminParts parts_;
  KeyActs acts_;
  AdminToken token_;
  const UtcTime started_at_;
};

}  // namespace sallyport::admin
