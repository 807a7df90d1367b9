// SPDX-License-Identifier: Apache-2.0
#include "policy/models.h"

#include <utility>

#include "event/scope_pattern.h"
#include "policy/model_list.h"
#include "provider/endpoints.h"

namespace sallyport::policy {
namespace {

Refusal model_not_allowed() {
  return {.status = 403,
          .code = "model_not_allowed",
          .message = "This API key is not allowed to use this model.",
          .param = "model"};
}

// A batch names its models in a file, an eval in a stored object: the lists cannot be applied
// there.
Refusal model_not_visible() {
  return {.status = 403,
          .code = "model_not_allowed",
          .message =
              "Models are restricted here, and this endpoint does not name its model where it "
              "could be checked."};
}

Refusal model_required() {
  return {.status = 400,
          .code = "model_required",
          .message = "Models are restricted here: the request must name its model as a string.",
          .param = "model"};
}

constexpr std::string_view kModelsPath = "/v1/models";

bool lists_models(const Exchange& x) { return x.method == "GET" && x.path == kModelsPath; }

bool restricted(const Principal& caller, const Config& config) {
  return !config.models_allow.empty() ||
         !every_layer(caller, [](const Restrictions& layer) { return layer.models.empty(); });
}

bool allowed(const Principal& caller, const Config& config, std::string_view model) {
  return any_model_matches(config.models_allow, model) &&
         every_layer(caller, [&](const Restrictions& layer) {
           return any_model_matches(layer.models, model);
         });
}

}  // namespace

Task<std::optional<Refusal>> Models::admit(Exchange& x) { co_return decide(x); }

std::optional<Refusal> Models::decide(Exchange& x) const {
  if (!x.principal) {  // main.cc put the stages in a wrong order: closed
    x.denied_because = "no_principal";
    return model_not_allowed();
  }
  const Principal& caller = *x.principal;
  if (!restricted(caller, config_)) return std::nullopt;

  // A model that is named counts, wherever the table expects one.
  if (x.model && !allowed(caller, config_, *x.model)) {
    x.denied_because = "model";
    return model_not_allowed();
  }
  const provider::Endpoint& endpoint = provider::find_endpoint(x.method, x.path);
  if (endpoint.family.starts_with("models") && x.path.size() > kModelsPath.size() + 1 &&
      !allowed(caller, config_, std::string_view(x.path).substr(kModelsPath.size() + 1))) {
    x.denied_because = "model";
    return model_not_allowed();
  }
  if (endpoint.model == provider::ModelIn::kIndirect) {
    x.denied_because = "model_not_visible";
    return model_not_visible();
  }
  const bool expected = endpoint.model == provider::ModelIn::kBody ||
                        (!provider::known(endpoint) && x.body.kind != BodyKind::kNone);
  if (expected && !x.model) {
    x.denied_because = "model_missing";
    return model_required();
  }
  return std::nullopt;
}

void Models::answer(Exchange& x) {
  if (!lists_models(x) || x.answer.status != 200 || !x.answer.body || !x.principal) return;
  if (!restricted(*x.principal, config_)) return;
  const std::shared_ptr<const Principal> caller = x.principal;
  ModelAllowed may = [caller, list = config_.models_allow](std::string_view model) {
    return allowed(*caller, Config{.models_allow = list}, model);
  };
  x.answer.body = filter_model_list(std::move(x.answer.body), std::move(may));
  x.answer.content_length.reset();
  std::erase_if(x.answer.headers, [](const auto& header) { return header.first == "etag"; });
}

}  // namespace sallyport::policy
