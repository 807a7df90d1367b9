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

constexpr bool kStreams = true;
constexpr bool kWhole = false;

// clang-format off
constexpr Endpoint kTable[] = {
    {"POST",   "/chat/completions",              "chat",          kStreams, kJson, kChat,          kBody},
    {"*",      "/chat/completions*",             "chat-stored",   kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/responses",                     "responses",     kStreams, kJson, kResponses,     kBody},
    {"POST",   "/responses/input_tokens",        "responses",     kWhole,   kJson, kNone,          kBody},
    {"POST",   "/responses/compact",             "responses",     kWhole,   kJson, kResponses,     kBody},
    {"GET",    "/responses/*/input_items",       "responses",     kWhole,   kJson, kNone,          kNowhere},
    {"GET",    "/responses/*",                   "responses",     kStreams, kJson, kObject,        kNowhere},
    {"*",      "/responses*",                    "responses",     kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/completions",                   "completions",   kStreams, kJson, kChat,          kBody},
    {"POST",   "/embeddings",                    "embeddings",    kWhole,   kJson, kEmbeddings,    kBody},
    {"POST",   "/moderations",                   "moderations",   kWhole,   kJson, kNone,          kBody},
    {"POST",   "/images/generations",            "images",        kStreams, kJson, kImages,        kBody},
    {"POST",   "/images/edits",                  "images",        kStreams, kBoth, kImages,        kBody},
    {"POST",   "/images/variations",             "images",        kWhole,   kForm, kImages,        kBody},
    {"POST",   "/audio/speech",                  "audio",         kStreams, kJson, kSpeech,        kBody},
    {"POST",   "/audio/transcriptions",          "audio",         kStreams, kForm, kTranscription, kBody},
    {"POST",   "/audio/translations",            "audio",         kWhole,   kForm, kTranscription, kBody},
    {"POST",   "/audio/voices",                  "audio-voices",  kWhole,   kBoth, kNone,          kNowhere},
    {"*",      "/audio/voices*",                 "audio-voices",  kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/audio/voice_consents",          "audio-voices",  kWhole,   kBoth, kNone,          kNowhere},
    {"*",      "/audio/voice_consents*",         "audio-voices",  kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/realtime/client_secrets",       "realtime-mint", kWhole,   kJson, kNone,          kIndirect},
    {"POST",   "/realtime/sessions",             "realtime-mint", kWhole,   kJson, kNone,          kBody},
    {"POST",   "/realtime/transcription_sessions", "realtime-mint", kWhole, kJson, kNone,          kIndirect},
    {"POST",   "/realtime/translations/client_secrets", "realtime-mint", kWhole, kJson, kNone,     kIndirect},
    {"POST",   "/realtime/calls",                "realtime-calls", kWhole,  kCall, kNone,          kIndirect},
    {"POST",   "/realtime/calls/*/accept",       "realtime-calls", kWhole,  kJson, kNone,          kBody},
    {"POST",   "/realtime/calls*",               "realtime-calls", kWhole,  kJson, kNone,          kNowhere},
    {"GET",    "/realtime",                      "realtime",      kWhole,   kJson, kNone,          kIndirect},
    {"POST",   "/batches",                       "batches",       kWhole,   kJson, kNone,          kIndirect},
    {"GET",    "/batches/*",                     "batches",       kWhole,   kJson, kObject,        kNowhere},
    {"*",      "/batches*",                      "batches",       kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/files",                         "files",         kWhole,   kForm, kNone,          kNowhere},
    {"*",      "/files*",                        "files",         kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/uploads/*/parts",               "uploads",       kWhole,   kForm, kNone,          kNowhere},
    {"*",      "/uploads*",                      "uploads",       kWhole,   kJson, kNone,          kNowhere},
    {"*",      "/vector_stores*",                "vector_stores", kWhole,   kJson, kNone,          kNowhere},
    {"*",      "/conversations*",                "conversations", kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/assistants",                    "assistants",    kWhole,   kJson, kNone,          kBody},
    {"POST",   "/assistants/*",                  "assistants",    kWhole,   kJson, kNone,          kBody},
    {"*",      "/assistants*",                   "assistants",    kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/threads/runs",                  "assistants",    kStreams, kJson, kObject,        kBody},
    {"POST",   "/threads/*/runs",                "assistants",    kStreams, kJson, kObject,        kBody},
    {"POST",   "/threads/*/runs/*/submit_tool_outputs", "assistants", kStreams, kJson, kObject,    kNowhere},
    {"GET",    "/threads/*/runs/*",              "assistants",    kWhole,   kJson, kObject,        kNowhere},
    {"*",      "/threads*",                      "assistants",    kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/containers/*/files",            "containers",    kWhole,   kBoth, kNone,          kNowhere},
    {"*",      "/containers*",                   "containers",    kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/skills*",                       "skills",        kWhole,   kBoth, kNone,          kNowhere},
    {"*",      "/skills*",                       "skills",        kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/fine_tuning/jobs",              "fine_tuning",   kWhole,   kJson, kNone,          kBody},
    {"GET",    "/fine_tuning/jobs/*",            "fine_tuning",   kWhole,   kJson, kObject,        kNowhere},
    {"POST",   "/fine_tuning/alpha/graders/*",   "fine_tuning",   kWhole,   kJson, kObject,        kIndirect},
    {"*",      "/fine_tuning*",                  "fine_tuning",   kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/evals*",                        "evals",         kWhole,   kJson, kNone,          kIndirect},
    {"*",      "/evals*",                        "evals",         kWhole,   kJson, kObject,        kNowhere},
    {"POST",   "/videos",                        "videos",        kWhole,   kBoth, kNone,          kBody},
    {"POST",   "/videos*",                       "videos",        kWhole,   kBoth, kNone,          kIndirect},
    {"*",      "/videos*",                       "videos",        kWhole,   kJson, kObject,        kNowhere},
    {"POST",   "/chatkit/sessions",              "chatkit",       kWhole,   kJson, kNone,          kIndirect},
    {"*",      "/chatkit*",                      "chatkit",       kWhole,   kJson, kNone,          kNowhere},
    {"POST",   "/content_provenance_checks",     "provenance",    kWhole,   kForm, kNone,          kNowhere},
    {"DELETE", "/models/*",                      "models-admin",  kWhole,   kJson, kNone,          kNowhere},
    {"GET",    "/models*",                       "models",        kWhole,   kJson, kNone,          kNowhere},
    {"*",      "/organization*",                 "admin",         kWhole,   kJson, kNone,          kNowhere},
    {"*",      "/projects*",                     "admin",         kWhole,   kJson, kNone,          kNowhere},
};
// clang-format on

constexpr Endpoint kUnknown{"*", "*", "unknown", kStreams, kAcceptsAny, kNone, kNowhere};
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
