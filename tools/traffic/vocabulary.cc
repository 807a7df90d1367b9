// SPDX-License-Identifier: Apache-2.0
#include "vocabulary.h"

namespace sallyport::traffic {

const std::vector<Model>& models() {
  static const std::vector<Model> kModels = {
      {"gpt-4o-mini", 0.15, 0.6},
      {"gpt-4o", 2.5, 10},
      {"gpt-4.1-mini", 0.4, 1.6},
      {"gpt-4.1", 2, 8},
      {"gpt-5-mini", 0.25, 2},
      {"gpt-5", 1.25, 10},
      {"gpt-5.2", 1.75, 14},
      {"gpt-5.4-mini", 0.75, 4.5},
      {"gpt-5.4", 2.5, 15},
      {"o3", 2, 8},
      {"o4-mini", 1.1, 4.4},
      {"gpt-5-pro", 15, 120},
      {"gpt-5.4-pro", 30, 180},
      {"gpt-4", 30, 60},
      {"text-embedding-3-small", 0.02, 0},
      {"text-embedding-3-large", 0.13, 0},
  };
  return kModels;
}

std::uint16_t model_index(std::string_view name) {
  for (std::size_t i = 0; i < models().size(); ++i) {
    if (models()[i].name == name) return static_cast<std::uint16_t>(i);
  }
  return kNoModel;
}

std::string_view text(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::kChat:
      return "POST /v1/chat/completions";
    case Endpoint::kResponses:
      return "POST /v1/responses";
    case Endpoint::kEmbeddings:
      return "POST /v1/embeddings";
    case Endpoint::kModels:
      return "GET /v1/models";
    case Endpoint::kAdminKeys:
      return "POST /admin/v1/keys";
  }
  return "";
}

std::string_view text(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "";
    case Fault::kInvalidKey:
      return "invalid_api_key";
    case Fault::kRateLimit:
      return "rate_limit_exceeded";
    case Fault::kUpstream:
      return "upstream_unavailable";
    case Fault::kServer:
      return "server_error";
    case Fault::kInvalidValue:
      return "invalid_value";
    case Fault::kModelNotAllowed:
      return "model_not_allowed";
    case Fault::kInjection:
      return "prompt_injection";
  }
  return "";
}

std::uint16_t status(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return 200;
    case Fault::kInvalidKey:
      return 401;
    case Fault::kRateLimit:
      return 429;
    case Fault::kUpstream:
      return 503;
    case Fault::kServer:
      return 500;
    case Fault::kInvalidValue:
    case Fault::kInjection:
      return 400;
    case Fault::kModelNotAllowed:
      return 403;
  }
  return 200;
}

const std::vector<std::string_view>& modules() {
  static const std::vector<std::string_view> kModules = {
      "unlisted", "billing", "search", "chat_widget", "crm",    "mail",   "tickets", "reports",
      "catalog",  "legal",   "hr",     "ide",         "builds", "ingest", "payroll", "translate"};
  return kModules;
}

const std::vector<std::string_view>& purposes() {
  static const std::vector<std::string_view> kPurposes = {
      "unlisted", "support",  "classification", "summary",   "extraction", "drafting",
      "coding",   "analysis", "evaluation",     "embedding", "moderation"};
  return kPurposes;
}

}  // namespace sallyport::traffic
