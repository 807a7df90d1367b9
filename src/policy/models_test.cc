// SPDX-License-Identifier: Apache-2.0
#include "policy/models.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::policy {
namespace {

using List = std::vector<std::string>;
constexpr const char* kNone = nullptr;

struct Case {
  const char* why;
  List key;           // the key's list
  List installation;  // the configuration's list
  const char* method;
  const char* path;
  const char* model;  // as read from the body
  int status;         // 0: passes
  const char* code;
};

const Case kCases[] = {
    {"no list", {}, {}, "POST", "/v1/responses", "gpt-5.5", 0, ""},
    {"no list, no model: the provider's business", {}, {}, "POST", "/v1/responses", kNone, 0, ""},
    {"on the key's list", {"gpt-5*"}, {}, "POST", "/v1/responses", "gpt-5.5", 0, ""},
    {"not on it", {"gpt-5*"}, {}, "POST", "/v1/responses", "o9", 403, "model_not_allowed"},
    {"not on the installation's",
     {},
     {"gpt-5.5"},
     "POST",
     "/v1/responses",
     "o9",
     403,
     "model_not_allowed"},
    {"both must allow",
     {"gpt-5*", "o9"},
     {"gpt-5.5"},
     "POST",
     "/v1/responses",
     "o9",
     403,
     "model_not_allowed"},
    {"both allow", {"gpt-5*"}, {"gpt-5.5"}, "POST", "/v1/responses", "gpt-5.5", 0, ""},
    {"case counts", {"gpt-5*"}, {}, "POST", "/v1/responses", "GPT-5.5", 403, "model_not_allowed"},
    {"no model under a list",
     {"gpt-5*"},
     {},
     "POST",
     "/v1/responses",
     kNone,
     400,
     "model_required"},
    {"also where it has a default",
     {},
     {"gpt-5*"},
     "POST",
     "/v1/images/generations",
     kNone,
     400,
     "model_required"},
    {"an unknown endpoint without one",
     {"gpt-5*"},
     {},
     "POST",
     "/v1/new",
     kNone,
     400,
     "model_required"},
    {"an unknown endpoint with one", {"gpt-5*"}, {}, "POST", "/v1/new", "gpt-5.5", 0, ""},
    {"no model is used", {"gpt-5*"}, {}, "POST", "/v1/vector_stores", kNone, 0, ""},
    {"but one that is named counts",
     {"gpt-5*"},
     {},
     "POST",
     "/v1/vector_stores",
     "o9",
     403,
     "model_not_allowed"},
    {"a batch hides its models",
     {"gpt-5*"},
     {},
     "POST",
     "/v1/batches",
     kNone,
     403,
     "model_not_allowed"},
    {"a pretended one does not help",
     {"gpt-5*"},
     {},
     "POST",
     "/v1/batches",
     "gpt-5.5",
     403,
     "model_not_allowed"},
    {"reading batches is harmless", {"gpt-5*"}, {}, "GET", "/v1/batches", kNone, 0, ""},
    {"without a list batches pass", {}, {}, "POST", "/v1/batches", kNone, 0, ""},
    {"a damaged list allows nothing",
     {""},
     {},
     "POST",
     "/v1/responses",
     "gpt-5.5",
     403,
     "model_not_allowed"},
};

TEST(Models, DecidesOnTheModel) {
  for (const Case& c : kCases) {
    const Config config{.models_allow = c.installation};
    Exchange x;
    x.method = c.method;
    x.path = c.path;
    if (std::string_view(c.method) == "POST") x.body.kind = BodyKind::kJson;
    if (c.model != kNone) x.model = c.model;
    Principal caller;
    auto layer = std::make_shared<Layer>();
    layer->restrictions.models = c.key;
    caller.layer = std::move(layer);
    x.principal = std::make_shared<const Principal>(std::move(caller));
    const std::optional<Refusal> refusal = Models(config).decide(x);
    EXPECT_EQ(refusal ? refusal->status : 0, c.status) << c.why;
    if (refusal) {
      EXPECT_STREQ(refusal->code, c.code) << c.why;
      EXPECT_NE(x.denied_because, nullptr) << c.why;
    }
  }
}

TEST(Models, EveryLayerMustAllow) {
  const Config config;
  auto outer = std::make_shared<Layer>();
  outer->restrictions.models = {"gpt-5.5"};
  auto inner = std::make_shared<Layer>();
  inner->parent = outer;
  inner->restrictions.models = {"gpt-5*",
                                "o9"};  // states more than its parent, and does not get it
  Principal caller;
  caller.layer = inner;
  const auto shared = std::make_shared<const Principal>(std::move(caller));
  for (const auto& [model, status] :
       {std::pair{"gpt-5.5", 0}, {"gpt-5.5-mini", 403}, {"o9", 403}}) {
    Exchange x;
    x.method = "POST";
    x.path = "/v1/responses";
    x.body.kind = BodyKind::kJson;
    x.model = model;
    x.principal = shared;
    const auto refusal = Models(config).decide(x);
    EXPECT_EQ(refusal ? refusal->status : 0, status) << model;
  }
  for (const auto& [path, status] :
       {std::pair{"/v1/models", 0}, {"/v1/models/gpt-5.5", 0}, {"/v1/models/o9", 403}}) {
    Exchange x;
    x.method = "GET";
    x.path = path;
    x.principal = shared;
    const auto refusal = Models(config).decide(x);
    EXPECT_EQ(refusal ? refusal->status : 0, status) << path;
  }
}

TEST(Models, WithoutAPrincipalItIsClosed) {
  const Config config;
  Exchange x;
  EXPECT_EQ(Models(config).decide(x)->status, 403);
}

}  // namespace
}  // namespace sallyport::policy
