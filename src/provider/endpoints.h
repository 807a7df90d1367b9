// SPDX-License-Identifier: Apache-2.0
// What is known about the provider's endpoints, by method and path only (the query never selects).
// An endpoint that is not in the table passes as family "unknown": the provider answers its own
// 404.
#pragma once

#include <span>
#include <string_view>

namespace sallyport::provider {

// Which bodies a request may bring.
enum Accepts : unsigned {
  kAcceptsJson = 1,
  kAcceptsMultipart = 2,
  kAcceptsSdp = 4,
  kAcceptsAny = 8,
};

// Where the billable quantity of an answer is read.
enum class Metering {
  kNone,
  kChat,        // body `usage`; stream: last chunk, if stream_options.include_usage
  kResponses,   // body `usage`; stream: response.completed, .incomplete, .failed
  kEmbeddings,  // body `usage`
  kImages,      // body `usage` for image models; stream: image_generation.completed,
                // image_edit.completed
  kSpeech,      // stream: speech.audio.done; binary answers tell nothing
  kTranscript,  // `usage` in tokens or seconds; stream: transcript.text.done
  kObject,      // `usage` on an object that is read later (batches, runs)
};

// Where the model is named, for the rules about models.
enum class ModelIn {
  kNowhere,   // no model is used
  kBody,      // member or form field `model`
  kIndirect,  // inside other members, files or stored objects: not visible here
};

struct Endpoint {
  std::string_view method;  // "*": any
  std::string_view path;    // below /v1; "/x/*": one segment, "/x*": x and all below it
  std::string_view family;
  bool may_stream = false;  // answers text/event-stream when asked
  unsigned accepts = kAcceptsJson;
  Metering metering = Metering::kNone;
  ModelIn model = ModelIn::kNowhere;
};

// Never fails: what is not known is the endpoint of family "unknown", with all bodies accepted.
// HEAD is looked up as GET. The reference lives as long as the program.
const Endpoint& find_endpoint(std::string_view method, std::string_view path);
bool known(const Endpoint& endpoint);

// May the endpoint be called with a body of this type? Parameters (charset, boundary) do not
// matter.
bool body_allowed(const Endpoint& endpoint, std::string_view content_type);

// Administration of the provider's account (/v1/organization, /v1/projects, in any spelling): never
// reachable through the gate, whatever a key allows.
bool administrative(std::string_view path);

// Paths that a client may ask to upgrade to a WebSocket.
bool websocket_endpoint(std::string_view path);

// The table, in the order of look-up; for generated pages and tests.
std::span<const Endpoint> endpoints();

}  // namespace sallyport::provider
