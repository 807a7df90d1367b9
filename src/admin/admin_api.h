// SPDX-License-Identifier: Apache-2.0
// The admin listener: health, metrics and the table of routes, on its own address and UNIX socket,
// off the data port. One place decides who is let in and what a role may do, before any handler
// runs, and sees to it that every changing act has a record, the refused ones too. Names in Host
// are checked (DNS rebinding) and pages of other origins refused; there is no CORS. Trusts no
// proxy.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/access.h"
#include "admin/config.h"
#include "admin/key_acts.h"
#include "admin/oidc_login.h"
#include "admin/refusal_records.h"
#include "admin/routes.h"
#include "base/clock.h"
#include "event/ports/health.h"
#include "event/ports/metrics.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "keys/key_delivery.h"
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
  net::Resolver* resolver = nullptr;            // for the login of people; null: there is none
  const keys::KeyDelivery* delivery = nullptr;  // of rotated keys; null: nothing is delivered
  // For the ends of keys, with nothing before them but other ends; null: `offload`.
  net::Offload* urgent = nullptr;
  // The routes of other rooms: each adds its own to the table.
  std::vector<std::function<void(Routes&)>> more = {};
};

class AdminApi final : public net::ServerHandler {
 public:
  // Until ensure_admin_token() has run once there is no first token, and only the UNIX socket gets
  // in; a token that is made later is taken up when it is first shown.
  static Result<std::unique_ptr<AdminApi>> make(const Config& config, AdminParts parts);

  Task<net::ServerResponse> handle(net::ServerRequest request) override;

  const Routes& routes() const { return routes_; }

 private:
  AdminApi(const Config& config, AdminParts parts, std::unique_ptr<Access> access,
           std::unique_ptr<RefusalRecords> refusals, std::unique_ptr<OidcLogin> login);

  // Pages that need nobody's name; nothing for all other paths.
  std::optional<net::ServerResponse> open_page(const net::ServerRequest& request) const;
  Task<net::ServerResponse> act(net::ServerRequest request, Caller caller, Routes::Match match);
  Task<void> tell(const Route& route, const AdminRequest& request, net::ServerResponse& answer);
  net::ServerResponse refuse(const net::ServerRequest& request, const Caller* caller, int status,
                             const char* code, std::string_view message,
                             std::string_view param = {});
  net::ServerResponse readiness() const;
  net::ServerResponse metrics() const;
  net::ServerResponse status() const;

  bool host_allowed(const net::ServerRequest& request) const;

  const std::string configured_host_;  // of the listener's address; empty when it is a wildcard
  const bool wildcard_;
  const std::vector<std::string> hosts_;
  AdminParts parts_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<RefusalRecords> refusals_;
  std::unique_ptr<OidcLogin> login_;  // null: nobody logs in here
  Routes routes_;
  const UtcTime started_at_;
};

}  // namespace sallyport::admin
