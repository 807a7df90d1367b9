// SPDX-License-Identifier: Apache-2.0
// A provider small enough to be told how to fail: service accounts, keys and GET /models in this
// process. Faults are a list per question; each is used up once.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "event/ports/recorder.h"
#include "net/connect.h"
#include "net/http_server.h"
#include "net/offload.h"

namespace sallyport::provider {

// What happens to one question instead of its answer.
struct Fault {
  int status = 500;
  bool after_effect = false;  // it was done, and only the answer is lost
  std::string retry_after = {};
  std::string body = R"({"error":{"message":"quotes sk-svcacct-SECRET","code":"server_error"}})";
};

class ProviderForTest final : public net::ServerHandler {
 public:
  struct Account {
    std::string id, name, key_id, key;
    int lives_on = 0;  // probes that a deleted key still survives
    bool deleted = false;
  };

  explicit ProviderForTest(net::Loop& loop) : server_(loop, *this, net::ServerLimits()) {
    const Result<int> fd = net::listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
    port_ = net::local_endpoint(*fd)->port;
    server_.serve(*fd);
  }
  std::string base_url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }

  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    const std::string what = request.method + " " + kind_of(request.path);
    asked.push_back(what);
    auto& faults = this->faults[what];
    if (!faults.empty()) {
      const Fault fault = faults.front();
      faults.pop_front();
      if (fault.after_effect) (void)answer(request);
      net::ServerResponse broken;
      broken.status = fault.status;
      broken.body = fault.body;
      broken.close = true;
      if (!fault.retry_after.empty()) broken.headers.emplace_back("retry-after", fault.retry_after);
      co_return broken;
    }
    co_return answer(request);
  }

  std::vector<std::string> alive() const {
    std::vector<std::string> names;
    for (const Account& account : accounts) {
      if (!account.deleted) names.push_back(account.name);
    }
    return names;
  }
  int count(std::string_view what) const {
    return static_cast<int>(std::ranges::count(asked, std::string(what)));
  }
  void add_account(const std::string& name) {
    const std::string n = std::to_string(++made_);
    accounts.push_back({"svc_acct_" + n, name, "key_" + n, "sk-svcacct-CANARY" + n});
  }

  // "POST accounts", "DELETE account", "GET accounts", "GET models", "GET keys", or the path.
  std::map<std::string, std::deque<Fault>> faults;
  std::map<std::string, std::function<std::string(const std::string& query)>>
      pages;  // GET, by path
  std::vector<std::string> asked;
  std::vector<Account> accounts;
  int deleted_keys_live_on = 0;
  bool unlisted = true;      // deleted keys are off the list at once
  int new_keys_refused = 0;  // probes that a new key is not known for

 private:
  static constexpr std::string_view kAccounts = "/v1/organization/projects/proj_1/service_accounts";

  static constexpr std::string_view kKeys = "/v1/organization/projects/proj_1/api_keys";

  static std::string kind_of(const std::string& path) {
    if (path == kAccounts) return "accounts";
    if (path.starts_with(kAccounts)) return "account";
    if (path == kKeys) return "keys";
    if (path == "/v1/models") return "models";
    return path;
  }

  static net::ServerResponse reply(int status, std::string body) {
    net::ServerResponse response;
    response.status = status;
    response.headers.emplace_back("content-type", "application/json");
    response.body = std::move(body);
    return response;
  }

  net::ServerResponse answer(const net::ServerRequest& request) {
    if (request.path == "/v1/models") return models(request);
    const std::string* key = request.find("authorization");
    if (key == nullptr || *key != "Bearer sk-admin-CANARY") return reply(401, "{}");
    if (request.path == kAccounts && request.method == "POST") return create(request);
    if (request.path == kAccounts) return list();
    if (request.path == kKeys && !pages.contains(request.path)) return keys();
    if (request.path.starts_with(kAccounts)) return remove(request.path);
    const auto page = pages.find(request.path);
    if (page != pages.end()) return reply(200, page->second(request.query));
    return reply(404, "{}");
  }

  net::ServerResponse models(const net::ServerRequest& request) {
    const std::string* key = request.find("authorization");
    for (Account& account : accounts) {
      if (key == nullptr || *key != "Bearer " + account.key) continue;
      if (account.deleted && account.lives_on-- <= 0) return reply(401, "{}");
      if (!account.deleted && new_keys_refused > 0) {
        --new_keys_refused;
        return reply(401, "{}");
      }
      return reply(200, R"({"object":"list","data":[]})");
    }
    return reply(401, "{}");
  }

  net::ServerResponse create(const net::ServerRequest& request) {
    const auto body = JsonValue::parse(request.body);
    add_account(std::string(body->at("name")->string().value()));
    const Account& made = accounts.back();
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("id", made.id).field("name", made.name).field("role", "member");
    json.field("created_at", 1711471533).key("api_key").begin_object();
    json.field("value", made.key).field("name", made.name).field("id", made.key_id);
    json.end_object().end_object();
    return reply(200, out);
  }

  net::ServerResponse list() {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("object", "list").key("data").begin_array();
    for (const Account& account : accounts) {
      if (account.deleted) continue;
      json.begin_object().field("id", account.id).field("name", account.name);
      json.field("role", "member").field("created_at", 1).end_object();
    }
    json.end_array().field("has_more", false).end_object();
    return reply(200, out);
  }

  net::ServerResponse keys() {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("object", "list").key("data").begin_array();
    for (const Account& account : accounts) {
      if (account.deleted && unlisted) continue;
      json.begin_object().field("id", account.key_id).field("created_at", 1);
      json.field("name", account.name).end_object();
    }
    json.end_array().field("has_more", false).end_object();
    return reply(200, out);
  }

  net::ServerResponse remove(const std::string& path) {
    const std::string id = path.substr(kAccounts.size() + 1);
    for (Account& account : accounts) {
      if (account.id != id || account.deleted) continue;
      account.deleted = true;
      account.lives_on = deleted_keys_live_on;
      return reply(200, R"({"object":"organization.project.service_account.deleted","id":")" + id +
                            R"(","deleted":true})");
    }
    return reply(404, "{}");
  }

  net::HttpServer server_;
  std::uint16_t port_ = 0;
  int made_ = 0;
};

class RecorderForTest final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    std::string line;
    append_event(line, event);
    lines.push_back(line);
    events.push_back(std::move(event));
    if (done) done(static_cast<std::uint64_t>(events.size()));
  }
  bool accepting() const override { return accepts; }
  std::vector<std::string> actions() const {
    std::vector<std::string> all;
    for (const Event& event : events) {
      all.push_back(event.action.value_or("") + (event.error ? "!" + *event.error : ""));
    }
    return all;
  }
  bool has(std::string_view action_and_error) const {
    const auto all = actions();
    return std::ranges::find(all, action_and_error) != all.end();
  }
  std::vector<Event> events;
  std::vector<std::string> lines;
  bool accepts = true;
};

// Waits on the loop until `done` holds; false after about five seconds, so that a test fails and
// does not hang.
inline Task<bool> until(net::Loop& loop, std::function<bool()> done) {
  const std::int64_t end = loop.now_ms() + 5'000;
  while (!done()) {
    if (loop.now_ms() > end) co_return false;
    co_await loop.sleep_for(1);
  }
  co_return true;
}

// Runs a story on the loop to its end. A loop runs once.
template <class World>
void play(net::Loop& loop, World& world, Task<void> (*story)(World&)) {
  struct Player {
    static Task<void> run(net::Loop& loop, World& world, Task<void> (*story)(World&)) {
      Task<void> telling = story(world);
      co_await telling;
      loop.stop();
    }
  };
  loop.spawn(Player::run(loop, world, story));
  loop.run();
  loop.drop_tasks();
}

}  // namespace sallyport::provider
