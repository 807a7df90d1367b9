// SPDX-License-Identifier: Apache-2.0
#include "admin/act_record.h"

#include <algorithm>
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
  std::vector<Event> one;
  one.push_back(std::move(event));
  return record_all_durably(recorder, std::move(one)) == 0;
}

std::size_t record_all_durably(Recorder& recorder, std::vector<Event> events) {
  constexpr std::size_t kBatch = 1'000;  // far below what the journal's queue takes
  constexpr auto kPatience = std::chrono::seconds(5);
  std::size_t failed = 0;
  for (std::size_t from = 0; from < events.size(); from += kBatch) {
    std::vector<std::future<bool>> answers;
    for (std::size_t i = from; i < std::min(events.size(), from + kBatch); ++i) {
      // Shared with the recorder's thread, which may answer after we have gone.
      const auto answered = std::make_shared<std::promise<bool>>();
      answers.push_back(answered->get_future());
      recorder.record(
          std::move(events[i]), Durability::kSynced,
          [answered](Result<std::uint64_t> seq) { answered->set_value(seq.has_value()); });
    }
    const auto until = std::chrono::steady_clock::now() + kPatience;
    for (std::future<bool>& answer : answers) {
      const bool well = answer.wait_until(until) == std::future_status::ready && answer.get();
      if (!well) ++failed;
    }
  }
  return failed;
}

}  // namespace sallyport::admin
