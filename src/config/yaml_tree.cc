// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "config/references.h"

namespace sallyport::config {
namespace {

struct TooDeep {};  // leaves yaml-cpp's recursion from inside a callback; caught below

// Collects events into nodes. A map's keys and values come as alternating nodes.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<Problem>& problems) : problems_(problems) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(node(YamlNode::Kind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    tell(mark, "aliases (*name) are not allowed; write the value out");
    add(node(YamlNode::Kind::kNull, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    YamlNode scalar = node(YamlNode::Kind::kScalar, mark);
    scalar.text = value;
    scalar.quoted = tag == "!";
    add(std::move(scalar));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open(YamlNode::Kind::kList, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open(YamlNode::Kind::kMap, mark);
  }
  void OnMapEnd() override { close(); }

  YamlNode take_root() { return std::move(root_); }

 private:
  struct Open {
    YamlNode node;
    bool has_key = false;
    YamlNode key;
  };

  static YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark) {
    YamlNode made;
    made.kind = kind;
    made.line = mark.line + 1;
    made.column = mark.column + 1;
    return made;
  }
  void tell(const YAML::Mark& mark, std::string message) {
    problems_.push_back({mark.line + 1, mark.column + 1, "", std::move(message)});
  }
  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) tell(mark, "anchors (&name) are not allowed; write the value out");
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    tell(mark, "tags (!name) are not allowed");
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark) {
    if (stack_.size() >= static_cast<std::size_t>(kDepthMax)) {
      tell(mark, "nested too deep");
      throw TooDeep{};
    }
    stack_.push_back({node(kind, mark), false, {}});
  }
  void close() {
    YamlNode done = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(done));
  }
  void add(YamlNode child) {
    if (stack_.empty()) {
      root_ = std::move(child);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(child));
    } else if (!parent.has_key) {
      parent.key = std::move(child);
      parent.has_key = true;
    } else {
      parent.has_key = false;
      add_member(parent, std::move(child));
    }
  }
  void add_member(Open& parent, YamlNode value) {
    YamlNode& key = parent.key;
    const auto tell_key = [&](std::string message) {
      problems_.push_back({key.line, key.column, "", std::move(message)});
    };
    if (key.kind != YamlNode::Kind::kScalar) return tell_key("a field's name must be a word");
    if (key.text == "<<") return tell_key("merge keys (<<) are not allowed; write the fields out");
    for (const auto& [earlier, unused] : parent.node.members) {
      if (earlier.text != key.text) continue;
      return tell_key("duplicate field " + shown_name(key.text) + "; it already stands on line " +
                      std::to_string(earlier.line));
    }
    if (value.kind == YamlNode::Kind::kNull) {  // yaml-cpp says it stands on the next line
      value.line = key.line;
      value.column = key.column;
    }
    parent.node.members.push_back({std::move(key), std::move(value)});
  }

  std::vector<Problem>& problems_;
  YamlNode root_;
  std::vector<Open> stack_;
};

// yaml-cpp guesses UTF-16 and passes control characters on; a configuration has neither.
bool is_plain_text(std::string_view text, std::vector<Problem>& problems) {
  int line = 1, column = 1;
  const auto tell = [&](const char* what) {
    problems.push_back({line, column, "", what});
    return false;
  };
  if (text.size() > kFileBytesMax) return tell("the file is larger than 1 MiB");
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    std::size_t length = 1;
    if (byte >= 0x80) {
      length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
      if (byte < 0xC2 || byte > 0xF4 || i + length > text.size()) return tell("not UTF-8");
      for (std::size_t k = 1; k < length; ++k) {
        if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return tell("not UTF-8");
      }
      if (text.substr(i, 3) == "\xEF\xBB\xBF") return tell("byte order mark; save without one");
    } else if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F) {
      return tell("control character");
    }
    column = byte == '\n' ? 1 : column + 1;
    line += byte == '\n' ? 1 : 0;
    i += length;
  }
  return true;
}

}  // namespace

YamlNode parse_yaml(std::string_view text, std::vector<Problem>& problems) {
  if (!is_plain_text(text, problems)) return {};
  TreeBuilder first(problems);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(first)) return {};
    std::vector<Problem> ignored;
    TreeBuilder second(ignored);
    if (parser.HandleNextDocument(second)) {
      const YamlNode root = second.take_root();
      problems.push_back({root.line, root.column, "", "a second document (---) is not allowed"});
    }
  } catch (const YAML::Exception& broken) {
    // `what()` may quote the text; `msg` is one of yaml-cpp's fixed sentences.
    std::string message = "not YAML: " + broken.msg;
    if (looks_like_provider_key(message)) message = "not YAML";
    problems.push_back(
        {std::max(broken.mark.line, 0) + 1, std::max(broken.mark.column, 0) + 1, "", message});
  } catch (const TooDeep&) {
  }
  return first.take_root();
}

std::string format_problem(const std::string& file, const Problem& problem) {
  std::string out = file;
  if (problem.line > 0) {
    out += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
  }
  out += ": ";
  if (!problem.field.empty()) out += problem.field + ": ";
  return out + problem.message;
}

}  // namespace sallyport::config
