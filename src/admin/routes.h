// SPDX-License-Identifier: Apache-2.0
// THE table of the admin API's routes: method, path, the least role, the name of the act, the
// handler. AdminApi looks a request up here, checks the role before any handler runs and records
// the act after it. A room brings its routes with one function, `void add_xyz_routes(Routes&,
// ...)`, which main.cc hands over in AdminParts::more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/key_acts.h"
#include "admin/role.h"
#include "net/http_server.h"

namespace sallyport::admin {

// Who was let in.
struct Caller {
  std::string name = {};  // "local:alice", "admin_token", "token:ci", "oidc:alice@example.com"
  std::string ip = {};    // empty over the UNIX socket
  Role role = Role::kViewer;
  bool local = false;                 // over the UNIX socket
  std::string session = {};           // handle of the browser's session (sessions.h); else empty
  std::optional<UtcTime> until = {};  // when token or session end
};

// What the record of a changing act will say beyond who, what and how it ended. JSON texts; nothing
// secret in them.
struct Told {
  std::optional<std::string> api_key_id, kid;
  std::string before = "null", after = "null", why = {};
};

struct AdminRequest {
  net::ServerRequest http;
  Caller caller;
  std::vector<std::string> names;  // what stood in the path's {..}, in their order
  std::shared_ptr<Told> told = std::make_shared<Told>();

  Actor actor() const { return {caller.name, caller.ip}; }
};

using Handler = std::function<Task<net::ServerResponse>(AdminRequest)>;

struct Route {
  std::string_view method = {};  // views of literals
  // "/admin/v1/keys/{key}/revoke": {x} is one segment; {x...} one or more, once in a path.
  std::string_view path = {};
  Role least = Role::kAdmin;
  std::string_view act = {};      // "key.revoke", the record's action; empty exactly for GET
  std::string_view summary = {};  // one sentence for the manual
  Handler handle = {};
  // The handler makes the record of its success before it answers (AdminApi still records every
  // failure). Otherwise AdminApi refuses while the journal cannot write, and makes the record
  // durable before the answer leaves, from what the handler told.
  bool records_itself = false;
  // Answered whoever asks, without a name: public documents. Only what reads.
  bool open = false;
  std::size_t body_bytes_max = 64 * 1024;  // above it 413, and the handler does not run
  // Not empty: here clients show gateway keys; they get 403 and this sentence instead of 401.
  std::string_view key_refusal = {};
};

class Routes {
 public:
  Routes() = default;
  explicit Routes(const keys::KeyRing& keys) : keys_(&keys) {}  // which outlive the table

  // For rooms whose routes are about what keys and layers state; null: there are none.
  const keys::KeyRing* keys() const { return keys_; }

  // A row without handler, with an act on a GET or without one on a change, or that stands in the
  // table already, is a bug and ends the program.
  void add(Route route);
  std::span<const Route> all() const { return routes_; }

  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> names;
  };
  // The route with most literal segments wins. Nothing for a path or method that is not there.
  std::optional<Match> find(std::string_view method, std::string_view path) const;
  std::string methods_of(std::string_view path) const;  // "GET, POST"; empty: no such path

 private:
  std::vector<Route> routes_;
  const keys::KeyRing* keys_ = nullptr;
};

// The segments that stand in the place of {..}; nothing if `path` is not of `pattern`.
std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path);

// The table for docs/admin-api.md, in Markdown.
std::string routes_manual(std::span<const Route> routes);

// Handlers out of member functions. `self` lives as long as the route.
template <class T>
Handler handler(std::shared_ptr<T> self, Task<net::ServerResponse> (T::*act)(AdminRequest)) {
  return [self = std::move(self), act](AdminRequest request) {
    return (self.get()->*act)(std::move(request));
  };
}
Task<net::ServerResponse> at_once(net::ServerResponse answer);
template <class T>
Handler handler(std::shared_ptr<T> self,
                net::ServerResponse (T::*read)(const AdminRequest&) const) {
  return [self = std::move(self), read](AdminRequest request) {
    return at_once((self.get()->*read)(request));
  };
}

}  // namespace sallyport::admin
