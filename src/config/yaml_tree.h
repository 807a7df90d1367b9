// SPDX-License-Identifier: Apache-2.0
// A YAML file as a tree that knows where each value stands. Stricter than YAML: duplicate keys,
// anchors, aliases, merge keys, tags, keys that are not words, and a second document are problems,
// because each lets two readers of one file believe different things. yaml-cpp stays in the .cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"

namespace sallyport::config {

inline constexpr std::size_t kFileBytesMax = 1 << 20;  // a configuration beyond it is a mistake
inline constexpr int kDepthMax = 16;

struct YamlMember;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap } kind = Kind::kNull;
  int line = 0, column = 0;
  std::string text;     // of a scalar
  bool quoted = false;  // a quoted "true" is text, not a boolean
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;
};

struct YamlMember {
  YamlNode key;  // a scalar; each stands once in its map
  YamlNode value;
};

// The tree of what could be read; everything that is wrong is added to `problems`.
YamlNode parse_yaml(std::string_view text, std::vector<Problem>& problems);

}  // namespace sallyport::config
