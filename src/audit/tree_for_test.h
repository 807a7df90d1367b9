// SPDX-License-Identifier: Apache-2.0
// A tree in memory, all levels of it, for tests.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "audit/merkle.h"

namespace sallyport::audit {

class TreeInMemory final : public NodeSource {
 public:
  void append(std::string_view record) {
    levels_[0].push_back(leaf_hash(record));
    for (std::size_t level = 0; levels_[level].size() % 2 == 0; ++level) {
      if (level + 1 == levels_.size()) levels_.emplace_back();
      const auto& row = levels_[level];
      levels_[level + 1].push_back(node_hash(row[row.size() - 2], row[row.size() - 1]));
    }
  }
  std::uint64_t size() const { return levels_[0].size(); }
  Result<TreeHash> node(int level, std::uint64_t index) override {
    const auto l = static_cast<std::size_t>(level);
    if (l >= levels_.size() || index >= levels_[l].size()) {
      return fail(Code::kNotFound, "no such node");
    }
    return levels_[l][index];
  }

 private:
  std::vector<std::vector<TreeHash>> levels_{1};
};

}  // namespace sallyport::audit
