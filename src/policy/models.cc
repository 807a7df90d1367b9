// SPDX-License-Identifier: Apache-2.0
#include "policy/models.h"

#include "event/scope_pattern.h"
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

}  // namespace

Task<std::optional<Refusal>> Models::admit(Exchange& x) { co_return decide(x); }

std::optional<Refusal> Models::decide(Exchange& x) const {
  if (!x.principal) {  // main.cc put the stages in a wrong order: closed
    x.denied_because = "no_principal";
    return model_not_allowed();
  }
  const std::vector<std::string>& own = x.principal->models;
  if (own.empty() && config_.models_allow.empty()) return std::nullopt;

  // A model that is named counts, wherever the table expects one.
  if (x.model &&
      !(any_model_matches(own, *x.model) && any_model_matches(config_.models_allow, *x.model))) {
    x.denied_because = "model";
    return model_not_allowed();
  }
  const provider::Endpoint& endpoint = provider::find_endpoint(x.method, x.path);
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

}  // namespace sallyport::policy
