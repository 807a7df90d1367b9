// SPDX-License-Identifier: Apache-2.0
// Numbers to the order in which they first came: an open-addressing table for the inner loops of
// scans, where a node of its own for each entry would cost a cache miss a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sallyport::audit {

class FlatIndex {
 public:
  FlatIndex() { clear(); }

  // The number's place in keys(), and whether it is new there.
  std::pair<std::uint32_t, bool> add(std::uint64_t key) {
    std::size_t at = slot(key);
    while (slots_[at] != 0) {
      const std::uint32_t index = slots_[at] - 1;
      if (keys_[index] == key) return {index, false};
      at = (at + 1) & mask_;
    }
    keys_.push_back(key);
    slots_[at] = static_cast<std::uint32_t>(keys_.size());
    const auto index = static_cast<std::uint32_t>(keys_.size() - 1);
    if (keys_.size() * 2 > slots_.size()) grow(slots_.size() * 2);
    return {index, true};
  }
  const std::vector<std::uint64_t>& keys() const { return keys_; }  // at most 2^31
  std::size_t size() const { return keys_.size(); }
  void clear() {
    keys_.clear();
    grow(1'024);
  }

 private:
  std::size_t slot(std::uint64_t key) const {
    return static_cast<std::size_t>((key ^ key >> 31) * 0x9E3779B97F4A7C15ull >> 20) & mask_;
  }
  void grow(std::size_t slots) {
    slots_.assign(slots, 0);
    mask_ = slots - 1;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::size_t at = slot(keys_[i]);
      while (slots_[at] != 0) at = (at + 1) & mask_;
      slots_[at] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::vector<std::uint32_t> slots_;  // 0: free; else place in keys_ + 1
  std::vector<std::uint64_t> keys_;
  std::size_t mask_ = 0;
};

}  // namespace sallyport::audit
