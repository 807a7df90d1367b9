// SPDX-License-Identifier: Apache-2.0
#include "upstream/request_head.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace sallyport::upstream {
namespace {

Upstream openai() {
  Upstream upstream;
  upstream.config.api_key = std::make_shared<const Secret>("sk-real");
  upstream.url = {.tls = true, .host = "api.openai.com", .port = 443, .path = "/v1"};
  return upstream;
}

Upstream azure() {
  Upstream upstream = openai();
  upstream.config.auth = UpstreamConfig::Auth::kApiKeyHeader;
  upstream.config.query = "api-version=2024-10-21";
  upstream.url = {.tls = true, .host = "x.azure.com", .port = 8443, .path = "/openai/v1"};
  return upstream;
}

// With the credential of the configuration, as a static source hands it out.
auto write(const Exchange& x, const Upstream& upstream) {
  const provider::StaticCredential source(upstream.config.api_key_id, upstream.config.api_key);
  return write_request_head(x, upstream, *source.current());
}

struct Client {
  std::string method = "GET";
  std::string path = "/v1/models";
  std::string query = {};
  std::vector<net::Header> headers = {};
  std::string body = {};
  bool may_name_organization = false;
};

void fill(Exchange& x, const Client& client) {
  x.request_id = "req_1";
  x.method = client.method;
  x.path = client.path;
  x.query = client.query;
  x.headers = client.headers;
  if (!client.body.empty()) {
    x.body.kind = BodyKind::kJson;
    x.body.content_type = "application/json";
    x.body.bytes = client.body;
  }
  Principal principal;
  principal.may_name_organization = client.may_name_organization;
  x.principal = std::make_shared<const Principal>(std::move(principal));
}

constexpr const char* kTail =
    "accept: */*\r\naccept-encoding: identity\r\nuser-agent: sallyport\r\n"
    "x-client-request-id: req_1\r\n";

struct Case {
  const char* why;
  Client client;
  Upstream upstream;
  std::string head;  // exactly; "tail" is replaced by kTail
};

std::vector<Case> cases() {
  Upstream paid = openai();
  paid.config.organization = "org-ours";
  paid.config.project = "proj-ours";
  const std::string get = "GET /v1/models HTTP/1.1\r\nhost: api.openai.com\r\n";
  const std::string key = "authorization: Bearer sk-real\r\n";
  return {
      {"a plain GET", {}, openai(), get + key + "tail\r\n"},
      {"a body has its type and its length after splices",
       {.method = "POST", .path = "/v1/chat/completions", .body = "{}"},
       openai(),
       "POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\n" + key +
           "content-type: application/json\r\ncontent-length: 2\r\ntail\r\n"},
      {"a POST without a body says so",
       {.method = "POST"},
       openai(),
       "POST /v1/models HTTP/1.1\r\nhost: api.openai.com\r\n" + key +
           "content-length: 0\r\ntail\r\n"},
      {"Azure: its header, its path, its port, its query",
       {.query = "limit=2"},
       azure(),
       "GET /openai/v1/models?limit=2&api-version=2024-10-21 HTTP/1.1\r\n"
       "host: x.azure.com:8443\r\napi-key: sk-real\r\ntail\r\n"},
      {"the client cannot choose what the configuration sets, in any spelling",
       {.query = "api-version=1&a=b&API%2Dversion=2&api%2dversion"},
       azure(),
       "GET /openai/v1/models?a=b&api-version=2024-10-21 HTTP/1.1\r\n"
       "host: x.azure.com:8443\r\napi-key: sk-real\r\ntail\r\n"},
      {"nothing of this goes up",
       {.headers = {{"Authorization", "Bearer sk-sp1-x"},
                    {"api-key", "k"},
                    {"x-api-key", "k"},
                    {"Host", "evil.example"},
                    {"Cookie", "a=b"},
                    {"X-Forwarded-For", "1.2.3.4"},
                    {"X-Forwarded-Host", "evil.example"},
                    {"Forwarded", "for=1.2.3.4"},
                    {"X-Real-IP", "1.2.3.4"},
                    {"Connection", "close, x-stainless-lang"},
                    {"Keep-Alive", "1"},
                    {"TE", "trailers"},
                    {"Transfer-Encoding", "chunked"},
                    {"Content-Length", "99"},
                    {"Upgrade", "h2c"},
                    {"Proxy-Authorization", "x"},
                    {"X-Sallyport-Module", "m"},
                    {"X-Request-Id", "theirs"},
                    {"X-Client-Request-Id", "theirs"},
                    {"Accept-Encoding", "br"},
                    {"Expect", "100-continue"},
                    {"X-HTTP-Method-Override", "DELETE"},
                    {"X-Original-URL", "/admin"},
                    {"OpenAI-Organization", "org-theirs"},
                    {"OpenAI-Project", "proj-theirs"},
                    {"x_stainless_lang", "js"},
                    {"Origin", "https://evil.example"},
                    {"Referer", "https://evil.example"}}},
       openai(),
       get + key + "tail\r\n"},
      {"the allow-list passes, names in lower case",
       {.headers = {{"X-Stainless-Lang", "js"},
                    {"OpenAI-Beta", "assistants=v2"},
                    {"OpenAI-Beta", "realtime=v1"},
                    {"Idempotency-Key", "one"},
                    {"Idempotency-Key", "two"},
                    {"Accept", "text/event-stream"},
                    {"User-Agent", "openai-node/5"}}},
       openai(),
       get + key +
           "accept: text/event-stream\r\naccept-encoding: identity\r\n"
           "user-agent: openai-node/5\r\nx-client-request-id: req_1\r\nx-stainless-lang: js\r\n"
           "openai-beta: assistants=v2\r\nopenai-beta: realtime=v1\r\nidempotency-key: one\r\n"
           "\r\n"},
      {"the configuration says who pays",
       {.headers = {{"OpenAI-Organization", "org-theirs"}}},
       paid,
       get + key + "openai-organization: org-ours\r\nopenai-project: proj-ours\r\ntail\r\n"},
      {"a key may allow the client to say it",
       {.headers = {{"OpenAI-Organization", "org-theirs"}}, .may_name_organization = true},
       paid,
       get + key + "openai-organization: org-theirs\r\nopenai-project: proj-ours\r\ntail\r\n"},
  };
}

TEST(RequestHead, ExactBytes) {
  for (Case& c : cases()) {
    Exchange x;
    fill(x, c.client);
    const auto at = c.head.find("tail");
    if (at != std::string::npos) c.head.replace(at, 4, kTail);
    const auto head = write(x, c.upstream);
    ASSERT_TRUE(head) << c.why;
    EXPECT_EQ(*head, c.head) << c.why;
  }
}

struct Refused {
  const char* why;
  Client client;
  int status;
  const char* code;
};

const Refused kRefused[] = {
    {"only paths below /v1/ go up", {.path = "/models"}, 404, "unknown_url"},
    {"the bare prefix is no path", {.path = "/v1/"}, 404, "unknown_url"},
    {"a longer word is not the prefix", {.path = "/v1beta/models"}, 404, "unknown_url"},
    {"a line end in the query", {.query = "a=1\r\nx: y"}, 400, "invalid_request"},
    {"a blank in the path", {.path = "/v1/models HTTP/1.1"}, 400, "invalid_request"},
    {"a query in the path", {.path = "/v1/models?a=b"}, 400, "invalid_request"},
    {"a method that is none", {.method = "GET /"}, 400, "invalid_request"},
    {"a line end in a value",
     {.headers = {{"OpenAI-Beta", "a\r\nhost: evil.example"}}},
     400,
     "invalid_header"},
};

TEST(RequestHead, RefusesWhatWouldBreakTheHead) {
  for (const Refused& c : kRefused) {
    Exchange x;
    fill(x, c.client);
    const auto head = write(x, openai());
    ASSERT_FALSE(head) << c.why;
    EXPECT_EQ(head.error().status, c.status) << c.why;
    EXPECT_STREQ(head.error().code, c.code) << c.why;
  }
}

TEST(RequestHead, NeverGrowsWhileItIsWritten) {
  // A string that grows leaves the credential in freed memory.
  Exchange x;
  const std::string large(30'000, 'a');
  fill(x, {.query = large, .headers = {{"user-agent", large}, {"x-stainless-a", large}}});
  const auto head = write(x, azure());
  ASSERT_TRUE(head);
  Exchange small;
  fill(small, {});
  const auto slack = write(small, azure());
  ASSERT_TRUE(slack);
  EXPECT_LT(head->capacity() - head->size(), 1024u) << "the size was known before";
  EXPECT_LT(slack->capacity() - slack->size(), 1024u);
}

}  // namespace
}  // namespace sallyport::upstream
