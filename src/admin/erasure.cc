// SPDX-License-Identifier: Apache-2.0
#include "admin/erasure.h"

#include <memory>

#include "admin/act_record.h"
#include "admin/envelope.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace sallyport::admin {
namespace {

constexpr std::int64_t kLookMs = 3'600'000;
constexpr std::size_t kNameBytesMax = 256;
constexpr char kEndpoint[] = "POST /admin/v1/audit/erase";

// Secrets of days are whole days in UTC.
UtcTime day_begin(UtcTime time) { return std::chrono::floor<std::chrono::days>(time); }

}  // namespace

// Recorded first: what is gone cannot be told afterwards. Blocks; not on a loop.
Result<std::size_t> Erasure::carry_out(const Wish& wish) {
  std::string detail;
  JsonWriter json(detail);
  json.begin_object();
  if (wish.key) json.field("key", *wish.key);
  if (wish.before) json.field("before_utc", format_utc(*wish.before));
  json.end_object();
  Event event = act_event(parts_.clock, kEndpoint, {wish.actor, wish.ip}, "audit.erase");
  if (wish.actor.empty()) {
    event.kind = Kind::kAction;
    event.endpoint.clear();
    event.actor = "policy";
  }
  event.detail = std::move(detail);
  if (!record_durably(parts_.recorder, std::move(event))) {
    return fail(Code::kUnavailable, "the journal cannot write; nothing was erased");
  }
  if (const auto begun = parts_.columns.begin_forgetting(); !begun) {
    return std::unexpected(begun.error());
  }
  const Result<std::size_t> gone =
      wish.key ? parts_.forget_key(*wish.key) : parts_.forget_days_before(*wish.before);
  // Whatever came of it, nothing that may be gone stays in what was made of it.
  const Result<void> columns =
      parts_.columns.forget({.key = wish.key, .since = wish.since, .before = wish.before});
  if (!gone) return gone;
  if (!columns) return std::unexpected(columns.error());
  const Result<void> wiped = parts_.wipe_traces();
  if (!wiped) return std::unexpected(wiped.error());
  return gone;
}

Task<net::ServerResponse> Erasure::erase(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const Result<JsonValue> body = JsonValue::parse(request.http.body);
  auto wish = std::make_shared<Wish>();
  wish->actor = request.caller.name;
  wish->ip = request.caller.ip;
  bool understood = body && body->is_object();
  if (understood) {
    for (const auto& [member, value] : body->members()) {
      if (member == "key" && value.string()) {
        wish->key = std::string(*value.string());
      } else if (member == "before" && parse_utc(value.string().value_or(""))) {
        wish->before = day_begin(*parse_utc(value.string().value_or("")));
      } else {
        understood = false;
      }
    }
  }
  const bool one = wish->key.has_value() != wish->before.has_value();
  // A name, not a key: what stands here is recorded.
  const bool named = !wish->key || (!wish->key->empty() && wish->key->size() <= kNameBytesMax &&
                                    !wish->key->starts_with("sk-"));
  if (!understood || !one || !named) {
    co_return error_answer(400, "invalid_body",
                           "Send {\"key\":NAME} or {\"before\":TIME}, one of them.");
  }
  auto gone = std::make_shared<Result<std::size_t>>(0);
  std::function<void()> work = [this, wish, gone] { *gone = carry_out(*wish); };
  co_await parts_.offload.run(parts_.loop, std::move(work));
  if (!*gone) {
    co_return error_answer(503, "erase_" + std::string(name(gone->error().code)),
                           gone->error().what);
  }
  std::string answer;
  JsonWriter(answer).begin_object().field("secrets_erased", **gone).end_object();
  co_return json_answer(200, std::move(answer));
}

Result<std::size_t> Erasure::carry_out_policy() {
  // Of an erasure before that could not.
  if (const auto wiped = parts_.wipe_traces(); !wiped) return std::unexpected(wiped.error());
  if (parts_.keep.count() == 0) return 0;
  Wish wish;
  wish.before = day_begin(parts_.clock.now() - parts_.keep);
  const Result<std::optional<UtcTime>> oldest = parts_.oldest_day();
  if (!oldest) return std::unexpected(oldest.error());
  if (!*oldest || **oldest >= *wish.before) return 0;
  wish.since = *oldest;
  return carry_out(wish);
}

Task<void> Erasure::run() {
  for (;;) {
    std::function<void()> work = [this] {
      const auto done = carry_out_policy();
      if (!done) log::error("audit.erase_failed", {{"reason", done.error().what}});
    };
    co_await parts_.offload.run(parts_.loop, std::move(work));
    co_await parts_.loop.sleep_for(kLookMs);
  }
}

void add_erasure_routes(Routes& routes, Erasure& erasure) {
  Route route{.method = "POST",
              .path = "/admin/v1/audit/erase",
              .least = Role::kAdmin,
              .act = "audit.erase",
              .summary =
                  "Forgets what lies sealed in the log: `{\"key\":NAME}`, or "
                  "`{\"before\":TIME}`, whole days in UTC. Cannot be undone."};
  route.records_itself = true;
  route.handle = [&erasure](AdminRequest request) { return erasure.erase(std::move(request)); };
  routes.add(std::move(route));
}

}  // namespace sallyport::admin
