// SPDX-License-Identifier: Apache-2.0
// Keys take less than 200 bytes each beyond their names: counted, not estimated.
#include <gtest/gtest.h>
#include <malloc.h>

#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

constexpr int kKeys = 20'000;
const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

// Gives many rows once, and keeps none of them.
class ManyRows final : public KeyStore {
 public:
  std::size_t name_bytes = 0;

  Result<Mark> mark() override { return Mark{}; }
  Result<std::vector<KeyRow>> load(std::uint64_t) override {
    std::vector<KeyRow> rows(kKeys);
    for (int i = 0; i < kKeys; ++i) {
      KeyInfo& key = rows[static_cast<std::size_t>(i)].info;
      key.kid = std::to_string(i);
      key.kid.insert(0, kKidBytes - key.kid.size(), 'k');
      key.name = "user_" + std::to_string(i) + "_readonly";
      key.owner = "team " + std::to_string(i % 500);
      key.version = static_cast<std::uint64_t>(i) + 1;
      key.created_at = kStart;
      key.created_by = "admin";
      key.expires_at = kStart + 8h;
      key.layer = "acme/p" + std::to_string(i % 100);
      key.restrictions.read_only = i % 2 == 0;
      key.restrictions.models = {"gpt-" + std::to_string(i % 50)};
      name_bytes += key.name.size();
    }
    return rows;
  }
  Result<std::vector<LayerRow>> load_layers(std::uint64_t) override {
    std::vector<LayerRow> rows(101);
    for (int i = 0; i < 101; ++i) {
      LayerInfo& layer = rows[static_cast<std::size_t>(i)].info;
      layer.path = i == 100 ? "acme" : "acme/p" + std::to_string(i);
      layer.version = static_cast<std::uint64_t>(i) + 1;
    }
    return rows;
  }
  Result<std::uint64_t> insert(const KeyRow&, UtcTime) override { return no<std::uint64_t>(); }
  Result<KeyRow> revoke(const Revocation&) override { return no<KeyRow>(); }
  Result<std::vector<KeyRow>> revoke_all(std::span<const Revocation>) override {
    return no<std::vector<KeyRow>>();
  }
  Result<std::vector<KeyRow>> block(std::span<const Blocking>) override {
    return no<std::vector<KeyRow>>();
  }
  Result<std::vector<KeyRow>> update(std::span<const KeyInfo>) override {
    return no<std::vector<KeyRow>>();
  }
  Result<Rotated> rotate(const Rotation&, UtcTime) override { return no<Rotated>(); }
  Result<KeyRow> retire(std::string_view, UtcTime) override { return no<KeyRow>(); }
  Result<std::vector<TokenRevocation>> load_tokens(std::uint64_t) override {
    return std::vector<TokenRevocation>{};
  }
  Result<TokenRevocation> revoke_token(const TokenRevocation&) override {
    return no<TokenRevocation>();
  }
  Result<std::vector<LayerRow>> put_layers(std::span<const LayerInfo>) override {
    return no<std::vector<LayerRow>>();
  }
  Result<LayerRow> end_layer(const LayerEnding&) override { return no<LayerRow>(); }
  Result<void> remac(std::span<const Remac>) override { return no<void>(); }
  Result<void> forget(UtcTime) override { return no<void>(); }
  Result<void> note_used(std::span<const KeyUse>) override { return no<void>(); }

 private:
  template <typename T>
  static Result<T> no() {
    return fail(Code::kUnavailable, "rows only");
  }
};

std::size_t in_use() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

TEST(KeyMemory, AKeyTakesLessThan200BytesBeyondItsName) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers count otherwise";
#endif
#endif
  ManyRows store;
  ManualClock clock{kStart};
  Config config;
  config.pepper = Secret(std::string(32, 'p'));
  const std::size_t before = in_use();
  const auto ring = KeyRing::open(config, store, clock).value();
  const std::size_t held = in_use() - before;
  ASSERT_EQ(ring->list().size(), static_cast<std::size_t>(kKeys)) << "all of them are there";
  const double each = static_cast<double>(held - store.name_bytes) / kKeys;
  EXPECT_LT(each, 200) << "bytes a key beyond its name";
  EXPECT_GT(each, 50) << "an entry is larger than that: what was counted?";
  RecordProperty("bytes_a_key", std::to_string(each));
  printf("%.1f bytes a key beyond its name\n", each);
}

}  // namespace
}  // namespace sallyport::keys
