// SPDX-License-Identifier: Apache-2.0
#include "admin/act_record.h"

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "base/json_writer.h"
#include "base/random.h"

namespace sallyport::admin {

Event act_event(const Clock& clock, std::string endpoint, const Actor& actor, std::string action) {
  Event event;
  event.timestamp_utc = clock.now();
  event.kind = Kind::kAdmin;
  event.endpoint = std::move(endpoint);
  event.request_id = make_request_id();
  event.ip = actor.ip;
  if (!actor.name.empty()) event.actor = actor.name;
  event.action = std::move(action);
  return event;
}

std::string act_detail(std::string_view before_json, std::string_view after_json,
                       std::string_view why) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("before").raw(before_json).key("after").raw(after_json);
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

Result<void> budgets_kept(const Recorder& recorder, const Restrictions& restrictions,
                          std::string_view whose) {
  if (recorder.keeps() || !restrictions.limits.any_hard()) return {};
  return fail(Code::kInvalid,
              std::string(whose) +
                  ": restrictions.budgets: a hard budget needs a record of every call, and "
                  "audit.enabled is false; make it soft (\"hard\":false), or enable the audit");
}

bool record_durably(Recorder& recorder, Event event) {
  constexpr auto kPatience = std::chrono::seconds(5);
  // Shared with the recorder's thread, which may answer after we have gone.
  const auto answered = std::make_shared<std::promise<bool>>();
  std::future<bool> answer = answered->get_future();
  recorder.record(std::move(event), Durability::kSynced,
                  [answered](Result<std::uint64_t> seq) { answered->set_value(seq.has_value()); });
  return answer.wait_for(kPatience) == std::future_status::ready && answer.get();
}

}  // namespace sallyport::admin
