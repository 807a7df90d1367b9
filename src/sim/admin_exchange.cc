// SPDX-License-Identifier: Apache-2.0
// POST /oauth/token: a workload's JWT becomes a token of the provider (RFC 8693, in JSON).
#include <algorithm>

#include "sim/admin_api.h"
#include "sim/subject_token.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kTokenLifeMaxS = 3'600;
constexpr std::string_view kGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view kSubjectTypes[] = {"urn:ietf:params:oauth:token-type:jwt",
                                              "urn:ietf:params:oauth:token-type:id_token"};

bool maps(const SimIdentityProvider& provider, std::string_view subject, std::string_view account) {
  for (const SimMapping& mapping : provider.mappings) {
    if (mapping.service_account_id != account) continue;
    const std::string_view wanted = mapping.subject;
    if (wanted == subject) return true;
    if (wanted.ends_with('*') && subject.starts_with(wanted.substr(0, wanted.size() - 1))) {
      return true;
    }
  }
  return false;
}

}  // namespace

Answer oauth_error(int status, std::string_view error, std::string_view description) {
  Answer answer;
  answer.status = status;
  JsonWriter json(answer.body);
  json.begin_object().field("error", error).field("error_description", description).end_object();
  return answer;
}

Answer AdminApi::exchange(const Call& call) {
  if (call.request.method != "POST" || !call.body || !call.body->is_object()) {
    return oauth_error(400, "invalid_request", "A POST with a JSON body is expected.");
  }
  if (call.text("grant_type") != kGrant) {
    return oauth_error(400, "unsupported_grant_type", "Only token exchange is supported.");
  }
  const std::string type = call.text("subject_token_type");
  const std::string token = call.text("subject_token");
  const std::string account_id = call.text("service_account_id");
  if (std::ranges::find(kSubjectTypes, type) == std::end(kSubjectTypes)) {
    return oauth_error(400, "invalid_request", "Unknown subject_token_type.");
  }
  if (token.empty() || account_id.empty()) {
    return oauth_error(400, "invalid_request", "subject_token and service_account_id are needed.");
  }
  const auto provider = std::ranges::find(identity_providers_, call.text("identity_provider_id"),
                                          &SimIdentityProvider::id);
  if (provider == identity_providers_.end()) {
    return oauth_error(401, "invalid_client", "Unknown identity_provider_id.");
  }
  const Result<Subject> subject = check_subject_token(token, *provider, call.created);
  if (!subject) return oauth_error(400, "invalid_grant", subject.error().what);
  const ServiceAccount* account = directory_.account(account_id);
  if (account == nullptr || !maps(*provider, subject->subject, account_id)) {
    return oauth_error(403, "access_denied", "The subject is not mapped to this service account.");
  }
  // The token does not outlive what it was made from.
  const std::int64_t life = std::min(kTokenLifeMaxS, subject->expires - call.created);
  log_.add({.type = "tenant.workload_identity.access_token.issued",
            .resource = account->id,
            .detail = R"({"id":")" + account->id + R"("})",
            .project = account->project,
            .project_name = account->project,
            .actor = {.session = false,
                      .user_id = "",
                      .user_email = "",
                      .service_account = account->id,
                      .key_id = provider->id,
                      .ip = "",
                      .user_agent = ""},
            .effective_at = call.created});
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object();
  json.field("access_token", directory_.make_token(*account, call.created + life));
  json.field("issued_token_type", "urn:ietf:params:oauth:token-type:access_token");
  json.field("token_type", "Bearer").field("expires_in", life).end_object();
  return answer;
}

}  // namespace sallyport::sim
