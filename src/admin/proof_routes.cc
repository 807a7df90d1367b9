// SPDX-License-Identifier: Apache-2.0
#include "admin/proof_routes.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "audit/prove.h"
#include "audit/prune.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

constexpr int kProofsMax = 8;  // at once, those that wait included; a proof takes some ms
constexpr std::int64_t kRotationMaxMs = 30'000;
constexpr std::int64_t kLookMs = 20;

int status_of(Code code) {
  switch (code) {
    case Code::kNotFound:
      return 404;
    case Code::kInvalid:
      return 400;
    case Code::kDenied:
      return 409;
    case Code::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

net::ServerResponse error_of(const Error& why) {
  return error_answer(status_of(why.code), "audit_" + std::string(name(why.code)), why.what);
}

// The value of a member of the query, not decoded: numbers and ids of ours need no escapes.
std::optional<std::string> query_value(const net::ServerRequest& request, std::string_view member) {
  std::string_view rest = request.query;
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) == member && equals != std::string_view::npos) {
      return std::string(pair.substr(equals + 1));
    }
  }
  return std::nullopt;
}

class ProofRoutes {
 public:
  explicit ProofRoutes(ProofRouteParts parts) : parts_(std::move(parts)) {}

  net::ServerResponse checkpoint(const AdminRequest&) const {
    const auto published = parts_.keeper.published();
    if (!published) {
      return error_answer(404, "audit_not_signed", "The log has no checkpoint yet.");
    }
    return text_answer(200, "text/plain; charset=utf-8", published->note);
  }

  Task<net::ServerResponse> proof(AdminRequest request);
  Task<net::ServerResponse> rotate(AdminRequest request);
  Task<net::ServerResponse> prune(AdminRequest request);

 private:
  using Answer = std::shared_ptr<std::optional<net::ServerResponse>>;
  ProofRouteParts parts_;
  // Shared with the work, which may run when the routes are gone.
  const std::shared_ptr<std::atomic<int>> proofs_under_way_ = std::make_shared<std::atomic<int>>(0);
};

net::ServerResponse proof_answer(const audit::RecordProof& proof) {
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("seq", proof.seq)
      .field("record", proof.record)
      .field("proof", proof.proof)
      .end_object();
  return json_answer(200, std::move(body));
}

Task<net::ServerResponse> ProofRoutes::proof(AdminRequest request) {
  const auto seq = parse_uint(query_value(request.http, "seq").value_or(""));
  if (!seq) co_return error_answer(400, "invalid_seq", "Ask for ?seq=NUMBER.", "seq");
  if (proofs_under_way_->fetch_add(1) >= kProofsMax) {
    proofs_under_way_->fetch_sub(1);
    co_return error_answer(429, "busy", "Other proofs are being made.");
  }
  const Answer answer = std::make_shared<std::optional<net::ServerResponse>>();
  std::function<void()> work = [answer, seq = *seq, &keeper = parts_.keeper,
                                under_way = proofs_under_way_] {
    const auto proof = audit::prove_record(keeper.files(), keeper.config().path, seq);
    *answer = proof ? proof_answer(*proof) : error_of(proof.error());
    under_way->fetch_sub(1);
  };
  co_await parts_.questions.run(parts_.loop, std::move(work));
  co_return std::move(**answer);
}

// The keeper's thread does it all; nobody else's is held up while it does.
Task<net::ServerResponse> ProofRoutes::rotate(AdminRequest request) {
  struct Outcome {
    std::mutex mutex;
    std::optional<Result<std::string>> key;
  };
  const auto outcome = std::make_shared<Outcome>();
  parts_.keeper.rotate_key(request.caller.name, [outcome](Result<std::string> key) {
    const std::lock_guard lock(outcome->mutex);
    outcome->key = std::move(key);
  });
  for (std::int64_t waited_ms = 0; waited_ms < kRotationMaxMs; waited_ms += kLookMs) {
    std::optional<Result<std::string>> key;
    {
      const std::lock_guard lock(outcome->mutex);
      key = outcome->key;
    }
    if (key && !*key) co_return error_of(key->error());
    if (key) {
      std::string body;
      JsonWriter(body).begin_object().field("key", **key).end_object();
      co_return json_answer(200, std::move(body));
    }
    co_await parts_.loop.sleep_for(kLookMs);
  }
  co_return error_answer(503, "audit_unavailable",
                         "The log has not been signed in time; it will be.");
}

Task<net::ServerResponse> ProofRoutes::prune(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const Result<JsonValue> body = JsonValue::parse(request.http.body);
  std::optional<UtcTime> before;
  bool dry = false;
  if (body && body->is_object()) {
    for (const auto& [member, value] : body->members()) {
      if (member == "before") before = parse_utc(value.string().value_or(""));
      if (member == "dry_run") dry = value.boolean().value_or(false);
    }
  }
  if (!before) {
    co_return error_answer(400, "invalid_body", "Send {\"before\":TIME,\"dry_run\":true}.",
                           "before");
  }
  audit::PruneRequest wish{
      .journal = parts_.keeper.config().path,
      .before = *before,
      .keep_from = parts_.keep_from,
      .sign = [&keeper = parts_.keeper](std::uint64_t seq) { return keeper.sign_through(seq); },
      .policy = "asked for",
      .actor = request.caller.name,
      .dry = dry};
  const Answer answer = std::make_shared<std::optional<net::ServerResponse>>();
  std::function<void()> work = [answer, wish = std::move(wish), &keeper = parts_.keeper,
                                &recorder = parts_.recorder, &clock = parts_.clock] {
    const auto done = audit::prune(keeper.files(), recorder, clock, wish);
    if (!done) {
      *answer = error_of(done.error());
      return;
    }
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("segments", done->segments)
        .field("records", done->records)
        .field("bytes", done->bytes)
        .field("min_index", done->min_index)
        .end_object();
    *answer = json_answer(200, std::move(body));
  };
  co_await parts_.offload.run(parts_.loop, std::move(work));
  co_return std::move(**answer);
}

}  // namespace

void add_proof_routes(Routes& routes, ProofRouteParts parts) {
  const auto audit = std::make_shared<ProofRoutes>(std::move(parts));
  routes.add({.method = "GET",
              .path = "/admin/v1/audit/checkpoint",
              .least = Role::kViewer,
              .act = {},
              .summary = "The newest checkpoint of the log, a signed note.",
              .handle = handler(audit, &ProofRoutes::checkpoint)});
  routes.add({.method = "GET",
              .path = "/admin/v1/audit/proof",
              .least = Role::kViewer,
              .act = {},
              .summary = "`?seq=N`: that record's bytes and its tlog-proof: "
                         "`{\"seq\",\"record\",\"proof\"}`.",
              .handle = handler(audit, &ProofRoutes::proof)});
  routes.add({.method = "POST",
              .path = "/admin/v1/audit/rotate-key",
              .least = Role::kAdmin,
              .act = "audit.rotate_key",
              .summary = "A new signing key; answers when a checkpoint carries both signatures.",
              .handle = handler(audit, &ProofRoutes::rotate)});
  routes.add({.method = "POST",
              .path = "/admin/v1/audit/prune",
              .least = Role::kAdmin,
              .act = "audit.prune",
              .summary = "Deletes whole segments that end before `{\"before\":TIME}`; "
                         "`\"dry_run\":true` only tells.",
              .handle = handler(audit, &ProofRoutes::prune)});
}

}  // namespace sallyport::admin
