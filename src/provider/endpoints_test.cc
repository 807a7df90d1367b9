// SPDX-License-Identifier: Apache-2.0
#include "provider/endpoints.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sallyport::provider {
namespace {

struct Row {
  const char* method;
  const char* path;
  const char* family;
  bool may_stream;
  Metering metering;
  ModelIn model;
};

using enum Metering;
using enum ModelIn;

const Row kRows[] = {
    {"POST", "/v1/chat/completions", "chat", true, kChat, kBody},
    {"GET", "/v1/chat/completions", "chat-stored", false, kNone, kNowhere},
    {"DELETE", "/v1/chat/completions/chatcmpl_1", "chat-stored", false, kNone, kNowhere},
    {"GET", "/v1/chat/completions/chatcmpl_1/messages", "chat-stored", false, kNone, kNowhere},
    {"POST", "/v1/responses", "responses", true, kResponses, kBody},
    {"GET", "/v1/responses/resp_1", "responses", true, kObject, kNowhere},
    {"HEAD", "/v1/responses/resp_1", "responses", true, kObject, kNowhere},
    {"GET", "/v1/responses/resp_1/input_items", "responses", false, kNone, kNowhere},
    {"POST", "/v1/responses/resp_1/cancel", "responses", false, kNone, kNowhere},
    {"POST", "/v1/responses/input_tokens", "responses", false, kNone, kBody},
    {"POST", "/v1/completions", "completions", true, kChat, kBody},
    {"POST", "/v1/embeddings", "embeddings", false, kEmbeddings, kBody},
    {"POST", "/v1/images/edits", "images", true, kImages, kBody},
    {"POST", "/v1/audio/transcriptions", "audio", true, kTranscript, kBody},
    {"POST", "/v1/realtime/client_secrets", "realtime-mint", false, kNone, kIndirect},
    {"POST", "/v1/realtime/calls/call_1/hangup", "realtime-calls", false, kNone, kNowhere},
    {"POST", "/v1/batches", "batches", false, kNone, kIndirect},
    {"POST", "/v1/batches/batch_1/cancel", "batches", false, kNone, kNowhere},
    {"GET", "/v1/batches/batch_1", "batches", false, kObject, kNowhere},
    {"GET", "/v1/files/file_1/content", "files", false, kNone, kNowhere},
    {"POST", "/v1/threads/runs", "assistants", true, kObject, kBody},
    {"POST", "/v1/threads/thread_1/runs", "assistants", true, kObject, kBody},
    {"GET", "/v1/models", "models", false, kNone, kNowhere},
    {"GET", "/v1/models/ft:gpt-5:acme::x", "models", false, kNone, kNowhere},
    {"DELETE", "/v1/models/ft:gpt-5:acme::x", "models-admin", false, kNone, kNowhere},
    {"GET", "/v1/organization/usage/completions", "admin", false, kNone, kNowhere},
    {"POST", "/v1/something/new", "unknown", true, kNone, kNowhere},
    {"GET", "/v1/filesystem", "unknown", true, kNone, kNowhere},
    {"GET", "/v1", "unknown", true, kNone, kNowhere},
    {"GET", "/", "unknown", true, kNone, kNowhere},
    {"GET", "", "unknown", true, kNone, kNowhere},
    {"POST", "/chat/completions", "unknown", true, kNone, kNowhere},
    {"PUT", "/v1/embeddings", "unknown", true, kNone, kNowhere},
};

TEST(Endpoints, AreFoundByMethodAndPath) {
  for (const Row& row : kRows) {
    const std::string shown = std::string(row.method) + " " + row.path;
    const Endpoint& found = find_endpoint(row.method, row.path);
    EXPECT_EQ(found.family, row.family) << shown;
    EXPECT_EQ(found.may_stream, row.may_stream) << shown;
    EXPECT_EQ(found.metering, row.metering) << shown;
    EXPECT_EQ(found.model, row.model) << shown;
    EXPECT_EQ(known(found), std::string_view(row.family) != "unknown") << shown;
  }
}

// A row behind a wider one would be dead, and with it what it says.
TEST(Endpoints, EveryRowCanBeReached) {
  for (const Endpoint& row : endpoints()) {
    std::string path = "/v1" + std::string(row.path);
    const bool open_end = path.ends_with('*') && !path.ends_with("/*");
    if (open_end) path.replace(path.size() - 1, 1, "/a/b/c/d");
    for (std::size_t at = path.find('*'); at != std::string::npos; at = path.find('*'))
      path[at] = 'x';
    EXPECT_EQ(&find_endpoint(row.method == "*" ? "PATCH" : row.method, path), &row) << path;
  }
}

struct BodyCase {
  const char* method;
  const char* path;
  const char* type;
  bool allowed;
};

const BodyCase kBodies[] = {
    {"POST", "/v1/chat/completions", "application/json", true},
    {"POST", "/v1/chat/completions", "Application/JSON; charset=utf-8", true},
    {"POST", "/v1/chat/completions", "application/json ;x", true},
    {"POST", "/v1/chat/completions", "application/jsonx", false},
    {"POST", "/v1/chat/completions", "text/plain", false},
    {"POST", "/v1/chat/completions", "application/x-www-form-urlencoded", false},
    {"POST", "/v1/chat/completions", "multipart/form-data; boundary=x", false},
    {"POST", "/v1/chat/completions", "", false},
    {"POST", "/v1/audio/transcriptions", "multipart/form-data; boundary=x", true},
    {"POST", "/v1/audio/transcriptions", "application/json", false},
    {"POST", "/v1/images/edits", "application/json", true},
    {"POST", "/v1/images/edits", "multipart/form-data; boundary=x", true},
    {"POST", "/v1/realtime/calls", "application/sdp", true},
    {"POST", "/v1/realtime/calls", "multipart/form-data; boundary=x", true},
    {"POST", "/v1/realtime/calls/c/accept", "application/json", true},
    {"POST", "/v1/uploads/u/parts", "multipart/form-data; boundary=x", true},
    {"POST", "/v1/uploads", "application/json", true},
    {"POST", "/v1/something/new", "application/octet-stream", true},
};

TEST(Endpoints, SayWhichBodiesTheyTake) {
  for (const BodyCase& c : kBodies) {
    EXPECT_EQ(body_allowed(find_endpoint(c.method, c.path), c.type), c.allowed)
        << c.path << " " << c.type;
  }
}

TEST(Endpoints, TheProvidersAccountIsRecognisedInEverySpelling) {
  for (const char* path :
       {"/v1/organization", "/v1/organization/projects", "/v1/projects/p/roles",
        "/V1/Organization/x", "/v1/organization;x/y", "/organization/usage", "/v1/projects"}) {
    EXPECT_TRUE(administrative(path)) << path;
  }
  for (const char* path :
       {"/v1/models", "/v1/organizations", "/v1/files/organization", "/v1", "/", ""}) {
    EXPECT_FALSE(administrative(path)) << path;
  }
}

}  // namespace
}  // namespace sallyport::provider
