// SPDX-License-Identifier: Apache-2.0
// Numbers to values, at most so many: at the limit one that was not used for long goes - exactly
// the longest where kExact says so; else by second chance, which leaves the neighbours' memory
// alone when an entry is used. Entries that have proved themselves (promote()) form a second queue,
// which newcomers cannot push out as long as they fill more than an eighth of the table themselves.
// Grows with use; values do not move. The order of both queues is part of a saved state, so a
// restart forgets the same ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace sallyport::detect {

template <class Value, bool kExact = false>
class BoundedTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  explicit BoundedTable(std::size_t entries_max)
      : entries_max_(std::max<std::size_t>(entries_max, 8)), index_(16) {}

  Value* find(std::uint64_t key) {
    const std::uint32_t at = place_of(key);
    return at == kNone ? nullptr : &nodes_[at].value;
  }
  const Value* find(std::uint64_t key) const {
    const std::uint32_t at = place_of(key);
    return at == kNone ? nullptr : &nodes_[at].value;
  }

  // Asks for all of an entry's memory at once: with many keys the wait for it is most of the work.
  void prefetch(std::uint64_t key) const {
    const std::uint32_t at = place_of(key);
    if (at == kNone) return;
    const auto* begin = reinterpret_cast<const char*>(&nodes_[at].value);
    for (std::size_t i = 0; i < sizeof(Value); i += 64) __builtin_prefetch(begin + i, 1);
  }

  // The entry, as the most recently used one; made if it is not there. `evicted` is called with the
  // entry that has to go for it.
  template <class Evicted>
  Value& touch(std::uint64_t key, Evicted&& evicted) {
    std::uint32_t at = place_of(key);
    if (at == kNone) {
      at = make(key, std::forward<Evicted>(evicted));
    } else if constexpr (kExact) {
      unlink(at);
      link(at);
    } else {
      nodes_[at].used = 1;
    }
    return nodes_[at].value;
  }
  Value& touch(std::uint64_t key) {
    return touch(key, [](Value&) {});
  }

  void promote(std::uint64_t key) {
    const std::uint32_t at = place_of(key);
    if (at == kNone || nodes_[at].proven != 0) return;
    unlink(at);
    nodes_[at].proven = 1;
    link(at);
  }

  void restore(std::uint64_t key, std::uint32_t marks) {
    if ((marks & 1) != 0) promote(key);
    const std::uint32_t at = place_of(key);
    if (at != kNone) nodes_[at].used = marks >> 1 & 1;
  }

  void erase(std::uint64_t key) {
    const std::uint32_t at = place_of(key);
    if (at == kNone) return;
    unlink(at);
    remove_from_index(key);
    nodes_[at].value = Value{};
    free_.push_back(at);
  }

  std::size_t size() const { return nodes_.size() - free_.size(); }

  // The one used longest ago, of all (proven or not, as asked); null when there is none.
  Value* oldest(bool proven = false) {
    const std::uint32_t at = queues_[proven ? 1 : 0].oldest;
    return at == kNone ? nullptr : &nodes_[at].value;
  }

  // In the order of the queues, newcomers first; with the marks that restore() takes.
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::uint32_t proven = 0; proven < 2; ++proven) {
      for (std::uint32_t at = queues_[proven].oldest; at != kNone; at = nodes_[at].newer) {
        visit(nodes_[at].key, nodes_[at].value, (proven | nodes_[at].used << 1));
      }
    }
  }

 private:
  struct Node {
    std::uint64_t key = 0;
    std::uint32_t older = kNone, newer = kNone;
    std::uint16_t proven = 0, used = 0;
    Value value{};
  };
  struct Queue {
    std::uint32_t oldest = kNone, newest = kNone;
    std::size_t size = 0;
  };

  // With some bits of the key, so that a search touches no entry but the right one.
  struct Place {
    std::uint32_t at = kNone;
    std::uint32_t tag = 0;
  };

  static std::uint32_t tag_of(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 8); }

  std::size_t slot(std::uint64_t key) const {
    return (key * 0x9E3779B97F4A7C15ULL >> 20) & (index_.size() - 1);
  }

  std::uint32_t place_of(std::uint64_t key) const {
    const std::uint32_t tag = tag_of(key);
    for (std::size_t i = slot(key); index_[i].at != kNone; i = (i + 1) & (index_.size() - 1)) {
      if (index_[i].tag == tag && nodes_[index_[i].at].key == key) return index_[i].at;
    }
    return kNone;
  }

  template <class Evicted>
  std::uint32_t make(std::uint64_t key, Evicted&& evicted) {
    if (size() >= entries_max_) {
      const bool young = queues_[0].size > entries_max_ / 8 || queues_[1].oldest == kNone;
      const Queue& queue = queues_[young ? 0 : 1];
      while (nodes_[queue.oldest].used != 0) {
        const std::uint32_t spared = queue.oldest;
        nodes_[spared].used = 0;
        unlink(spared);
        link(spared);
      }
      const std::uint32_t out = queue.oldest;
      evicted(nodes_[out].value);
      erase(nodes_[out].key);
    }
    std::uint32_t at;
    if (free_.empty()) {
      at = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      at = free_.back();
      free_.pop_back();
    }
    nodes_[at].key = key;
    nodes_[at].proven = 0;
    nodes_[at].used = 0;
    if (size() * 2 > index_.size()) rebuild(at);
    put(key, at);
    link(at);
    return at;
  }

  void put(std::uint64_t key, std::uint32_t at) {
    std::size_t i = slot(key);
    while (index_[i].at != kNone) i = (i + 1) & (index_.size() - 1);
    index_[i] = {.at = at, .tag = tag_of(key)};
  }

  void rebuild(std::uint32_t without) {
    index_.assign(index_.size() * 2, Place{});
    for (std::uint32_t proven = 0; proven < 2; ++proven) {
      for (std::uint32_t at = queues_[proven].oldest; at != kNone; at = nodes_[at].newer) {
        if (at != without) put(nodes_[at].key, at);
      }
    }
  }

  // Linear probing: those behind move up, so that no search ends too early.
  void remove_from_index(std::uint64_t key) {
    const std::size_t mask = index_.size() - 1;
    std::size_t i = slot(key);
    while (nodes_[index_[i].at].key != key) i = (i + 1) & mask;
    for (std::size_t j = (i + 1) & mask; index_[j].at != kNone; j = (j + 1) & mask) {
      const std::size_t home = slot(nodes_[index_[j].at].key);
      if (((j - home) & mask) >= ((j - i) & mask)) {
        index_[i] = index_[j];
        i = j;
      }
    }
    index_[i] = Place{};
  }

  void link(std::uint32_t at) {
    Node& node = nodes_[at];
    Queue& queue = queues_[node.proven];
    node.older = queue.newest;
    node.newer = kNone;
    if (queue.newest != kNone) nodes_[queue.newest].newer = at;
    queue.newest = at;
    if (queue.oldest == kNone) queue.oldest = at;
    ++queue.size;
  }

  void unlink(std::uint32_t at) {
    Node& node = nodes_[at];
    Queue& queue = queues_[node.proven];
    (node.older == kNone ? queue.oldest : nodes_[node.older].newer) = node.newer;
    (node.newer == kNone ? queue.newest : nodes_[node.newer].older) = node.older;
    --queue.size;
  }

  std::size_t entries_max_;
  std::vector<Place> index_;
  std::deque<Node> nodes_;
  std::vector<std::uint32_t> free_;
  Queue queues_[2];
};

}  // namespace sallyport::detect
