// SPDX-License-Identifier: Apache-2.0
#include "admin/layer_routes.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "admin/layer_json.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport::admin {
namespace {

net::ServerResponse answer_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return error_answer(400, "invalid_layer", error.what);
    case Code::kNotFound:
      return error_answer(404, "layer_not_found", error.what);
    case Code::kDenied:
      return error_answer(409, "layer_conflict", error.what);
    default:
      break;
  }
  if (error.what == KeyActs::kJournalSilent) {
    return error_answer(503, "journal_unavailable", "The journal cannot write; nothing was done.");
  }
  return error_answer(503, "store_unavailable", "The key store did not answer; nothing was done.");
}

net::ServerResponse put_answer(const PutLayers& put, int status, UtcTime now) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::PutLayer& one : put.layers) json.raw(layer_json(one.layer, now));
  json.end_array().key("warnings").begin_array();
  for (const keys::PutLayer& one : put.layers) {
    for (const std::string& warning : one.warnings) json.value(one.layer.path + ": " + warning);
  }
  json.end_array().field("recorded", put.recorded).end_object();
  return json_answer(status, std::move(body));
}

net::ServerResponse ended_answer(const EndedLayer& ended, UtcTime now) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("layer").raw(layer_json(ended.layer, now));
  json.field("durable", ended.durable).field("recorded", ended.recorded).end_object();
  return json_answer(200, std::move(body));
}

class LayerRoutes {
 public:
  explicit LayerRoutes(LayerRouteParts parts) : parts_(std::move(parts)) {}
  Task<net::ServerResponse> create(AdminRequest request);
  Task<net::ServerResponse> change(AdminRequest request);
  Task<net::ServerResponse> apply(AdminRequest request);
  Task<net::ServerResponse> revoke(AdminRequest request);
  Task<net::ServerResponse> reissue(AdminRequest request);
  net::ServerResponse list(const AdminRequest& request) const;
  net::ServerResponse show(const AdminRequest& request) const;

 private:
  Task<net::ServerResponse> put(std::vector<keys::LayerSpec> specs, bool only_new, Actor actor);
  // `acts` has done what cannot wait.
  Task<net::ServerResponse> end(LayerActs acts, std::function<Result<EndedLayer>(LayerActs&)> act);

  LayerRouteParts parts_;
};

Task<net::ServerResponse> LayerRoutes::put(std::vector<keys::LayerSpec> specs, bool only_new,
                                           Actor actor) {
  // Owned by the work, which may outlive this coroutine when the server stops.
  struct Work {
    std::vector<keys::LayerSpec> specs;
    Actor actor;
    std::optional<Result<PutLayers>> done;
  };
  auto work = std::make_shared<Work>();
  work->specs = std::move(specs);
  work->actor = std::move(actor);
  std::function<void()> act = [acts = parts_.acts, work, only_new]() mutable {
    work->done.emplace(acts.put(work->specs, only_new, work->actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  const Result<PutLayers>& done = *work->done;
  if (!done) co_return answer_of(done.error());
  co_return put_answer(*done, only_new ? 201 : 200, parts_.clock.now());
}

Task<net::ServerResponse> LayerRoutes::create(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const Result<JsonValue> body = JsonValue::parse(request.http.body);
  if (!body) co_return error_answer(400, "invalid_layer", "the body is not a JSON object");
  Result<keys::LayerSpec> spec = read_layer_spec(*body);
  if (!spec) co_return answer_of(spec.error());
  std::vector<keys::LayerSpec> specs;
  specs.push_back(std::move(*spec));
  Task<net::ServerResponse> answer = put(std::move(specs), true, request.actor());
  co_return co_await answer;
}

Task<net::ServerResponse> LayerRoutes::change(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const Result<JsonValue> body = JsonValue::parse(request.http.body);
  if (!body) co_return error_answer(400, "invalid_layer", "the body is not a JSON object");
  Result<keys::LayerSpec> spec = read_layer_spec(*body, request.names[0]);
  if (!spec) co_return answer_of(spec.error());
  std::vector<keys::LayerSpec> specs;
  specs.push_back(std::move(*spec));
  Task<net::ServerResponse> answer = put(std::move(specs), false, request.actor());
  co_return co_await answer;
}

Task<net::ServerResponse> LayerRoutes::apply(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  Result<std::vector<keys::LayerSpec>> specs = read_layer_tree(request.http.body);
  if (!specs) co_return answer_of(specs.error());
  Task<net::ServerResponse> answer = put(std::move(*specs), false, request.actor());
  co_return co_await answer;
}

Task<net::ServerResponse> LayerRoutes::end(LayerActs acts,
                                           std::function<Result<EndedLayer>(LayerActs&)> act) {
  auto done = std::make_shared<std::optional<Result<EndedLayer>>>();
  std::function<void()> work = [acts = std::move(acts), act = std::move(act), done]() mutable {
    done->emplace(act(acts));
  };
  net::Offload& thread = parts_.urgent ? *parts_.urgent : parts_.offload;
  co_await thread.run(parts_.loop, std::move(work));
  if (!**done) co_return answer_of((**done).error());
  co_return ended_answer(***done, parts_.clock.now());
}

// The one text member that a body may have; nothing in `error` if it was read.
std::string only_member(const net::ServerRequest& request, std::string_view member,
                        std::optional<net::ServerResponse>& error) {
  if (request.body.empty()) return {};
  error = bad_json_request(request);
  if (error) return {};
  const Result<JsonValue> body = JsonValue::parse(request.body);
  const auto given = body ? body->at(member) : std::nullopt;
  const auto text = given ? given->string() : std::nullopt;
  if (!body || !body->is_object() || body->members().size() != (given ? 1u : 0u) ||
      (given && !text)) {
    error = error_answer(400, "invalid_body",
                         "Send {\"" + std::string(member) + "\":\"...\"} or nothing.");
    return {};
  }
  return std::string(text.value_or(""));
}

Task<net::ServerResponse> LayerRoutes::revoke(AdminRequest request) {
  std::optional<net::ServerResponse> error;
  std::string why = only_member(request.http, "why", error);
  if (error) co_return std::move(*error);
  why = why.substr(0, keys::kTextBytesMax);
  LayerActs acts = parts_.acts;
  acts.revoke_now(request.names[0], why, request.actor());
  std::function<Result<EndedLayer>(LayerActs&)> act = [path = request.names[0], why,
                                                       actor = request.actor()](LayerActs& later) {
    return later.revoke(path, why, actor);
  };
  Task<net::ServerResponse> answer = end(std::move(acts), std::move(act));
  co_return co_await answer;
}

Task<net::ServerResponse> LayerRoutes::reissue(AdminRequest request) {
  std::optional<net::ServerResponse> error;
  const std::string text = only_member(request.http, "issued_before", error);
  if (error) co_return std::move(*error);
  const std::optional<UtcTime> when = text.empty() ? std::nullopt : parse_utc(text);
  if (!text.empty() && !when) {
    co_return error_answer(400, "invalid_layer",
                           "issued_before must be a time such as \"2026-01-31T08:00:00Z\"");
  }
  const UtcTime moment = when.value_or(parts_.clock.now());
  LayerActs acts = parts_.acts;
  acts.reissue_now(request.names[0], moment, request.actor());
  std::function<Result<EndedLayer>(LayerActs&)> act = [path = request.names[0], moment,
                                                       actor = request.actor()](LayerActs& later) {
    return later.reissue(path, moment, actor);
  };
  Task<net::ServerResponse> answer = end(std::move(acts), std::move(act));
  co_return co_await answer;
}

net::ServerResponse LayerRoutes::list(const AdminRequest&) const {
  const UtcTime now = parts_.clock.now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::LayerInfo& layer : parts_.keys.layers()) json.raw(layer_json(layer, now));
  json.end_array().end_object();
  return json_answer(200, std::move(body));
}

net::ServerResponse LayerRoutes::show(const AdminRequest& request) const {
  const Result<keys::LayerInfo> layer = parts_.keys.layer(request.names[0]);
  if (!layer) return answer_of(layer.error());
  return json_answer(200, layer_json(*layer, parts_.clock.now()));
}

}  // namespace

void add_layer_routes(Routes& routes, LayerRouteParts parts) {
  const auto layers = std::make_shared<LayerRoutes>(std::move(parts));
  routes.add({.method = "GET",
              .path = "/admin/v1/layers",
              .least = Role::kViewer,
              .act = {},
              .summary = "All layers, parents before children: `{\"data\":[...]}`.",
              .handle = handler(layers, &LayerRoutes::list)});
  routes.add({.method = "POST",
              .path = "/admin/v1/layers",
              .least = Role::kOperator,
              .act = "layer.create",
              .summary = "201; body `{\"path\",\"owner\",\"expires_at\",\"restrictions\":{}}`. 409 "
                         "if it is there, or its parent is revoked or expired.",
              .handle = handler(layers, &LayerRoutes::create),
              .records_itself = true});
  routes.add({.method = "PUT",
              .path = "/admin/v1/layers",
              .least = Role::kOperator,
              .act = "layer.apply",
              .summary = "A tree, all or nothing: `{\"layers\":{\"acme\":{\"restrictions\":{},"
                         "\"layers\":{}}}}`. Layers that it does not name stay.",
              .handle = handler(layers, &LayerRoutes::apply),
              .records_itself = true,
              .body_bytes_max = kTreeBytesMax});
  routes.add({.method = "GET",
              .path = "/admin/v1/layers/{path...}",
              .least = Role::kViewer,
              .act = {},
              .summary = "One layer.",
              .handle = handler(layers, &LayerRoutes::show)});
  routes.add({.method = "PUT",
              .path = "/admin/v1/layers/{path...}",
              .least = Role::kOperator,
              .act = "layer.change",
              .summary = "Creates the layer or changes it as a whole; what the body leaves out is "
                         "lifted. `{\"data\":[...],\"warnings\":[...],\"recorded\"}`.",
              .handle = handler(layers, &LayerRoutes::change),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/layers/{path...}/revoke",
              .least = Role::kOperator,
              .act = "layer.revoke",
              .summary = "Kills all below, for good; body `{\"why\":\"...\"}` or nothing.",
              .handle = handler(layers, &LayerRoutes::revoke),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/layers/{path...}/reissue",
              .least = Role::kOperator,
              .act = "layer.reissue",
              .summary = "Kills what was issued before now, or before `{\"issued_before\"}`; what "
                         "is issued from then on works.",
              .handle = handler(layers, &LayerRoutes::reissue),
              .records_itself = true});
}

}  // namespace sallyport::admin
