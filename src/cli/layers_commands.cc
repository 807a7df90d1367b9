// SPDX-License-Identifier: Apache-2.0
// `sallyport layers ...`: the tree above the keys.
#include <fmt/format.h>

#include <fstream>
#include <ostream>

#include "admin/layer_json.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/house.h"
#include "cli/key_answers.h"
#include "cli/restriction_options.h"
#include "config/yaml_tree.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kLayers = "/admin/v1/layers";
constexpr std::string_view kListLayers = "sallyport layers list";

int no_such_path(const Invocation& call) {
  return complain(call, kUsage, "usage", "PATH is " + std::string(keys::kLayerPathForm));
}

std::string target_of(const Invocation& call, std::string_view verb = {}) {
  return std::string(kLayers) + "/" + call.value("path") + std::string(verb);
}

// What the options state, over what is there.
Result<keys::LayerSpec> spec_of(const Invocation& call, keys::LayerSpec base) {
  base.path = call.value("path");
  if (call.has("owner")) base.owner = call.value("owner");
  if (call.has("until")) {
    base.expires_at = parse_utc(call.value("until"));
    if (!base.expires_at) {
      return fail(Code::kInvalid, "--until must be a time such as 2026-01-31T08:00:00Z");
    }
  }
  if (call.has("no-end")) base.expires_at.reset();
  for (const std::string& member : call.all("lift")) {
    const std::string text = restrictions_json(base.restrictions);
    const Result<JsonValue> held = JsonValue::parse(text);
    Restrictions rest;
    bool lifted = false;
    for (const auto& [name, value] : held ? held->members() : decltype(held->members()){}) {
      if (name == member) {
        lifted = true;
        continue;
      }
      (void)read_restriction(name, value, rest);  // it was written by us
    }
    if (!lifted) return fail(Code::kInvalid, "--lift " + member + ": the layer does not state it");
    base.restrictions = std::move(rest);
  }
  Result<Restrictions> restrictions = restrictions_of(call, std::move(base.restrictions));
  if (!restrictions) return std::unexpected(restrictions.error());
  base.restrictions = std::move(*restrictions);
  return base;
}

// Tells the warnings of an answer to a change; its exit code.
int told(const Invocation& call, const SocketReply& reply, std::string_view did) {
  const auto body = JsonValue::parse(reply.body);
  if (!body) return unreadable(call);
  if (call.json) call.out << reply.body << "\n";
  if (!call.json && !call.quiet) call.err << did << "\n";
  tell_warnings(call, *body);
  return tell_in_force(call, *body);
}

// --- A tree in YAML: as JSON, with the types that unquoted scalars look like.

bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return parse_uint(text).has_value() && (text.size() == 1 || text.front() != '0');
}

void write_yaml(JsonWriter& json, const config::YamlNode& node) {
  using Kind = config::YamlNode::Kind;
  switch (node.kind) {
    case Kind::kNull:
      json.null();
      return;
    case Kind::kScalar:
      if (!node.quoted && (node.text == "true" || node.text == "false")) {
        json.value(node.text == "true");
      } else if (!node.quoted && is_number(node.text)) {
        json.raw(node.text);
      } else {
        json.value(node.text);
      }
      return;
    case Kind::kList:
      json.begin_array();
      for (const config::YamlNode& item : node.items) write_yaml(json, item);
      json.end_array();
      return;
    case Kind::kMap:
      json.begin_object();
      for (const config::YamlMember& member : node.members) {
        json.key(member.key.text);
        write_yaml(json, member.value);
      }
      json.end_object();
      return;
  }
}

Result<std::string> read_tree(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kNotFound, "cannot open " + path);
  std::string text(admin::kTreeBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > admin::kTreeBytesMax) return fail(Code::kInvalid, path + ": above 4 MiB");
  std::string json;
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '{') {
    json = std::move(text);
  } else {
    std::vector<config::Problem> problems;
    const config::YamlNode tree = config::parse_yaml(text, problems);
    if (!problems.empty()) {
      return fail(Code::kInvalid, config::format_problem(path, problems.front()));
    }
    JsonWriter out(json);
    write_yaml(out, tree);
  }
  if (json.size() > admin::kTreeBytesMax) {
    return fail(Code::kInvalid, path + ": above 4 MiB as JSON");
  }
  const auto specs = admin::read_layer_tree(json);  // told here, with the file's name
  if (!specs) return fail(Code::kInvalid, path + ": " + specs.error().what);
  return json;
}

}  // namespace

int layers_create(const Invocation& call, const Programs&) {
  if (!keys::layer_kind(call.value("path"))) return no_such_path(call);
  const auto spec = spec_of(call, {});
  if (!spec) return complain(call, kUsage, "usage", spec.error().what);
  const auto reply = ask_house(call, "POST", kLayers, admin::write_layer_spec(*spec));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 201) return complain_of(call, *reply, kListLayers);
  return told(call, *reply, "created the layer " + spec->path);
}

int layers_set(const Invocation& call, const Programs&) {
  if (!keys::layer_kind(call.value("path"))) return no_such_path(call);
  const auto before = ask_house(call, "GET", target_of(call));
  if (!before) return exit_of_unasked(before.error());
  if (before->status != 200) return complain_of(call, *before, kListLayers);
  const auto body = JsonValue::parse(before->body);
  const auto held = body ? body->at("restrictions") : std::nullopt;
  if (!held) return unreadable(call);
  keys::LayerSpec base;
  base.owner = text_of(*body, "owner");
  base.expires_at = parse_utc(text_of(*body, "expires_at"));
  for (const auto& [member, value] : held->members()) {
    if (!read_restriction(member, value, base.restrictions)) return unreadable(call);
  }
  const auto spec = spec_of(call, std::move(base));
  if (!spec) return complain(call, kUsage, "usage", spec.error().what);
  std::string json;
  JsonWriter out(json);
  out.begin_object().field("owner", spec->owner);
  if (spec->expires_at) out.field("expires_at", format_utc(*spec->expires_at));
  out.key("restrictions").raw(restrictions_json(spec->restrictions)).end_object();
  const auto reply = ask_house(call, "PUT", target_of(call), json);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListLayers);
  return told(call, *reply, "changed the layer " + spec->path);
}

int layers_list(const Invocation& call, const Programs&) {
  constexpr Column kColumns[] = {{"path", "path", 40},
                                 {"kind", "kind", 13},
                                 {"status", "status", 8},
                                 {"expires", "expires_at", 24, "-"},
                                 {"owner", "owner"}};
  return print_list(call, std::string(kLayers), kColumns,
                    {"no layers; make one with  sallyport layers create PATH", kListLayers});
}

int layers_show(const Invocation& call, const Programs&) {
  if (!keys::layer_kind(call.value("path"))) return no_such_path(call);
  const auto reply = ask_house(call, "GET", target_of(call));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListLayers);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto layer = JsonValue::parse(reply->body);
  if (!layer) return unreadable(call);
  for (const char* member :
       {"path", "kind", "status", "owner", "created_at", "created_by", "expires_at",
        "issued_before", "revoked_at", "revoked_by", "revoked_why"}) {
    const std::string text = text_of(*layer, member);
    if (!text.empty()) call.out << fmt::format("{:<13} {}\n", member, text);
  }
  const auto held = layer->at("restrictions");
  Restrictions restrictions;
  for (const auto& [member, value] : held ? held->members() : decltype(held->members()){}) {
    if (!read_restriction(member, value, restrictions)) return unreadable(call);
  }
  for (const auto& [member, value] : restriction_lines(restrictions)) {
    call.out << fmt::format("{:<13} {}\n", member, value);
  }
  return kOk;
}

int layers_revoke(const Invocation& call, const Programs&) {
  if (!keys::layer_kind(call.value("path"))) return no_such_path(call);
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("why", call.value("why")).end_object();
  const auto reply = ask_house(call, "POST", target_of(call, "/revoke"), body);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListLayers);
  return told(call, *reply,
              "revoked " + call.value("path") + "; everything below it is dead now, and for good");
}

int layers_reissue(const Invocation& call, const Programs&) {
  if (!keys::layer_kind(call.value("path"))) return no_such_path(call);
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (call.has("before")) json.field("issued_before", call.value("before"));
  json.end_object();
  const auto reply = ask_house(call, "POST", target_of(call, "/reissue"),
                               call.has("before") ? std::string_view(body) : std::string_view());
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListLayers);
  return told(call, *reply,
              "keys below " + call.value("path") + " that were issued before " +
                  (call.has("before") ? call.value("before") : "now") + " are dead");
}

int layers_apply(const Invocation& call, const Programs&) {
  const Result<std::string> tree = read_tree(call.value("file"));
  if (!tree) return complain(call, kUsage, "usage", tree.error().what);
  const auto reply = ask_house(call, "PUT", kLayers, *tree);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListLayers);
  const auto body = JsonValue::parse(reply->body);
  const auto data = body ? body->at("data") : std::nullopt;
  if (!data) return unreadable(call);
  return told(call, *reply, fmt::format("applied {} layers", data->items().size()));
}

}  // namespace sallyport::cli
