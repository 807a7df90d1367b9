// SPDX-License-Identifier: Apache-2.0
// One table; the first row that matches wins, so the exact path stands before the pattern.
#include "provider/endpoints.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sallyport::provider {
namespace {

constexpr unsigned kJson = kAcceptsJson;
constexpr unsigned kForm = kAcceptsMultipart;
constexpr unsigned kBoth = kAcceptsJson | kAcceptsMultipart;
constexpr unsigned kCall = kAcceptsMultipart | kAcceptsSdp;
using enum Metering;
using enum ModelIn;

constexpr bool kSse = true;    // may stream
constexpr bool kOnce = false;  // one answer

// clang-format off
constexpr Endpoint kTable[] = {
    {"POST",   "/chat/completions",        "chat",           kSse,  kJson, kChat,       kBody},
    {"*",      "/chat/completions*",       "chat-stored",    kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/responses",               "responses",      kSse,  kJson, kResponses,  kBody},
    {"POST",   "/responses/input_tokens",  "responses",      kOnce, kJson, kNone,       kBody},
    {"POST",   "/responses/compact",       "responses",      kOnce, kJson, kResponses,  kBody},
    {"GET",    "/responses/*/input_items", "responses",      kOnce, kJson, kNone,       kNowhere},
    {"GET",    "/responses/*",             "responses",      kSse,  kJson, kObject,     kNowhere},
    {"*",      "/responses*",              "responses",      kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/completions",             "completions",    kSse,  kJson, kChat,       kBody},
    {"POST",   "/embeddings",              "embeddings",     kOnce, kJson, kEmbeddings, kBody},
    {"POST",   "/moderations",             "moderations",    kOnce, kJson, kNone,       kBody},
    {"POST",   "/images/generations",      "images",         kSse,  kJson, kImages,     kBody},
    {"POST",   "/images/edits",            "images",         kSse,  kBoth, kImages,     kBody},
    {"POST",   "/images/variations",       "images",         kOnce, kForm, kImages,     kBody},
    {"POST",   "/audio/speech",            "audio",          kSse,  kJson, kSpeech,     kBody},
    {"POST",   "/audio/transcriptions",    "audio",          kSse,  kForm, kTranscript, kBody},
    {"POST",   "/audio/translations",      "audio",          kOnce, kForm, kTranscript, kBody},
    {"POST",   "/audio/voices",            "audio-voices",   kOnce, kBoth, kNone,       kNowhere},
    {"*",      "/audio/voices*",           "audio-voices",   kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/audio/voice_consents",    "audio-voices",   kOnce, kBoth, kNone,       kNowhere},
    {"*",      "/audio/voice_consents*",   "audio-voices",   kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/realtime/client_secrets", "realtime-mint",  kOnce, kJson, kNone,       kIndirect},
    {"POST",   "/realtime/sessions",       "realtime-mint",  kOnce, kJson, kNone,       kBody},
    {"POST", "/realtime/transcription_sessions", "realtime-mint", kOnce, kJson, kNone, kIndirect},
    {"POST",   "/realtime/translations*",  "realtime-mint",  kOnce, kJson, kNone,       kIndirect},
    {"POST",   "/realtime/calls",          "realtime-calls", kOnce, kCall, kNone,       kIndirect},
    {"POST",   "/realtime/calls/*/accept", "realtime-calls", kOnce, kJson, kNone,       kBody},
    {"POST",   "/realtime/calls*",         "realtime-calls", kOnce, kJson, kNone,       kNowhere},
    {"GET",    "/realtime",                "realtime",       kOnce, kJson, kNone,       kIndirect},
    {"POST",   "/batches",                 "batches",        kOnce, kJson, kNone,       kIndirect},
    {"GET",    "/batches/*",               "batches",        kOnce, kJson, kObject,     kNowhere},
    {"*",      "/batches*",                "batches",        kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/files",                   "files",          kOnce, kForm, kNone,       kNowhere},
    {"*",      "/files*",                  "files",          kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/uploads/*/parts",         "uploads",        kOnce, kForm, kNone,       kNowhere},
    {"*",      "/uploads*",                "uploads",        kOnce, kJson, kNone,       kNowhere},
    {"*",      "/vector_stores*",          "vector_stores",  kOnce, kJson, kNone,       kNowhere},
    {"*",      "/conversations*",          "conversations",  kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/assistants",              "assistants",     kOnce, kJson, kNone,       kBody},
    {"POST",   "/assistants/*",            "assistants",     kOnce, kJson, kNone,       kBody},
    {"*",      "/assistants*",             "assistants",     kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/threads/runs",            "assistants",     kSse,  kJson, kObject,     kBody},
    {"POST",   "/threads/*/runs",          "assistants",     kSse,  kJson, kObject,     kBody},
    {"POST", "/threads/*/runs/*/submit_tool_outputs", "assistants", kSse, kJson, kObject, kNowhere},
    {"GET",    "/threads/*/runs/*",        "assistants",     kOnce, kJson, kObject,     kNowhere},
    {"*",      "/threads*",                "assistants",     kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/containers/*/files",      "containers",     kOnce, kBoth, kNone,       kNowhere},
    {"*",      "/containers*",             "containers",     kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/skills*",                 "skills",         kOnce, kBoth, kNone,       kNowhere},
    {"*",      "/skills*",                 "skills",         kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/fine_tuning/jobs",        "fine_tuning",    kOnce, kJson, kNone,       kBody},
    {"GET",    "/fine_tuning/jobs/*",      "fine_tuning",    kOnce, kJson, kObject,     kNowhere},
    {"POST", "/fine_tuning/alpha/graders/*", "fine_tuning", kOnce, kJson, kObject, kIndirect},
    {"*",      "/fine_tuning*",            "fine_tuning",    kOnce, kJson, kNone,       kNowhere},
    {"POST",   "/evals*",                  "evals",          kOnce, kJson, kNone,       kIndirect},
    {"*",      "/evals*",                  "evals",          kOnce, kJson, kObject,     kNowhere},
    {"POST",   "/videos",                  "videos",         kOnce, kBoth, kNone,       kBody},
    {"POST",   "/videos*",                 "videos",         kOnce, kBoth, kNone,       kIndirect},
    {"*",      "/videos*",                 "videos",         kOnce, kJson, kObject,     kNowhere},
    {"POST",   "/chatkit/sessions",        "chatkit",        kOnce, kJson, kNone,       kIndirect},
    {"*",      "/chatkit*",                "chatkit",        kOnce, kJson, kNone,       kNowhere},
    {"POST", "/content_provenance_checks", "provenance", kOnce, kForm, kNone, kNowhere},
    {"DELETE", "/models/*",                "models-admin",   kOnce, kJson, kNone,       kNowhere},
    {"GET",    "/models*",                 "models",         kOnce, kJson, kNone,       kNowhere},
    {"*",      "/organization*",           "admin",          kOnce, kJson, kNone,       kNowhere},
    {"*",      "/projects*",               "admin",          kOnce, kJson, kNone,       kNowhere},
};
// clang-format on

constexpr Endpoint kUnknown{"*", "*", "unknown", kSse, kAcceptsAny, kNone, kNowhere};
constexpr std::string_view kBase = "/v1";

// `*` at the end: any rest that begins a new segment or is empty, so that /files* is not
// /filesystem.
constexpr bool path_matches(std::string_view pattern, std::string_view path) {
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '*') {
      if (path.empty() || path[0] != pattern[at]) return false;
      path.remove_prefix(1);
      continue;
    }
    if (pattern[at - 1] != '/') return path.empty() || path[0] == '/';
    const std::size_t segment = std::min(path.find('/'), path.size());
    if (segment == 0) return false;
    path.remove_prefix(segment);
  }
  return path.empty();
}

std::string_view first_segment(std::string_view path) {
  path.remove_prefix(std::min<std::size_t>(1, path.size()));
  return path.substr(0, path.find_first_of("/;"));
}

}  // namespace

std::span<const Endpoint> endpoints() { return kTable; }

bool known(const Endpoint& endpoint) { return &endpoint != &kUnknown; }

const Endpoint& find_endpoint(std::string_view method, std::string_view path) {
  if (!path.starts_with(kBase)) return kUnknown;
  path.remove_prefix(kBase.size());
  if (method == "HEAD") method = "GET";
  for (const Endpoint& row : kTable) {
    if ((row.method == "*" || row.method == method) && path_matches(row.path, path)) return row;
  }
  return kUnknown;
}

bool body_allowed(const Endpoint& endpoint, std::string_view content_type) {
  if (endpoint.accepts & kAcceptsAny) return true;
  const std::string_view type = trim_ows(content_type.substr(0, content_type.find(';')));
  if (equal_ascii_nocase(type, "application/json")) return endpoint.accepts & kAcceptsJson;
  if (equal_ascii_nocase(type, "multipart/form-data")) return endpoint.accepts & kAcceptsMultipart;
  if (equal_ascii_nocase(type, "application/sdp")) return endpoint.accepts & kAcceptsSdp;
  return false;
}

// Compared without case and with or without the version: an upstream that is more lenient than we
// are must not open the account.
bool administrative(std::string_view path) {
  if (equal_ascii_nocase(first_segment(path), "v1")) {
    const std::size_t rest = path.find('/', 1);
    path = rest == std::string_view::npos ? std::string_view() : path.substr(rest);
  }
  const std::string_view root = first_segment(path);
  return equal_ascii_nocase(root, "organization") || equal_ascii_nocase(root, "projects");
}

bool websocket_endpoint(std::string_view path) {
  return path == "/v1/realtime" || path == "/v1/responses";
}

}  // namespace sallyport::provider
