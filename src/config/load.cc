// SPDX-License-Identifier: Apache-2.0
// The walk over the tree. Every name is looked up in the table of fields.cc; there is no second
// list.
#include "config/load.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <tuple>

#include "base/text.h"
#include "config/checks.h"
#include "config/field_value.h"
#include "config/fields.h"
#include "config/suggestion.h"
#include "config/yaml_tree.h"

namespace sallyport::config {
namespace {

constexpr std::size_t kListItemsMax = 256;  // listeners or upstreams in one file

class Loader {
 public:
  explicit Loader(const Surroundings& around) : around_(around) {}

  LoadResult load(std::string_view text) {
    const YamlNode root = parse_yaml(text, problems_);
    const bool readable = problems_.empty();
    refuse_provider_keys(text);
    if (root.kind == YamlNode::Kind::kMap) {
      read_version(root);
      walk(root, "", "", Place{.config = &config_});
    } else if (readable) {
      tell(root, "", "a configuration is a list of sections; write version: 1 on the first line");
    }
    finish();
    if (readable && root.kind == YamlNode::Kind::kMap) look_together();
    sort(problems_);
    sort(warnings_);
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    return Loaded{std::move(config_), std::move(warnings_), std::move(where_)};
  }

 private:
  // What looks at several fields says nothing about those that are wrong already: it saw their
  // defaults.
  void look_together() {
    std::vector<Problem> more;
    check_together(config_, where_, around_.follow_secrets, more, warnings_);
    const std::size_t count = problems_.size();
    for (Problem& problem : more) {
      const auto told = [&](const Problem& one) { return concerns(one.field, problem.field); };
      const auto end = problems_.begin() + static_cast<std::ptrdiff_t>(count);
      if (std::any_of(problems_.begin(), end, told)) continue;
      problems_.push_back(std::move(problem));
    }
  }

  static std::string without_index(std::string_view field) {
    std::string out;
    bool index = false;
    for (const char c : field) {
      index = (index || c == '[') && c != ']';
      if (!index) out += c;
    }
    return out;
  }

  // The same field, or one inside the other.
  static bool concerns(std::string_view one, std::string_view other) {
    if (one.size() > other.size()) std::swap(one, other);
    // Entries of a list are compared with each other: one that is wrong leaves its default there.
    if (without_index(one) == without_index(other)) return true;
    if (one.empty() || !other.starts_with(one)) return false;
    return one.size() == other.size() || other[one.size()] == '.' || other[one.size()] == '[';
  }

  static void sort(std::vector<Problem>& told) {
    std::ranges::sort(told, {}, [](const Problem& problem) {
      return std::tie(problem.line, problem.column, problem.field, problem.message);
    });
  }

  void tell(const YamlNode& at, std::string_view field, std::string message) {
    problems_.push_back({at.line, at.column, std::string(field), std::move(message)});
  }

  void read_version(const YamlNode& root) {
    for (const auto& [key, value] : root.members) {
      if (key.text != "version") continue;
      if (value.kind == YamlNode::Kind::kScalar && value.text == "1" && !value.quoted) return;
      return tell(value, "version", "this program reads version: 1");
    }
    problems_.push_back({1, 1, "version", "missing; write version: 1 on the first line"});
  }

  // A pasted credential is refused wherever it stands, also in a comment. The value is not shown.
  void refuse_provider_keys(std::string_view text) {
    int line = 1;
    for (std::size_t at = 0; at < text.size(); ++line) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      if (const auto found = find_provider_key(text.substr(at, end - at))) {
        key_lines_.push_back(line);
        problems_.push_back(
            {line, static_cast<int>(*found) + 1, "",
             "something that looks like a provider's key stands in the file; revoke it if it is "
             "real, and use ${env:NAME}, ${cred:NAME} or file:/path"});
      }
      at = end + 1;
    }
  }

  void walk(const YamlNode& map, const std::string& schema, const std::string& shown, Place place) {
    for (const auto& [key, value] : map.members) {
      if (schema.empty() && key.text == "version") continue;
      const std::string child = schema.empty() ? key.text : schema + "." + key.text;
      const std::string name = shown.empty() ? key.text : shown + "." + key.text;
      if (looks_like_provider_key(key.text)) continue;  // told already, and not to be repeated
      if (!is_field_name(key.text)) {
        tell(key, shown_path(shown, key.text),
             "unknown field; a name has no dot and no bracket, write the section");
        continue;
      }
      if (refuse_unavailable(child, name, key)) continue;
      if (const Field* field = find_field(child)) {
        where_[name] = {value.line, value.column};
        set(*field, name, value, place);
      } else if (has_fields_below(child + ".")) {
        where_[name] = {key.line, key.column};
        walk_section(value, child, name, place);
      } else if (has_fields_below(child + "[].")) {
        where_[name] = {key.line, key.column};
        walk_list(value, child, name);
      } else {
        tell(key, shown_path(shown, key.text), "unknown field" + hint(schema, key.text));
      }
    }
  }

  // A name that spells a path ("upstream[].name") would be found in the table without the section
  // that it needs.
  static bool is_field_name(std::string_view text) {
    return text.find_first_of(".[]") == std::string_view::npos;
  }

  void walk_section(const YamlNode& value, const std::string& schema, const std::string& shown,
                    Place place) {
    if (value.kind == YamlNode::Kind::kNull) return;  // `http:` alone: all defaults
    if (value.kind != YamlNode::Kind::kMap)
      return tell(value, shown, "must be a section of fields");
    walk(value, schema, shown, place);
  }

  void walk_list(const YamlNode& value, const std::string& schema, const std::string& shown) {
    if (value.kind != YamlNode::Kind::kList) {
      return tell(value, shown, "must be a list; begin each entry with \"- \"");
    }
    if (value.items.empty()) return tell(value, shown, "must have at least one entry");
    if (value.items.size() > kListItemsMax) return tell(value, shown, "more than 256 entries");
    const bool listeners = schema == "http.listeners";
    if (listeners) config_.http.listeners.clear();
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const YamlNode& item = value.items[i];
      const std::string name = shown + "[" + std::to_string(i) + "]";
      where_[name] = {item.line, item.column};
      Place place{.config = &config_};
      if (listeners) {
        place.listener = &config_.http.listeners.emplace_back();
      } else if (schema == "keys.identity_exchange") {
        place.identity = &config_.keys.identity_exchange.emplace_back();
      } else if (schema == "keys.deliver") {
        place.delivery = &config_.keys.deliver.emplace_back();
      } else if (schema == "audit.witness") {
        place.witness = &config_.audit.witness.emplace_back();
      } else if (schema == "notify") {
        place.sink = &config_.notify.sinks.emplace_back();
      } else {
        place.upstream = &config_.upstream.upstreams.emplace_back();
      }
      if (item.kind != YamlNode::Kind::kMap) {
        tell(item, name, "must be a section of fields");
        continue;
      }
      walk(item, schema + "[]", name, place);
    }
  }

  void set(const Field& field, const std::string& name, const YamlNode& value, Place place) {
    std::string note;
    const auto set = set_field(field, value, around_, place, note);
    // A key in this line was told already; a second message would say the same.
    const bool told = std::ranges::find(key_lines_, value.line) != key_lines_.end();
    if (!set && !told) tell(value, name, set.error());
    if (!note.empty()) warnings_.push_back({value.line, value.column, name, note});
  }

  bool refuse_unavailable(const std::string& schema, const std::string& name, const YamlNode& key) {
    for (const Unavailable& later : unavailable()) {
      if (schema != later.path) continue;
      tell(key, name,
           "not available in this version: " + std::string(later.what) +
               ". Remove it, so that nobody believes it is on");
      return true;
    }
    return false;
  }

  static bool has_fields_below(std::string_view prefix) {
    return std::ranges::any_of(fields(),
                               [&](const Field& field) { return field.path.starts_with(prefix); });
  }

  // The sections before it are known; the name itself may be a key that was pasted there.
  static std::string shown_path(const std::string& section, const std::string& name) {
    return (section.empty() ? "" : section + ".") + shown_name(name);
  }

  // "; did you mean http.head_bytes_max?" from the names that may stand here, then from everywhere.
  static std::string hint(const std::string& schema, const std::string& word) {
    const std::string prefix = schema.empty() ? "" : schema + ".";
    std::vector<std::string> here{};
    if (schema.empty()) here.push_back("version");
    for (const Field& field : fields()) {
      if (!field.path.starts_with(prefix)) continue;
      std::string_view rest = field.path.substr(prefix.size());
      rest = rest.substr(0, rest.find_first_of(".["));
      if (std::ranges::find(here, rest) == here.end()) here.emplace_back(rest);
    }
    if (const auto near = nearest(word, here)) return "; did you mean " + prefix + *near + "?";
    for (const Field& field : fields()) {
      const std::string_view last = field.path.substr(field.path.rfind('.') + 1);
      if (last == word) return "; did you mean " + std::string(field.path) + "?";
    }
    return "; here may stand: " + join(here);
  }

  static std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
  }

  // Defaults that depend on other fields.
  void finish() {
    audit::fill_paths(config_.audit, config_.store.path.substr(0, config_.store.path.rfind('/')));
    for (upstream::UpstreamConfig& upstream : config_.upstream.upstreams) {
      if (upstream.api_key && upstream.api_key_id.empty()) upstream.api_key_id = upstream.name;
    }
  }

  const Surroundings& around_;
  Config config_;
  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
  std::vector<int> key_lines_;  // lines in which something looks like a provider's key
  Positions where_;
};

}  // namespace

LoadResult load_text(std::string_view text, const Surroundings& around) {
  return Loader(around).load(text);
}

LoadResult load_file(const std::string& file) {
  return load_file(file, process_surroundings(file));
}

LoadResult load_file(const std::string& file, const Surroundings& around) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return std::unexpected(
        std::vector<Problem>{{0, 0, "", std::string("cannot be read: ") + std::strerror(errno)}});
  }
  std::string text;
  text.resize(kFileBytesMax + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  LoadResult result = load_text(text, around);
  explicit_bzero(text.data(), text.size());  // somebody may have pasted a secret into it
  return result;
}

}  // namespace sallyport::config
