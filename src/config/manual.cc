// SPDX-License-Identifier: Apache-2.0
#include "config/manual.h"

#include <algorithm>
#include <vector>

#include "base/json_writer.h"
#include "config/field_value.h"
#include "config/fields.h"
#include "config/suggestion.h"

namespace sallyport::config {
namespace {

// A configuration in which every section stands once with its defaults.
struct Defaults {
  Config config;
  http::ListenerConfig listener;
  upstream::UpstreamConfig upstream;
  keys::IdentityMapping identity;
  keys::DeliveryConfig delivery;
  notify::SinkConfig sink;
  audit::WitnessConfig witness;
  Place place() {
    return {.config = &config,
            .listener = &listener,
            .upstream = &upstream,
            .identity = &identity,
            .delivery = &delivery,
            .sink = &sink,
            .witness = &witness};
  }
};

std::string default_of(const Field& field) {
  Defaults defaults;
  std::string shown = show(field, defaults.place());
  if (shown.empty() && std::ranges::find(field.words, "none") != field.words.end()) return "none";
  return shown;
}

bool is_list(Type type) {
  return type == Type::kTexts || type == Type::kPatterns || type == Type::kNetworks;
}

const char* pattern_of(Type type) {
  switch (type) {
    case Type::kName:
      return "^[a-z0-9][a-z0-9_-]{0,62}$";
    case Type::kDuration:
      return "^[0-9]+(ms|s|m|h|d)$|^\\$\\{(env|cred):[^}]+\\}$";
    case Type::kSize:
      return "^[0-9]+(B|KiB|MiB|GiB)?$|^\\$\\{(env|cred):[^}]+\\}$";
    case Type::kPercent:
      return "^[0-9]{1,3}%$|^\\$\\{(env|cred):[^}]+\\}$";
    case Type::kUsd:
      return "^[0-9]+(\\.[0-9]{1,9})?$|^\\$\\{(env|cred):[^}]+\\}$";
    case Type::kSecret:
      return "^(\\$\\{(env|cred):[^}]+\\}|file:.+)$";
    default:
      return nullptr;
  }
}

void write_leaf(JsonWriter& json, const Field& field) {
  json.begin_object().field("description", field.meaning);
  if (field.type == Type::kBool) {
    json.field("type", "boolean");
  } else if (field.type == Type::kInteger) {
    json.field("type", "integer").field("minimum", field.min).field("maximum", field.max);
  } else if (is_list(field.type)) {
    json.field("type", "array").key("items").begin_object().field("type", "string").end_object();
  } else if (field.type == Type::kTextMap) {
    json.field("type", "object").key("additionalProperties");
    json.begin_object().field("type", "string").end_object();
  } else if (field.type == Type::kSize || field.type == Type::kUsd) {
    json.key("type").begin_array().value("string").value("number").end_array();
  } else {
    json.field("type", "string");
  }
  if (const char* pattern = pattern_of(field.type)) json.field("pattern", pattern);
  if (field.type == Type::kWord) {
    json.key("enum").begin_array();
    for (const std::string_view word : field.words) json.value(word);
    json.end_array();
  }
  const std::string value = default_of(field);
  if (field.type == Type::kBool) {
    json.field("default", value == "true");
  } else if (field.type == Type::kInteger) {
    json.key("default").raw(value);
  } else if (!value.empty() && !is_list(field.type) && field.type != Type::kTextMap) {
    json.field("default", value);
  }
  json.field("x-reload", field.reload == Reload::kRestart ? "restart" : "live").end_object();
}

// The object below `prefix` ("" or "http." or "upstream[]."): its own fields, then its sections.
void write_object(JsonWriter& json, const std::string& prefix) {
  json.begin_object().field("type", "object").field("additionalProperties", false);
  if (prefix.empty()) json.key("required").begin_array().value("version").end_array();
  json.key("properties").begin_object();
  if (prefix.empty()) json.key("version").begin_object().key("const").value(1).end_object();
  std::vector<std::string> done;
  for (const Field& field : fields()) {
    if (!field.path.starts_with(prefix)) continue;
    const std::string_view rest = field.path.substr(prefix.size());
    const std::string name(rest.substr(0, rest.find_first_of(".[")));
    if (std::ranges::find(done, name) != done.end()) continue;
    done.push_back(name);
    json.key(name);
    if (name.size() == rest.size()) {
      write_leaf(json, field);
    } else if (rest[name.size()] == '[') {
      json.begin_object().field("type", "array").field("minItems", 1).key("items");
      write_object(json, prefix + name + "[].");
      json.end_object();
    } else {
      write_object(json, prefix + name + ".");
    }
  }
  json.end_object().end_object();
}

std::string without_marks(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '[') {
      out += path[i];
      continue;
    }
    const std::size_t end = path.find(']', i);
    if (end == std::string_view::npos) break;
    i = end;
  }
  return out;
}

std::vector<const Field*> matching(std::string_view path) {
  const std::string wanted = without_marks(path);
  std::vector<const Field*> found;
  for (const Field& field : fields()) {
    const std::string name = without_marks(field.path);
    if (name == wanted || name.starts_with(wanted + ".")) found.push_back(&field);
  }
  return found;
}

std::unexpected<Error> not_found(std::string_view path) {
  const std::string wanted = without_marks(path);
  for (const Unavailable& later : unavailable()) {
    const std::string name = without_marks(later.path);
    if (wanted != name && !wanted.starts_with(name + ".")) continue;
    return fail(Code::kNotFound, std::string(path) + " is not available in this version: " +
                                     std::string(later.what));
  }
  std::vector<std::string> names;
  for (const Field& field : fields()) names.push_back(without_marks(field.path));
  std::string what = "there is no field " + std::string(path.substr(0, 80));
  if (const auto near = nearest(wanted, names)) what += "; did you mean " + *near + "?";
  return fail(Code::kNotFound, std::move(what));
}

std::string in_words(const Field& field) {
  std::string out(field.path);
  out += "\n  " + std::string(field.meaning) + "\n  takes    " + describe(field) + "\n";
  const std::string value = default_of(field);
  out += "  default  " + (value.empty() ? std::string("none") : value) + "\n";
  if (!field.example.empty()) out += "  example  " + std::string(field.example) + "\n";
  out += std::string("  reload   ") +
         (field.reload == Reload::kRestart ? "a change needs a restart" : "live") + "\n";
  return out;
}

std::string escape_cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, "\\");
  }
  return text;
}

}  // namespace

std::string json_schema() {
  std::string body;
  JsonWriter json(body);
  write_object(json, "");
  std::string out =
      "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"sallyport.yaml\",";
  return out + body.substr(1) + "\n";
}

Result<std::string> explain(std::string_view path) {
  const std::vector<const Field*> found = matching(path);
  if (found.empty()) return not_found(path);
  std::string out;
  for (const Field* field : found) out += (out.empty() ? "" : "\n") + in_words(*field);
  return out;
}

Result<std::string> explain_json(std::string_view path) {
  const std::vector<const Field*> found = matching(path);
  if (found.empty()) return not_found(path);
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const Field* field : found) {
    json.begin_object()
        .field("field", field->path)
        .field("meaning", field->meaning)
        .field("takes", describe(*field))
        .field("default", default_of(*field))
        .field("example", field->example)
        .field("reload", field->reload == Reload::kRestart ? "restart" : "live")
        .end_object();
  }
  json.end_array();
  return out + "\n";
}

std::string manual() {
  std::string out =
      "# Configuration\n\n"
      "Generated from the table in `src/config/fields.cc` by `sallyport config explain --all`; a "
      "test "
      "fails when this page is stale.\n\n"
      "`sallyport config check` tells everything that is wrong with a file, each with line and "
      "column. `sallyport config explain FIELD` prints a row of this page, `sallyport config "
      "schema` "
      "a JSON Schema for editors.\n\n"
      "- The file is YAML with `version: 1`. Unknown or doubled fields, anchors, aliases, merge "
      "keys, "
      "tags and further documents are refused.\n"
      "- Booleans are `true` and `false` only. Units stand in the value: `60s`, `64KiB`, `50%`.\n"
      "- Secrets are references: `${env:NAME}`, `${cred:NAME}` (a systemd credential) or "
      "`file:/path` (one trailing newline is stripped). A reference is always the whole value; "
      "inside "
      "braces `{}` it is quoted.\n"
      "- Paths that are not absolute count from the folder of the configuration file.\n"
      "- A reload (SIGHUP) takes live fields at once; a changed field marked *restart* keeps its "
      "running value, and the log names it.\n";
  std::string section;
  for (const Field& field : fields()) {
    const std::string name(field.path.substr(0, field.path.find_first_of(".[")));
    if (name != section) {
      section = name;
      out += "\n## " + section +
             "\n\n| field | meaning | takes | default | reload |\n|---|---|---|---|---|\n";
    }
    const std::string value = default_of(field);
    out += "| `" + std::string(field.path) + "` | " + escape_cell(std::string(field.meaning)) +
           " | " + escape_cell(describe(field)) + " | " +
           (value.empty() ? "none" : "`" + value + "`") + " | " +
           (field.reload == Reload::kRestart ? "restart" : "live") + " |\n";
  }
  out +=
      "\n## Not in this version\n\nThese sections and fields are refused, so that nobody believes "
      "a control is on that is not.\n\n| field | so |\n|---|---|\n";
  for (const Unavailable& later : unavailable()) {
    out += "| `" + std::string(later.path) + "` | " + std::string(later.what) + " |\n";
  }
  return out;
}

}  // namespace sallyport::config
