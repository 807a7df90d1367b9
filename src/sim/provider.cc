// SPDX-License-Identifier: Apache-2.0
#include "sim/provider.h"

#include <algorithm>

#include "base/text.h"
#include "sim/control.h"
#include "sim/families.h"
#include "sim/paced_body.h"
#include "sim/text.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t kShownOfKey = 8;  // OpenAI quotes the ends of a wrong key, and so do we

struct Route {
  std::string_view path;
  Answer (*family)(const Call& call);
  bool needs_model;
};
constexpr Route kPosts[] = {
    {"/v1/chat/completions", chat, true}, {"/v1/completions", completions, true},
    {"/v1/responses", responses, true},   {"/v1/responses/input_tokens", input_tokens, true},
    {"/v1/embeddings", embeddings, true}, {"/v1/moderations", moderations, false},
    {"/v1/audio/speech", speech, true},   {"/v1/images/generations", images, false},
    {"/v1/images/edits", images, false},  {"/v1/images/variations", images, false},
};

Answer invalid_url(const net::ServerRequest& request) {
  return error_answer({.status = 404,
                       .type = "invalid_request_error",
                       .message = "Invalid URL (" + request.method + " " + request.path + ")"});
}

Answer wrong_method(std::string_view method, std::string_view accepted) {
  Answer answer =
      error_answer({.status = 405,
                    .type = "invalid_request_error",
                    .message = "Not allowed to " + std::string(method) + " here; only " +
                               std::string(accepted) + " requests are accepted.",
                    .code = "method_not_supported"});
  answer.headers.emplace_back("allow", accepted);
  return answer;
}

std::string quoted_key(std::string_view key) {
  if (key.size() <= 2 * kShownOfKey) return std::string(key.substr(0, 3)) + "***";
  return std::string(key.substr(0, kShownOfKey)) + std::string(12, '*') +
         std::string(key.substr(key.size() - 4));
}

// The key in the places where OpenAI and Azure look for it.
std::optional<std::string> shown_key(const net::ServerRequest& request) {
  if (const std::string* header = request.find("authorization")) {
    constexpr std::string_view kBearer = "Bearer ";
    return header->starts_with(kBearer) ? header->substr(kBearer.size()) : *header;
  }
  if (const std::string* header = request.find("api-key")) return *header;
  return std::nullopt;
}

bool is_get(const net::ServerRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

Answer html_page() {
  Answer answer;
  answer.content_type = "text/html";
  answer.body = "<html><body>not the API</body></html>";
  return answer;
}

Answer no_key() {
  return error_answer({.status = 401,
                       .type = "invalid_request_error",
                       .message =
                           "You didn't provide an API key. You need to provide your API key in an "
                           "Authorization header using Bearer auth (i.e. Authorization: Bearer "
                           "YOUR_KEY)."});
}

Answer wrong_key(std::string_view key) {
  return error_answer({.status = 401,
                       .type = "invalid_request_error",
                       .message = "Incorrect API key provided: " + quoted_key(key) +
                                  ". You can find your API key at "
                                  "https://platform.openai.com/account/api-keys.",
                       .code = "invalid_api_key"});
}

Answer not_json() {
  return error_answer({.status = 400,
                       .type = "invalid_request_error",
                       .message = "We could not parse the JSON body of your request. The OpenAI "
                                  "API expects a JSON payload, but what was sent was not valid."});
}

}  // namespace

Provider::Provider(net::Loop& loop, const Clock& clock, SimOptions options)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      log_(options_.logged_max),
      files_(options_),
      path_faults_(options_.path_faults),
      admin_(options_, now_s()) {}

std::int64_t Provider::now_s() const {
  return std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
}

std::optional<Answer> Provider::refuse_credential(Call& call) {
  const auto key = shown_key(call.request);
  const bool open = options_.key.empty() && !options_.strict_keys;
  if (!key && !open) return no_key();
  call.caller = admin_.directory().use(key.value_or(""), call.created);
  if (call.caller) return std::nullopt;
  return wrong_key(*key);
}

// A data key never opens the Admin API, nor an admin key the data API.
std::optional<Answer> Provider::refuse_admin(const Call& call, const AdminKey*& caller) {
  const auto key = shown_key(call.request);
  if (!key) return no_key();
  caller = admin_.directory().use_admin(*key, call.created);
  if (caller != nullptr) return std::nullopt;
  return wrong_key(*key);
}

Answer Provider::own_page(const net::ServerRequest& request) {
  if (!options_.request_log) return invalid_url(request);
  Call call{.request = request};
  call.created = now_s();
  if (Result<JsonValue> parsed = JsonValue::parse(request.body)) call.body = std::move(*parsed);
  call.model = call.text("model");
  return Control(log_, path_faults_, admin_).answer(call);
}

// Each configured fault strikes its share of the calls; which ones follows from seed and number.
void Provider::add_faults(Behaviour& behaviour, const std::string& digest) const {
  std::uint64_t state = number_of(digest) ^ mixed(log_.seen());
  for (const auto& [word, rate] : options_.faults) {
    state = mixed(state);
    if (static_cast<double>(state >> 11) / 9007199254740992.0 < rate) behaviour.apply(word);
  }
}

Answer Provider::route_files(const Call& call, const std::optional<Form>& form) {
  constexpr std::string_view kPath = "/v1/files";
  const net::ServerRequest& request = call.request;
  const std::string_view rest = std::string_view(request.path).substr(kPath.size());
  if (rest.empty()) {
    if (is_get(request)) return files_.list(request.query);
    if (request.method != "POST") return wrong_method(request.method, "GET, POST");
    if (form) return files_.create(call, *form);
    return error_answer({.status = 400,
                         .type = "invalid_request_error",
                         .message = "Could not parse multipart form"});
  }
  std::string_view id = rest.substr(1);
  constexpr std::string_view kContent = "/content";
  if (id.ends_with(kContent) && is_get(request)) {
    return files_.content(id.substr(0, id.size() - kContent.size()));
  }
  if (is_get(request)) return files_.get(id);
  if (request.method == "DELETE") return files_.remove(id);
  return wrong_method(request.method, "GET, DELETE");
}

Answer Provider::route(const Call& call, const std::optional<Form>& form) {
  const net::ServerRequest& request = call.request;
  const std::string_view path = request.path;
  constexpr std::string_view kModels = "/v1/models";
  if (path == kModels) return is_get(request) ? list_models() : wrong_method(request.method, "GET");
  if (path.starts_with("/v1/models/") && is_get(request)) {
    return get_model(path.substr(kModels.size() + 1));
  }
  if (path == "/v1/files" || path.starts_with("/v1/files/")) return route_files(call, form);
  if (path == "/v1/audio/transcriptions" || path == "/v1/audio/translations") {
    if (request.method != "POST") return wrong_method(request.method, "POST");
    const Part* file = form ? form->find("file") : nullptr;
    if (file == nullptr) return missing_parameter("file");
    if (call.model.empty()) return missing_parameter("model");
    return transcription(call, {.file = file->data,
                                .format = form->text("response_format"),
                                .stream = form->text("stream") == "true",
                                .usage = path.ends_with("transcriptions")});
  }
  for (const Route& entry : kPosts) {
    if (path != entry.path) continue;
    if (request.method != "POST") return wrong_method(request.method, "POST");
    if (entry.needs_model && call.model.empty()) {
      return error_answer({.status = 400,
                           .type = "invalid_request_error",
                           .message = "you must provide a model parameter"});
    }
    if (!call.model.empty() && !known_model(call.model)) return unknown_model(call.model);
    return entry.family(call);
  }
  return invalid_url(request);
}

Answer Provider::answer(Call& call, const std::string& body_digest) {
  const net::ServerRequest& request = call.request;
  const std::string* type = request.find("content-type");
  std::optional<Form> form;
  bool malformed = false;
  if (type != nullptr && lower_ascii(*type).starts_with("multipart/form-data")) {
    Result<Form> parsed = Form::parse(*type, request.body);
    malformed = !parsed;
    if (parsed) form = std::move(*parsed);
  } else if (!request.body.empty()) {
    Result<JsonValue> parsed = JsonValue::parse(request.body);
    malformed = !parsed || !parsed->is_object();
    if (parsed) call.body = std::move(*parsed);
  }
  call.model = form ? form->text("model") : call.text("model");
  call.digest = to_hex(sha256(std::to_string(options_.seed) + request.method + " " + request.path +
                              "?" + request.query + " " + body_digest));
  call.behaviour = behaviour_of(call.model, request);
  add_faults(call.behaviour, call.digest);
  path_faults_.strike(request, call.behaviour);
  call.behaviour.latency_ms += options_.latency_ms;
  call.behaviour.piece_delay_ms += options_.token_delay_ms;

  if (call.behaviour.drop_before) {
    call.behaviour.die_before_head = true;
    return html_page();  // nobody sees it
  }
  const bool exchange = request.path == AdminApi::kTokenPath;
  const AdminKey* admin = nullptr;
  std::optional<Answer> refusal;
  if (AdminApi::owns(request.path)) {
    refusal = refuse_admin(call, admin);
  } else if (!exchange) {
    refusal = refuse_credential(call);
  }
  if (refusal) return std::move(*refusal);
  if (malformed && !exchange) return not_json();

  const Behaviour& asked = call.behaviour;
  Answer error;
  if (!asked.error.empty()) {
    error = error_named(asked.error, asked);
    if (exchange) error.body = oauth_error(500, "temporarily_unavailable", "Simulated.").body;
    if (!asked.after_effect) return error;
  }
  if (asked.not_json) return html_page();
  Answer found = admin != nullptr ? admin_.answer(call, *admin)
                 : exchange       ? admin_.exchange(call)
                                  : route(call, form);
  if (asked.error.empty() || found.status >= 400) return found;
  error.bill = std::move(found.bill);
  return error;
}

net::ServerResponse Provider::respond(Answer answer, const Call& call,
                                      std::shared_ptr<LoggedRequest> logged) {
  net::ServerResponse response;
  response.status = answer.status;
  response.headers = std::move(answer.headers);
  const std::string id = to_hex(sha256(call.digest + std::to_string(logged->number)));
  const std::pair<std::string_view, std::string> usual[] = {
      {"content-type", answer.content_type},
      {"x-request-id", "req_" + id.substr(0, 32)},
      {"openai-version", "2020-10-01"},
      {"openai-organization", "org-simulated"},
      {"openai-project", "proj_simulated"},
      {"openai-processing-ms", std::to_string(call.behaviour.latency_ms + 7)},
      {"x-ratelimit-limit-requests", "10000"},
      {"x-ratelimit-limit-tokens", "2000000"},
      {"x-ratelimit-remaining-requests", "9999"},
      {"x-ratelimit-remaining-tokens", "1999000"},
      {"x-ratelimit-reset-requests", "6ms"},
      {"x-ratelimit-reset-tokens", "30ms"},
      {"set-cookie", "__cf_bm=simulated; path=/; HttpOnly; Secure"},
      {"cf-ray", "0000000000000000-SIM"},
  };
  for (const auto& [name, value] : usual) response.headers.emplace_back(name, value);

  const bool accident = call.behaviour.die_after || call.behaviour.die_before_head;
  const bool head_only = call.request.method == "HEAD";
  if (!answer.script && accident && !head_only) {
    // In two halves, so that there is a middle to die in.
    answer.script = [whole = std::move(answer.body), half = 0]() mutable {
      const std::size_t middle = whole.size() / 2;
      ++half;
      if (half > 2) return std::string();
      return half == 1 ? whole.substr(0, middle) : whole.substr(middle);
    };
  }
  if (answer.script && !head_only) {
    Behaviour behaviour = call.behaviour;
    if (!answer.content_type.starts_with("text/event-stream") && behaviour.die_after) {
      behaviour.die_after = 1;
    }
    response.stream = std::make_unique<PacedBody>(loop_, call.request.connection, std::move(answer),
                                                  behaviour, std::move(logged));
  } else {
    response.body = std::move(answer.body);
    logged->finished = true;
  }
  return response;
}

Task<net::ServerResponse> Provider::handle(net::ServerRequest request) {
  net::ServerResponse response;
  if (request.path.starts_with("/sim/")) {
    Answer page = own_page(request);
    response.status = page.status;
    response.headers.emplace_back("content-type", page.content_type);
    response.body = std::move(page.body);
    co_return response;
  }
  const std::string body_digest = to_hex(sha256(request.body));
  const std::shared_ptr<LoggedRequest> logged = log_.add(request, body_digest);
  Call call{.request = request};
  call.created = now_s();
  Answer found = answer(call, body_digest);
  logged->model = call.model;
  logged->status = found.status;
  if (call.behaviour.latency_ms > 0) {
    const bool here = co_await wait_for(loop_, request.connection, call.behaviour.latency_ms);
    if (!here) {
      logged->client_left = true;
      response.close = true;
      co_return response;
    }
  }
  if (found.bill && call.caller) {
    admin_.usage().charge(call.created, *call.caller, call.model, found.bill);
  }
  response = respond(std::move(found), call, logged);
  co_return response;
}

}  // namespace sallyport::sim
