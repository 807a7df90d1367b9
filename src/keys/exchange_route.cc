// SPDX-License-Identifier: Apache-2.0
#include "keys/exchange_route.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "base/log.h"
#include "keys/form.h"

namespace sallyport::keys {
namespace {

constexpr std::string_view kAccessTokenType = "urn:ietf:params:oauth:token-type:access_token";

OwnAnswer refused(Exchange& x, const ExchangeFault& fault) {
  OwnAnswer answer;
  answer.status = fault.status;
  answer.error_code = fault.error;
  x.denied_because = fault.reason;
  JsonWriter(answer.body).begin_object().field("error", fault.error).end_object();
  const bool again = fault.status == 503 || fault.status == 429;
  answer.headers.emplace_back("x-should-retry", again ? "true" : "false");
  if (again) answer.headers.emplace_back("retry-after", fault.status == 429 ? "30" : "2");
  return answer;
}

OwnAnswer granted(const Granted& of, UtcTime now) {
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(of.key.expires_at - now);
  OwnAnswer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("access_token", of.key.text.reveal());
  json.field("issued_token_type", kAccessTokenType)
      .field("token_type", of.proved ? "DPoP" : "Bearer");
  json.field("expires_in", std::max<std::int64_t>(left.count(), 0)).end_object();
  answer.headers.emplace_back("pragma", "no-cache");
  return answer;
}

ExchangeFault no_proof(DpopFault fault) { return {400, "invalid_dpop_proof", keys::name(fault)}; }

// Owns its texts: it runs on another thread, perhaps after the request is gone.
decltype(ExchangeBinding::prove) prover(DpopProofs& proofs, std::string proof, std::string path) {
  return [&proofs, proof = std::move(proof),
          path = std::move(path)]() -> std::expected<std::string, const char*> {
    auto key = proofs.check(proof, "POST", path);
    if (!key) return std::unexpected(keys::name(key.error()));
    return std::move(*key);
  };
}

}  // namespace

std::size_t ExchangeRoute::body_bytes_max() const { return kFormBytesMax; }

std::optional<OwnAnswer> ExchangeRoute::refuse(Exchange& x) {
  if (!exchange_content(x.header("content-type").value_or(""))) {
    return refused(x, {400, "invalid_request", "exchange_malformed"});
  }
  if (!x.header("dpop")) return std::nullopt;
  if (proofs_ == nullptr) return refused(x, no_proof(DpopFault::kNotHere));
  const auto proof = DpopProofs::proof_of(x);
  if (!proof) return refused(x, no_proof(proof.error()));
  return std::nullopt;
}

Task<OwnAnswer> ExchangeRoute::answer(Exchange& x, std::string body) {
  auto request = parse_exchange(x.header("content-type").value_or(""), body);
  explicit_bzero(body.data(), body.size());  // it holds a credential of the issuer
  if (!request) co_return refused(x, request.error());

  ExchangeBinding binding;
  binding.ip = x.source.text();
  binding.source = x.source;
  binding.certificate = x.certificate_thumbprint;
  if (x.header("dpop")) {
    if (proofs_ == nullptr) co_return refused(x, no_proof(DpopFault::kNotHere));
    const auto proof = DpopProofs::proof_of(x);
    if (!proof) co_return refused(x, no_proof(proof.error()));
    binding.prove = prover(*proofs_, std::string(*proof), x.path);
  }
  auto outcome = co_await exchange_.exchange(*x.loop, std::move(*request), std::move(binding));
  if (!outcome) co_return refused(x, outcome.error());
  log::info(
      "keys.exchanged",
      {{"request_id", x.request_id}, {"mapping", outcome->mapping_id}, {"kid", outcome->key.kid}});
  co_return granted(*outcome, clock_.now());
}

}  // namespace sallyport::keys
