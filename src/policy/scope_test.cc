// SPDX-License-Identifier: Apache-2.0
#include "policy/scope.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport::policy {
namespace {

using Headers = std::vector<net::Header>;

struct Case {
  const char* why;
  const char* method;
  const char* path;
  std::vector<std::string> endpoints;  // of the key
  Headers headers;
  std::optional<std::uint64_t> body;  // bytes announced; none: no body
  int status;                         // 0: passes
  const char* code;
};

const net::Header kJson{"Content-Type", "application/json"};
const net::Header kForm{"Content-Type", "multipart/form-data; boundary=x"};
const net::Header kText{"Content-Type", "text/plain"};
const net::Header kUpgrade{"Upgrade", "websocket"};

const Case kCases[] = {
    {"a key without a list may call all", "POST", "/v1/chat/completions", {}, {kJson}, 9, 0, ""},
    {"also what nobody knows", "POST", "/v1/brand/new", {}, {kText}, 9, 0, ""},
    {"what the list has", "GET", "/v1/models", {"GET /v1/models*"}, {}, {}, 0, ""},
    {"another method",
     "DELETE",
     "/v1/models/x",
     {"GET /v1/models*"},
     {},
     {},
     403,
     "endpoint_not_allowed"},
    {"another path",
     "POST",
     "/v1/responses",
     {"GET /v1/models*"},
     {kJson},
     9,
     403,
     "endpoint_not_allowed"},
    {"a trailing slash is another path",
     "POST",
     "/v1/responses/",
     {"POST /v1/responses"},
     {kJson},
     9,
     403,
     "endpoint_not_allowed"},
    {"a damaged list allows nothing",
     "GET",
     "/v1/models",
     {""},
     {},
     {},
     403,
     "endpoint_not_allowed"},
    {"the account, never",
     "GET",
     "/v1/organization/usage/costs",
     {},
     {},
     {},
     403,
     "endpoint_not_allowed"},
    {"not even by name",
     "GET",
     "/v1/organization/x",
     {"GET /v1/organization/*"},
     {},
     {},
     403,
     "endpoint_not_allowed"},
    {"nor in capitals", "GET", "/v1/Projects/x", {}, {}, {}, 403, "endpoint_not_allowed"},
    {"a WebSocket", "GET", "/v1/realtime", {}, {kUpgrade}, {}, 501, "websocket_not_supported"},
    {"among others",
     "GET",
     "/v1/responses",
     {},
     {{"upgrade", "h2c , WebSocket"}},
     {},
     501,
     "websocket_not_supported"},
    {"scope first",
     "GET",
     "/v1/realtime",
     {"GET /v1/models"},
     {kUpgrade},
     {},
     403,
     "endpoint_not_allowed"},
    {"elsewhere it is ignored", "GET", "/v1/models", {}, {kUpgrade}, {}, 0, ""},
    {"h2c is not a WebSocket", "GET", "/v1/responses", {}, {{"upgrade", "h2c"}}, {}, 0, ""},
    {"text to a JSON endpoint",
     "POST",
     "/v1/embeddings",
     {},
     {kText},
     9,
     415,
     "unsupported_media_type"},
    {"a form to a JSON endpoint",
     "POST",
     "/v1/responses",
     {},
     {kForm},
     9,
     415,
     "unsupported_media_type"},
    {"a form where one belongs", "POST", "/v1/files", {}, {kForm}, 9, 0, ""},
    {"JSON where a form belongs",
     "POST",
     "/v1/files",
     {},
     {kJson},
     9,
     415,
     "unsupported_media_type"},
    {"a body without a type", "POST", "/v1/responses", {}, {}, 9, 415, "unsupported_media_type"},
    {"a body without a type, unknown path",
     "POST",
     "/v1/new",
     {},
     {},
     9,
     415,
     "unsupported_media_type"},
    {"an empty body needs no type", "POST", "/v1/responses/r/cancel", {}, {}, 0, 0, ""},
    {"no body needs no type", "DELETE", "/v1/files/f", {}, {}, {}, 0, ""},
};

class NoBody final : public net::BodySource {
 public:
  Task<Result<std::string_view>> pull() override { co_return std::string_view(); }
};

Exchange exchange(const Case& c, net::BodySource& body) {
  Exchange x;
  x.method = c.method;
  x.path = c.path;
  x.headers = c.headers;
  if (c.body) x.incoming = &body;
  x.incoming_length = c.body;
  Principal caller;
  caller.api_key_id = "user";
  auto layer = std::make_shared<Layer>();
  layer->restrictions.endpoints = c.endpoints;
  caller.layer = std::move(layer);
  x.principal = std::make_shared<const Principal>(std::move(caller));
  return x;
}

TEST(Scope, DecidesOnTheHead) {
  NoBody body;
  for (const Case& c : kCases) {
    Exchange x = exchange(c, body);
    const std::optional<Refusal> refusal = Scope().decide(x);
    EXPECT_EQ(refusal ? refusal->status : 0, c.status) << c.why;
    if (refusal) EXPECT_STREQ(refusal->code, c.code) << c.why;
    if (c.status == 403) EXPECT_NE(x.denied_because, nullptr) << c.why;
  }
}

TEST(Scope, ABodyOfUnknownLengthIsABody) {
  NoBody body;
  Exchange x = exchange({"", "POST", "/v1/responses", {}, {}, {}, 0, ""}, body);
  x.incoming = &body;  // chunked
  const std::optional<Refusal> refusal = Scope().decide(x);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 415);
}

struct ReadOnlyCase {
  const char* method;
  const char* path;
  bool passes;
};

const ReadOnlyCase kReadOnly[] = {
    {"GET", "/v1/models", true},
    {"GET", "/v1/models/gpt-5.5", true},
    {"HEAD", "/v1/models", true},
    {"GET", "/v1/responses/r", true},
    {"GET", "/v1/chat/completions", true},
    {"GET", "/v1/files/f/content", true},
    {"GET", "/v1/batches", true},
    {"POST", "/v1/responses/input_tokens", true},
    {"POST", "/v1/responses", false},
    {"POST", "/v1/chat/completions", false},
    {"POST", "/v1/embeddings", false},
    {"POST", "/v1/moderations", false},
    {"POST", "/v1/files", false},
    {"POST", "/v1/vector_stores/v/search", false},
    {"POST", "/v1/responses/r/cancel", false},
    {"DELETE", "/v1/files/f", false},
    {"DELETE", "/v1/models/m", false},
    {"GET", "/v1/realtime", false},
    {"GET", "/v1/brand/new", false},
    {"PUT", "/v1/files/f", false},
};

TEST(Scope, ReadOnlyNeitherCreatesNorChangesNorBillsWhateverTheLayerItStandsOn) {
  auto outer = std::make_shared<Layer>();
  outer->restrictions.read_only = true;
  auto inner = std::make_shared<Layer>();
  inner->parent = outer;
  Principal caller;
  caller.layer = inner;
  const auto shared = std::make_shared<const Principal>(std::move(caller));
  for (const ReadOnlyCase& c : kReadOnly) {
    Exchange x;
    x.method = c.method;
    x.path = c.path;
    x.principal = shared;
    const auto refusal = Scope().decide(x);
    EXPECT_EQ(!refusal, c.passes) << c.method << " " << c.path;
    if (refusal) EXPECT_STREQ(x.denied_because, "read_only") << c.method << " " << c.path;
  }
}

TEST(Scope, WithoutAPrincipalItIsClosed) {
  Exchange x;
  x.method = "GET";
  x.path = "/v1/models";
  EXPECT_EQ(Scope().decide(x)->status, 403);
}

struct LabelCase {
  const char* why;
  Headers headers;
  const char* module;
  const char* purpose;
};

const LabelCase kLabels[] = {
    {"none asked: the key's own", {}, "chat", "support"},
    {"one the key lists", {{"X-Sallyport-Module", "search"}}, "search", "support"},
    {"one it does not", {{"X-Sallyport-Module", "billing"}}, "chat", "support"},
    {"in another case", {{"X-Sallyport-Module", "Search"}}, "chat", "support"},
    {"a purpose the key lists none of", {{"X-Sallyport-Purpose", "search"}}, "chat", "support"},
};

TEST(Scope, AClientChoosesItsLabelOnlyAmongThoseOfItsKey) {
  for (const LabelCase& c : kLabels) {
    Exchange x;
    x.method = "GET";
    x.path = "/v1/models";
    x.headers = c.headers;
    Principal caller;
    caller.modules = {"search"};
    caller.module = "chat";
    caller.purpose = "support";
    x.principal = std::make_shared<const Principal>(std::move(caller));
    EXPECT_FALSE(Scope().decide(x)) << c.why;
    EXPECT_EQ(x.module, c.module) << c.why;
    EXPECT_EQ(x.purpose, c.purpose) << c.why;
  }
}

}  // namespace
}  // namespace sallyport::policy
