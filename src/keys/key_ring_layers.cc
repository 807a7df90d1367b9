// SPDX-License-Identifier: Apache-2.0
// The tree above the keys: reading, changing, ending.
#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

std::string quoted(std::string_view path) { return "the layer " + std::string(path); }

}  // namespace

// --- Reading

std::vector<LayerInfo> KeyRing::layers() const {
  std::vector<LayerInfo> layers;
  for (const auto& [path, node] : published_.snapshot()->tree->nodes) layers.push_back(node->info);
  std::ranges::sort(layers, {}, &LayerInfo::path);
  return layers;
}

Result<LayerInfo> KeyRing::layer(std::string_view path) const {
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  const LayerNode* node = snapshot->tree->find(path);
  if (node == nullptr) return fail(Code::kNotFound, "there is no layer of this path");
  return node->info;
}

KeyFault KeyRing::layer_fault(std::string_view path, UtcTime now) const {
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  const LayerNode* node = snapshot->tree->find(path);
  return node == nullptr ? KeyFault::kUnknown : node->fault(ms(now), now);
}

std::optional<DeadLayer> KeyRing::dead_layer(const KeyInfo& key, UtcTime now) const {
  if (key.layer.empty()) return std::nullopt;
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  const LayerNode* node = snapshot->tree->find(key.layer);
  if (node == nullptr) return DeadLayer{key.layer, KeyFault::kDamaged};
  const KeyFault fault = node->fault(ms(key.created_at), latest(now));
  if (fault == KeyFault::kNone) return std::nullopt;
  // The outermost that is the reason: its end is what has to be looked into.
  DeadLayer dead{key.layer, fault};
  for (; node != nullptr; node = node->parent.get()) {
    if (node->brings(fault, ms(key.created_at), latest(now))) dead.path = node->info.path;
  }
  return dead;
}

std::vector<std::string> KeyRing::wider_than_layers(const Restrictions& child, UtcTime child_end,
                                                    std::string_view layer) const {
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  std::vector<Gives> layers;
  const LayerNode* node = layer.empty() ? nullptr : snapshot->tree->find(layer);
  for (; node != nullptr; node = node->parent.get()) {
    layers.push_back({node->info.path, &node->info.restrictions, node->info.expires_at});
  }
  return wider_than(child, child_end, layers);
}

// --- Changing

// What the store is asked for, if the specs agree with the tree as it stands.
Result<std::vector<LayerInfo>> KeyRing::plan(std::span<const LayerSpec> specs,
                                             std::string_view actor,
                                             std::vector<PutLayer>& answers) const {
  const UtcTime now = latest(clock_.now());
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  std::map<std::string_view, const LayerSpec*> asked;
  for (const LayerSpec& spec : specs) {
    const Result<void> readable = check_layer_spec(spec);
    if (!readable) {
      return fail(Code::kInvalid, spec.path.substr(0, 200) + ": " + readable.error().what);
    }
    if (spec.expires_at && *spec.expires_at <= now) {
      return fail(Code::kInvalid, spec.path + ": expires_at lies in the past");
    }
    if (!asked.emplace(spec.path, &spec).second) {
      return fail(Code::kInvalid, quoted(spec.path) + " is named twice");
    }
  }
  std::vector<LayerInfo> wanted;
  for (const auto& [path, spec] : asked) {  // sorted: parents before children
    PutLayer& answer = answers.emplace_back();
    const LayerNode* held = snapshot->tree->find(path);
    if (held != nullptr && held->info.revoked) {
      return fail(Code::kDenied, quoted(path) + " is revoked, for good; take another name");
    }
    const std::string_view above = layer_parent(path);
    const auto sibling = asked.find(above);
    if (!above.empty()) {
      const LayerNode* parent = snapshot->tree->find(above);
      if (parent == nullptr && sibling == asked.end()) {
        return fail(Code::kNotFound, quoted(above) + ", in which " + std::string(path) +
                                         " would lie, does not exist");
      }
      const KeyFault fault = parent == nullptr ? KeyFault::kNone : parent->fault(ms(now), now);
      const bool revived = fault == KeyFault::kLayerExpired && sibling != asked.end();
      if (fault != KeyFault::kNone && !revived) {
        return fail(
            Code::kDenied,
            quoted(above) + (fault == KeyFault::kLayerRevoked   ? ", or one above it, is revoked"
                             : fault == KeyFault::kLayerExpired ? ", or one above it, has expired"
                                                                : " lets nothing in"));
      }
    }
    std::vector<Gives> layers;
    for (std::string_view outer = above; !outer.empty(); outer = layer_parent(outer)) {
      const auto also = asked.find(outer);
      const LayerNode* there = snapshot->tree->find(outer);
      if (also != asked.end()) {
        layers.push_back(
            {std::string(outer), &also->second->restrictions, also->second->expires_at});
      } else if (there != nullptr) {
        layers.push_back({std::string(outer), &there->info.restrictions, there->info.expires_at});
      }
    }
    answer.warnings = wider_than(spec->restrictions, spec->expires_at, layers);
    if (held != nullptr) answer.before = held->info;
    LayerInfo& layer = wanted.emplace_back();
    layer.path = spec->path;
    layer.owner = spec->owner;
    layer.created_at = clock_.now();
    layer.created_by = actor;
    layer.expires_at = spec->expires_at;
    layer.restrictions = spec->restrictions;
  }
  return wanted;
}

Result<std::vector<PutLayer>> KeyRing::put_layers(std::span<const LayerSpec> specs,
                                                  std::string_view actor) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();  // what others did counts
  if (!fresh) return std::unexpected(fresh.error());
  std::vector<PutLayer> answers;
  const Result<std::vector<LayerInfo>> wanted = plan(specs, actor, answers);
  if (!wanted) return std::unexpected(wanted.error());
  if (wanted->empty()) return answers;
  Result<std::vector<LayerRow>> rows = store_.put_layers(*wanted);
  if (!rows) return std::unexpected(rows.error());
  apply_layers(std::move(*rows), false);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Result<LayerInfo> now = layer((*wanted)[i].path);
    if (!now) return std::unexpected(now.error());
    answers[i].layer = *now;
  }
  return answers;
}

Result<PutLayer> KeyRing::put_layer(const LayerSpec& spec, std::string_view actor) {
  Result<std::vector<PutLayer>> put = put_layers({&spec, 1}, actor);
  if (!put) return std::unexpected(put.error());
  return std::move(put->front());
}

// --- Ending

Result<LayerInfo> KeyRing::revoke_layer(std::string_view path, std::string_view actor,
                                        std::string_view why) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (!why.empty() && !valid_label(why)) return fail(Code::kInvalid, "not a valid reason");
  return end_layer(
      {.path = std::string(path),
       .revocation = Revocation{"", clock_.now(), std::string(actor), std::string(why)},
       .issued_before = {}});
}

Result<LayerInfo> KeyRing::issued_before(std::string_view path, UtcTime when,
                                         std::string_view actor) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (when > latest(clock_.now())) {
    return fail(Code::kInvalid, "issued_before lies in the future: it would kill keys to come");
  }
  // It never moves back: a clock that is ahead does not decide how far it goes.
  return end_layer({.path = std::string(path),
                    .revocation = {},
                    .issued_before = std::min(when, latest(time_.confirmed()))});
}

Result<LayerInfo> KeyRing::end_layer(LayerEnding ending) {
  end_in_memory(ending);
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();
  end_in_memory(ending);  // a layer that another process has made just now

  const Result<void> durable = make_durable();
  Result<LayerInfo> now = layer(ending.path);
  if (!now) return fresh ? now : std::unexpected(fresh.error());
  if (!durable) {
    return fail(Code::kUnavailable,
                "in force in this process, not yet durable: " + durable.error().what);
  }
  return now;
}

bool KeyRing::end_in_memory(const LayerEnding& ending) {
  const std::lock_guard lock(mutex_);
  const auto held = layers_.find(ending.path);
  if (held == layers_.end()) return false;
  LayerInfo& layer = held->second.info;
  const bool revokes = ending.revocation && !layer.revoked;
  const bool moves = ending.issued_before &&
                     (!layer.issued_before || *layer.issued_before < *ending.issued_before);
  if (!revokes && !moves) return false;
  LayerEnding& todo = undurable_layers_[ending.path];
  todo.path = ending.path;
  if (revokes) {
    layer.revoked = true;
    layer.revoked_at = ending.revocation->at;
    layer.revoked_by = ending.revocation->by;
    layer.revoked_why = ending.revocation->why;
    todo.revocation = ending.revocation;
  }
  if (moves) layer.issued_before = todo.issued_before = ending.issued_before;
  publish_layers();
  return true;
}

// --- The tree

// Holds mutex_. As keep_ends().
void KeyRing::keep_layer_ends(const LayerInfo& was, const LayerInfo& row) {
  const bool ended = was.revoked && !row.revoked;
  const bool moved =
      was.issued_before && (!row.issued_before || *row.issued_before < *was.issued_before);
  if (!ended && !moved) return;
  LayerEnding& todo = undurable_layers_[row.path];
  todo.path = row.path;
  if (ended) {
    todo.revocation = Revocation{"", was.revoked_at.value_or(clock_.now()),
                                 was.revoked_by.value_or(""), was.revoked_why.value_or("")};
  }
  if (moved) todo.issued_before = was.issued_before;
}

// As for keys: a higher version counts; what is revoked stays so, and issued_before never goes
// back.
void KeyRing::apply_layers(std::vector<LayerRow> rows, bool whole) {
  const std::lock_guard lock(mutex_);
  std::map<std::string, LayerRow, std::less<>> old;
  if (whole) old.swap(layers_);
  for (LayerRow& row : rows) {
    const auto& known = whole ? old : layers_;
    const auto held = known.find(row.info.path);
    if (held != known.end()) {
      const LayerInfo& was = held->second.info;
      if (!whole && was.version >= row.info.version) continue;
      if (whole) keep_layer_ends(was, row.info);
      if (was.revoked && !row.info.revoked) {
        row.info.revoked = true;
        row.info.revoked_at = was.revoked_at;
        row.info.revoked_by = was.revoked_by;
        row.info.revoked_why = was.revoked_why;
      }
      if (was.issued_before &&
          (!row.info.issued_before || *row.info.issued_before < *was.issued_before)) {
        row.info.issued_before = was.issued_before;
      }
    }
    const std::string path = row.info.path;
    layers_.insert_or_assign(path, std::move(row));
  }
  publish_layers();
}

// Nodes that did not change, and whose parents did not, are shared with the old tree.
void KeyRing::publish_layers() {
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  auto tree = std::make_shared<LayerTree>();
  tree->nodes.reserve(layers_.size());
  for (const auto& [path, row] : layers_) {  // sorted: parents come first
    std::shared_ptr<const LayerNode> parent;
    const std::string_view above = layer_parent(path);
    if (const auto at = tree->nodes.find(above); at != tree->nodes.end()) parent = at->second;
    const bool damaged = row.damaged || !layer_kind(path) || (!above.empty() && !parent);
    const auto before = old->tree->nodes.find(path);
    if (before != old->tree->nodes.end()) {
      const LayerNode& was = *before->second;
      const bool same = was.info.version == row.info.version && was.parent == parent &&
                        was.damaged == damaged && was.info.revoked == row.info.revoked &&
                        was.info.issued_before == row.info.issued_before;
      if (same) {
        tree->nodes.emplace(path, before->second);
        continue;
      }
    }
    if (damaged) {
      log::error("keys.layer_damaged", {{"layer", path}, {"effect", "nothing below it works"}});
    }
    auto layer = std::make_shared<Layer>();
    layer->parent = parent ? parent->layer : nullptr;
    layer->account = layer_account(path);
    layer->restrictions = row.info.restrictions;
    auto node = std::make_shared<LayerNode>();
    node->info = row.info;
    node->damaged = damaged;
    node->parent = std::move(parent);
    node->layer = std::move(layer);
    tree->nodes.emplace(path, std::move(node));
  }
  Draft draft(*old, false);
  draft.next->tree = std::move(tree);
  published_.publish(draft.finish());
}

}  // namespace sallyport::keys
