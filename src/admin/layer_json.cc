// SPDX-License-Identifier: Apache-2.0
#include "admin/layer_json.h"

#include <utility>

#include "base/json_writer.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kLayersMax = 10'000;  // of one document

std::unexpected<Error> wrong(std::string_view path, std::string_view what) {
  return fail(Code::kInvalid,
              std::string(path.substr(0, 200)) + (path.empty() ? "" : ": ") + std::string(what));
}

Result<void> read_restrictions(const JsonValue& value, Restrictions& into) {
  if (!value.is_object()) return fail(Code::kInvalid, "restrictions must be an object");
  for (const auto& [member, part] : value.members()) {
    const Result<void> read = read_restriction(member, part, into);
    if (!read) return fail(Code::kInvalid, "restrictions: " + read.error().what);
  }
  return {};
}

// kNotFound: no member of a layer.
Result<void> read_member(std::string_view member, const JsonValue& value, keys::LayerSpec& spec) {
  if (member == "restrictions") return read_restrictions(value, spec.restrictions);
  if (member == "owner") {
    const auto text = value.string();
    if (!text) return fail(Code::kInvalid, "owner must be text");
    spec.owner = *text;
    return {};
  }
  if (member == "expires_at") {
    if (value.is_null()) return {};
    const auto text = value.string();
    spec.expires_at = text ? parse_utc(*text) : std::nullopt;
    if (!spec.expires_at) {
      return fail(Code::kInvalid, "expires_at must be a time such as \"2026-01-31T08:00:00Z\"");
    }
    return {};
  }
  return fail(Code::kNotFound, "unknown member " + std::string(member.substr(0, 64)));
}

Result<void> read_children(const JsonValue& map, const std::string& above, int depth,
                           std::vector<keys::LayerSpec>& specs) {
  if (!map.is_object()) return wrong(above, "layers must be an object of layers by name");
  if (depth > 3) return wrong(above, "nothing lies below a principal");
  for (const auto& [name, object] : map.members()) {
    const std::string path = (above.empty() ? "" : above + "/") + std::string(name);
    if (!keys::layer_kind(path)) return wrong(path, keys::kLayerPathForm);
    if (!object.is_object() && !object.is_null()) return wrong(path, "must be an object");
    if (specs.size() >= kLayersMax) return wrong(path, "more than 10000 layers");
    const std::size_t own = specs.size();
    specs.emplace_back().path = path;
    for (const auto& [member, value] : object.members()) {
      const Result<void> read = member == "layers" ? read_children(value, path, depth + 1, specs)
                                                   : read_member(member, value, specs[own]);
      if (!read && read.error().what.starts_with(path)) return read;  // of a child: named already
      if (!read) return wrong(path, read.error().what);
    }
  }
  return {};
}

std::optional<std::string> utc(const std::optional<UtcTime>& time) {
  if (!time) return std::nullopt;
  return format_utc(*time);
}

}  // namespace

Result<keys::LayerSpec> read_layer_spec(const JsonValue& object, std::string_view path) {
  if (!object.is_object()) return fail(Code::kInvalid, "the body is not a JSON object");
  keys::LayerSpec spec;
  spec.path = path;
  for (const auto& [member, value] : object.members()) {
    if (member == "path" && path.empty()) {
      const auto text = value.string();
      if (!text) return fail(Code::kInvalid, "path must be text");
      spec.path = *text;
      continue;
    }
    const Result<void> read = read_member(member, value, spec);
    if (!read) return fail(Code::kInvalid, read.error().what);
  }
  if (spec.path.empty()) return fail(Code::kInvalid, "path is missing");
  return spec;
}

std::string write_layer_spec(const keys::LayerSpec& spec) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("path", spec.path).field("owner", spec.owner);
  if (spec.expires_at) json.field("expires_at", format_utc(*spec.expires_at));
  json.key("restrictions").raw(restrictions_json(spec.restrictions)).end_object();
  return out;
}

Result<std::vector<keys::LayerSpec>> read_layer_tree(std::string_view json) {
  const Result<JsonValue> document = JsonValue::parse(json);
  const auto layers = document && document->is_object() ? document->at("layers") : std::nullopt;
  if (!layers || document->members().size() != 1) {
    return fail(Code::kInvalid, "the document must be {\"layers\":{...}} without repeated members");
  }
  std::vector<keys::LayerSpec> specs;
  const Result<void> read = read_children(*layers, "", 1, specs);
  if (!read) return fail(Code::kInvalid, read.error().what);
  return specs;
}

std::string layer_json(const keys::LayerInfo& layer, UtcTime now) {
  std::string out;
  JsonWriter json(out);
  const auto kind = keys::layer_kind(layer.path);
  json.begin_object()
      .field("path", layer.path)
      .field("kind", kind ? keys::name(*kind) : std::string_view("damaged"))
      .field("status", keys::status(layer, now))
      .field("owner", layer.owner)
      .field("created_at", format_utc(layer.created_at))
      .field("created_by", layer.created_by)
      .field("expires_at", utc(layer.expires_at))
      .field("issued_before", utc(layer.issued_before))
      .field("revoked_at", utc(layer.revoked_at))
      .field("revoked_by", layer.revoked_by)
      .field("revoked_why", layer.revoked_why)
      .key("restrictions")
      .raw(restrictions_json(layer.restrictions))
      .end_object();
  return out;
}

}  // namespace sallyport::admin
