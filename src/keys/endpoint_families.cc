// SPDX-License-Identifier: Apache-2.0
#include "keys/endpoint_families.h"

#include <algorithm>

namespace sallyport::keys {
namespace {

using Patterns = const std::string_view[];

constexpr Patterns kChat = {"POST /v1/chat/completions"};
constexpr Patterns kChatStored = {"GET /v1/chat/completions", "* /v1/chat/completions/*"};
constexpr Patterns kResponses = {"* /v1/responses", "* /v1/responses/*"};
constexpr Patterns kCompletions = {"POST /v1/completions"};
constexpr Patterns kEmbeddings = {"POST /v1/embeddings"};
constexpr Patterns kModerations = {"POST /v1/moderations"};
constexpr Patterns kImages = {"POST /v1/images/generations", "POST /v1/images/edits",
                              "POST /v1/images/variations"};
constexpr Patterns kAudio = {"POST /v1/audio/speech", "POST /v1/audio/transcriptions",
                             "POST /v1/audio/translations"};
constexpr Patterns kAudioVoices = {"* /v1/audio/voices", "* /v1/audio/voices/*",
                                   "* /v1/audio/voice_consents", "* /v1/audio/voice_consents/*"};
constexpr Patterns kRealtimeMint = {
    "POST /v1/realtime/client_secrets", "POST /v1/realtime/sessions",
    "POST /v1/realtime/transcription_sessions", "POST /v1/realtime/translations",
    "POST /v1/realtime/translations/*"};
constexpr Patterns kRealtimeCalls = {"POST /v1/realtime/calls", "POST /v1/realtime/calls/*"};
constexpr Patterns kRealtime = {"GET /v1/realtime"};
constexpr Patterns kBatches = {"* /v1/batches", "* /v1/batches/*"};
constexpr Patterns kFiles = {"* /v1/files", "* /v1/files/*"};
constexpr Patterns kUploads = {"* /v1/uploads", "* /v1/uploads/*"};
constexpr Patterns kVectorStores = {"* /v1/vector_stores", "* /v1/vector_stores/*"};
constexpr Patterns kConversations = {"* /v1/conversations", "* /v1/conversations/*"};
constexpr Patterns kAssistants = {"* /v1/assistants", "* /v1/assistants/*", "* /v1/threads",
                                  "* /v1/threads/*"};
constexpr Patterns kContainers = {"* /v1/containers", "* /v1/containers/*"};
constexpr Patterns kSkills = {"* /v1/skills", "* /v1/skills/*"};
constexpr Patterns kFineTuning = {"* /v1/fine_tuning", "* /v1/fine_tuning/*"};
constexpr Patterns kEvals = {"* /v1/evals", "* /v1/evals/*"};
constexpr Patterns kVideos = {"* /v1/videos", "* /v1/videos/*"};
constexpr Patterns kChatkit = {"* /v1/chatkit", "* /v1/chatkit/*"};
constexpr Patterns kProvenance = {"POST /v1/content_provenance_checks"};
constexpr Patterns kModels = {"GET /v1/models", "GET /v1/models/*"};
constexpr Patterns kModelsAdmin = {"DELETE /v1/models/*"};

constexpr EndpointFamily kFamilies[] = {
    {"chat", kChat},
    {"chat-stored", kChatStored},
    {"responses", kResponses},
    {"completions", kCompletions},
    {"embeddings", kEmbeddings},
    {"moderations", kModerations},
    {"images", kImages},
    {"audio", kAudio},
    {"audio-voices", kAudioVoices},
    {"realtime-mint", kRealtimeMint},
    {"realtime-calls", kRealtimeCalls},
    {"realtime", kRealtime},
    {"batches", kBatches},
    {"files", kFiles},
    {"uploads", kUploads},
    {"vector_stores", kVectorStores},
    {"conversations", kConversations},
    {"assistants", kAssistants},
    {"containers", kContainers},
    {"skills", kSkills},
    {"fine_tuning", kFineTuning},
    {"evals", kEvals},
    {"videos", kVideos},
    {"chatkit", kChatkit},
    {"provenance", kProvenance},
    {"models", kModels},
    {"models-admin", kModelsAdmin},
};

}  // namespace

std::span<const EndpointFamily> endpoint_families() { return kFamilies; }

const EndpointFamily* find_endpoint_family(std::string_view name) {
  const auto at = std::ranges::find(kFamilies, name, &EndpointFamily::name);
  return at == std::end(kFamilies) ? nullptr : at;
}

}  // namespace sallyport::keys
