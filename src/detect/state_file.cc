// SPDX-License-Identifier: Apache-2.0
// What the watch has learnt, as bytes: a head with the version and the sizes of the parts, then the
// tables from the longest unused entry to the last used, then CRC-32C of all before. States are
// plain numbers in this machine's byte order; another order, size or version is refused, not
// converted.
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/text.h"
#include "detect/parts.h"

namespace sallyport::detect {
namespace {

constexpr std::string_view kMark = "sallyport-watch 1\n";
constexpr std::uint32_t kOrder = 0x01020304;

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void bytes(std::string_view text) { out_.append(text); }
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  template <class Value, bool kExact, class Each>
  void table(const BoundedTable<Value, kExact>& table, Each&& each) {
    put(static_cast<std::uint64_t>(table.size()));
    table.each([&](std::uint64_t key, const Value& value, std::uint32_t marks) {
      put(key);
      put(static_cast<std::uint8_t>(marks));
      each(value);
    });
  }
  template <class Value, bool kExact>
  void table(const BoundedTable<Value, kExact>& all) {
    table(all, [this](const Value& value) { put(value); });
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool bytes(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  template <class T>
  bool get(T& value) {
    if (rest_.size() < sizeof(T)) return false;
    std::memcpy(static_cast<void*>(&value), rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return true;
  }
  bool text(std::string& out, std::size_t size) {
    if (rest_.size() < size) return false;
    out.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }
  template <class Value, bool kExact, class Each>
  bool table(BoundedTable<Value, kExact>& table, Each&& each) {
    std::uint64_t count = 0;
    if (!get(count)) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t key = 0;
      std::uint8_t marks = 0;
      if (!get(key) || !get(marks) || marks > 3) return false;
      if (!each(table.touch(key))) return false;
      table.restore(key, marks);
    }
    return true;
  }
  template <class Value, bool kExact>
  bool table(BoundedTable<Value, kExact>& all) {
    return table(all, [this](Value& value) { return get(value); });
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

struct Sizes {
  std::uint32_t order = kOrder, key = sizeof(KeyState), source = sizeof(Source),
                incident = sizeof(Incident), use = sizeof(NetworkUse),
                peers = sizeof(Peers::Numbers), many = sizeof(CredentialStuffing::Many),
                intent = sizeof(OpenIntent);
  friend bool operator==(const Sizes&, const Sizes&) = default;
};

bool read_keys(Reader& in, BoundedTable<KeyEntry>& keys) {
  return in.table(keys, [&](KeyEntry& entry) {
    std::uint16_t length = 0;
    if (!in.get(length) || length > 256 || !in.text(entry.name, length)) return false;
    return in.get(entry.state) && entry.state.sane() && entry.state.id == key_hash(entry.name);
  });
}

}  // namespace

void Watch::save(std::string& out) const {
  const Parts& parts = *parts_;
  const std::size_t begin = out.size();
  Writer to(out);
  to.bytes(kMark);
  to.put(Sizes{});
  to.put(parts.time);
  to.put(parts.seen);
  to.put(parts.peers.numbers());
  to.put(parts.stuffing.many());
  to.table(parts.keys, [&](const KeyEntry& entry) {
    to.put(static_cast<std::uint16_t>(entry.name.size()));
    to.bytes(entry.name);
    to.put(entry.state);
  });
  to.table(parts.peers.networks());
  to.table(parts.stuffing.sources());
  to.table(parts.stuffing.subnets());
  to.table(parts.incidents.table());
  to.table(parts.incidents.places());
  to.table(parts.intents);
  to.table(parts.credentials);
  to.put(parts.injections);
  to.put(crc32c(std::string_view(out).substr(begin)));
}

Result<void> Watch::load(std::string_view state) {
  auto fresh = std::make_unique<Parts>(parts_->config, parts_->geography);
  const std::size_t tail = sizeof(std::uint32_t);
  Reader in(state);
  Sizes sizes;
  if (!in.bytes(kMark) || !in.get(sizes) || sizes != Sizes{}) {
    return fail(Code::kInvalid, "no state of this version of the watch");
  }
  if (state.size() < tail) return fail(Code::kCorrupt, "the watch's state is cut short");
  std::uint32_t crc = 0;
  std::memcpy(&crc, state.data() + state.size() - tail, tail);
  if (crc != crc32c(state.substr(0, state.size() - tail))) {
    return fail(Code::kCorrupt, "the watch's state is damaged");
  }
  Parts& parts = *fresh;
  std::uint32_t end = 0;
  const bool well = in.get(parts.time) && in.get(parts.seen) && in.get(parts.peers.numbers()) &&
                    in.get(parts.stuffing.many()) && read_keys(in, parts.keys) &&
                    in.table(parts.peers.networks()) && in.table(parts.stuffing.sources()) &&
                    in.table(parts.stuffing.subnets()) && in.table(parts.incidents.table()) &&
                    in.table(parts.incidents.places()) && in.table(parts.intents) &&
                    in.table(parts.credentials) && in.get(parts.injections) && in.get(end) &&
                    in.done();
  if (!well) return fail(Code::kCorrupt, "the watch's state does not fit together");
  if (!std::isfinite(parts.stuffing.many().usual)) {
    return fail(Code::kCorrupt, "the watch's state does not fit together");
  }
  parts.peers.count_again();
  parts_ = std::move(fresh);
  return {};
}

}  // namespace sallyport::detect
