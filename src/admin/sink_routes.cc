// SPDX-License-Identifier: Apache-2.0
#include "admin/sink_routes.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "admin/envelope.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport::admin {
namespace {

constexpr std::int64_t kTestMs = 35'000;  // a delivery has 30 s by default
constexpr std::int64_t kLookMs = 20;

void write_status(JsonWriter& json, const notify::SinkStatus& status) {
  json.begin_object().field("name", status.name).field("type", status.type);
  json.field("state", notify::name(status.state)).field("next_seq", status.next_seq);
  json.field("behind", status.behind).field("lag_ms", status.lag_ms).field("sent", status.sent);
  json.field("dead", status.dead).field("attempts_failed", status.attempts_failed);
  json.field("why", status.why).end_object();
}

net::ServerResponse error_of(const Error& error) {
  switch (error.code) {
    case Code::kNotFound:
      return error_answer(404, "sink_not_found", error.what);
    case Code::kInvalid:
      return error_answer(400, "invalid_request", error.what, "from_seq");
    case Code::kExhausted:
      return error_answer(409, "test_under_way", error.what);
    case Code::kDenied:
      return error_answer(502, "receiver_refused", error.what);
    default:
      return error_answer(503, "receiver_unavailable", error.what);
  }
}

// What the sinks' thread leaves for the house's.
struct Verdict {
  std::mutex mutex;
  std::optional<Result<std::string>> said;
};

class SinkRoutes {
 public:
  explicit SinkRoutes(SinkRouteParts parts) : parts_(parts) {}

  net::ServerResponse list(const AdminRequest&) const {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const notify::SinkStatus& status : parts_.sinks.status()) write_status(json, status);
    json.end_array().end_object();
    return json_answer(200, std::move(body));
  }

  Task<net::ServerResponse> test(AdminRequest request) {
    const auto verdict = std::make_shared<Verdict>();
    parts_.sinks.test(request.names[0], [verdict](Result<std::string> said) {
      const std::lock_guard lock(verdict->mutex);
      verdict->said = std::move(said);
    });
    const std::int64_t until = parts_.loop.now_ms() + kTestMs;
    while (parts_.loop.now_ms() < until) {
      {
        const std::lock_guard lock(verdict->mutex);
        if (verdict->said) break;
      }
      co_await parts_.loop.sleep_for(kLookMs);
    }
    const std::lock_guard lock(verdict->mutex);
    if (!verdict->said) {
      co_return error_answer(503, "receiver_unavailable", "The receiver has not answered yet.");
    }
    if (!*verdict->said) co_return error_of(verdict->said->error());
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("sink", request.names[0])
        .field("verdict", **verdict->said)
        .end_object();
    co_return json_answer(200, std::move(body));
  }

  Task<net::ServerResponse> replay(AdminRequest request) {
    if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
    const Result<JsonValue> body = JsonValue::parse(request.http.body);
    const bool only = body && body->is_object() && body->members().size() == 1;
    const auto member = only ? body->at("from_seq") : std::nullopt;
    const auto from = member ? member->integer() : std::nullopt;
    if (!from || *from < 1) {
      co_return error_answer(400, "invalid_body", "Send {\"from_seq\":4711}, 1 or more.",
                             "from_seq");
    }
    request.told->after = "{\"from_seq\":" + std::to_string(*from) + "}";
    co_return go_on(request, static_cast<std::uint64_t>(*from));
  }

  Task<net::ServerResponse> resume(AdminRequest request) { co_return go_on(request, 0); }

 private:
  net::ServerResponse go_on(const AdminRequest& request, std::uint64_t from_seq) {
    const Result<void> done = parts_.sinks.replay(request.names[0], from_seq);
    if (!done) return error_of(done.error());
    std::string body;
    JsonWriter json(body);
    json.begin_object().field("sink", request.names[0]).key("from_seq");
    if (from_seq == 0) {
      json.null();
    } else {
      json.value(from_seq);
    }
    json.end_object();
    return json_answer(202, std::move(body));
  }

  SinkRouteParts parts_;
};

}  // namespace

void add_sink_routes(Routes& routes, SinkRouteParts parts) {
  const auto self = std::make_shared<SinkRoutes>(parts);
  routes.add({.method = "GET",
              .path = "/admin/v1/sinks",
              .least = Role::kViewer,
              .summary = "The receivers of records, how far each is and what it waits for.",
              .handle = handler(self, &SinkRoutes::list)});
  routes.add({.method = "POST",
              .path = "/admin/v1/sinks/{sink}/test",
              .least = Role::kOperator,
              .act = "sink.test",
              .summary = "Send one record that says it is a test; the answer is the receiver's.",
              .handle = handler(self, &SinkRoutes::test)});
  routes.add({.method = "POST",
              .path = "/admin/v1/sinks/{sink}/replay",
              .least = Role::kOperator,
              .act = "sink.replay",
              .summary = "Send again from `{\"from_seq\":4711}` on. 202; the list tells how far.",
              .handle = handler(self, &SinkRoutes::replay)});
  routes.add({.method = "POST",
              .path = "/admin/v1/sinks/{sink}/resume",
              .least = Role::kOperator,
              .act = "sink.resume",
              .summary = "Let a sink that stopped go on where it was.",
              .handle = handler(self, &SinkRoutes::resume)});
}

}  // namespace sallyport::admin
