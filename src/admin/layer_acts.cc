// SPDX-License-Identifier: Apache-2.0
#include "admin/layer_acts.h"

#include <utility>

#include "admin/act_record.h"
#include "admin/layer_json.h"
#include "base/log.h"

namespace sallyport::admin {

Result<PutLayers> LayerActs::put(std::span<const keys::LayerSpec> specs, bool only_new,
                                 const Actor& actor) {
  if (!recorder_.accepting()) return fail(Code::kUnavailable, KeyActs::kJournalSilent);
  for (const keys::LayerSpec& spec : specs) {
    const Result<void> kept = budgets_kept(recorder_, spec.restrictions, "the layer " + spec.path);
    if (!kept) return std::unexpected(kept.error());
    if (only_new && ring_.layer(spec.path)) {
      return fail(Code::kDenied, "the layer " + spec.path + " is there already");
    }
  }
  Result<std::vector<keys::PutLayer>> put = ring_.put_layers(specs, actor.name);
  if (!put) return std::unexpected(put.error());
  PutLayers done;
  done.layers = std::move(*put);
  const UtcTime now = clock_.now();
  std::vector<Event> events;
  for (const keys::PutLayer& one : done.layers) {
    Event made = act_event(clock_, "PUT /admin/v1/layers/{path...}", actor,
                           one.before ? "layer.change" : "layer.create");
    made.layer = one.layer.path;
    made.status = 200;
    made.detail =
        act_detail(one.before ? layer_json(*one.before, now) : "null", layer_json(one.layer, now));
    events.push_back(std::move(made));
  }
  const std::size_t lost = record_all_durably(recorder_, std::move(events));
  if (lost > 0) {
    done.recorded = false;
    log::error("admin.layers_not_recorded",
               {{"layers", static_cast<std::uint64_t>(lost)}, {"actor", actor.name}});
  }
  return done;
}

Result<keys::LayerInfo> LayerActs::before(std::string_view path) const {
  return was_ ? *was_ : ring_.layer(path);
}

void LayerActs::revoke_now(std::string_view path, std::string_view why, const Actor& actor) {
  was_ = ring_.layer(path);
  ring_.revoke_layer_now(path, actor.name, why);
}

void LayerActs::reissue_now(std::string_view path, UtcTime when, const Actor& actor) {
  was_ = ring_.layer(path);
  ring_.issued_before_now(path, when, actor.name);
}

Result<EndedLayer> LayerActs::revoke(std::string_view path, std::string_view why,
                                     const Actor& actor) {
  const Result<keys::LayerInfo> before = this->before(path);
  return ended(before, ring_.revoke_layer(path, actor.name, why), "layer.revoke", why, actor);
}

Result<EndedLayer> LayerActs::reissue(std::string_view path, std::optional<UtcTime> when,
                                      const Actor& actor) {
  const Result<keys::LayerInfo> before = this->before(path);
  const UtcTime moment = when.value_or(clock_.now());
  return ended(before, ring_.issued_before(path, moment, actor.name), "layer.reissue", {}, actor);
}

Result<EndedLayer> LayerActs::ended(const Result<keys::LayerInfo>& before,
                                    Result<keys::LayerInfo> after, const char* act,
                                    std::string_view why, const Actor& actor) {
  EndedLayer done;
  if (!after && (after.error().code != Code::kUnavailable || !before)) {
    return std::unexpected(after.error());
  }
  if (!after) {  // in force here, not yet in the store
    done.durable = false;
    after = ring_.layer(before->path);
    if (!after) return std::unexpected(after.error());
  }
  done.layer = std::move(*after);
  const UtcTime now = clock_.now();
  Event made = act_event(clock_,
                         std::string("POST /admin/v1/layers/{path...}/") +
                             (std::string_view(act) == "layer.revoke" ? "revoke" : "reissue"),
                         actor, act);
  made.layer = done.layer.path;
  made.status = 200;
  made.detail =
      act_detail(before ? layer_json(*before, now) : "null", layer_json(done.layer, now), why);
  if (!record_durably(recorder_, std::move(made))) {
    done.recorded = false;
    log::error("admin.layer_end_not_recorded", {{"layer", done.layer.path}, {"actor", actor.name}});
  }
  return done;
}

}  // namespace sallyport::admin
