// SPDX-License-Identifier: Apache-2.0
#include "policy/models.h"

#include <gtest/gtest.h>

#include <coroutine>
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

// Runs a task that never has to wait.
template <class T>
T run(Task<T> task) {
  std::optional<T> result;
  auto drive = [](Task<T> inner, std::optional<T>& out) -> Task<void> {
    T value = co_await inner;
    out.emplace(std::move(value));
  };
  Task<void> outer = drive(std::move(task), result);
  outer.await_suspend(std::noop_coroutine()).resume();
  EXPECT_TRUE(result.has_value()) << "the task waited for something";
  return std::move(*result);
}

// What GET /v1/models gives a key with these models, or "(broken)".
std::string listed(List models, std::string list) {
  const Config config;
  auto layer = std::make_shared<Layer>();
  layer->restrictions.models = std::move(models);
  Principal caller;
  caller.layer = std::move(layer);
  Exchange x;
  x.method = "GET";
  x.path = "/v1/models";
  x.principal = std::make_shared<const Principal>(std::move(caller));
  x.answer.status = 200;
  x.answer.content_length = list.size();
  x.answer.headers = {{"content-type", "application/json"}, {"etag", "x"}};
  const bool cut = !x.principal->layer->restrictions.models.empty();
  x.answer.body = std::make_unique<net::BytesBody>(std::move(list));
  Models(config).answer(x);
  EXPECT_EQ(x.answer.content_length.has_value(), !cut);
  std::string out;
  for (;;) {
    const auto piece = run(x.answer.body->pull());
    if (!piece) return "(broken)";
    if (piece->empty()) return out;
    out += *piece;
  }
}

TEST(Models, TheListShowsOnlyWhatTheCallerMayUse) {
  const std::string list = R"({"object":"list","data":[{"id":"gpt-5.5"},{"id":"o9"}]})";
  EXPECT_EQ(listed({}, list), list);
  EXPECT_EQ(listed({"gpt-*"}, list), R"({"object":"list","data":[{"id":"gpt-5.5"}]})");
  EXPECT_EQ(listed({"x"}, list), R"({"object":"list","data":[]})");
  EXPECT_EQ(listed({"gpt-*"}, "<html>o9</html>"), "(broken)") << "never passed on unread";
  EXPECT_EQ(listed({"gpt-*"}, R"({"data":")" + std::string(4 << 20, 'x') + "\"}"), "(broken)");
}

TEST(Models, WithoutAPrincipalItIsClosed) {
  const Config config;
  Exchange x;
  EXPECT_EQ(Models(config).decide(x)->status, 403);
}

}  // namespace
}  // namespace sallyport::policy
