// SPDX-License-Identifier: Apache-2.0
// What a key check costs, and how long a start with 100,000 keys takes. Budget (facts: keys,
// section 14): 1 us a check, 2 s a start. Usage: keys_bench [keys]
#include <fmt/core.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "keys/key_ring.h"
#include "provider/endpoints.h"
#include "store/sqlite.h"
#include "store/sqlite_keys.h"

namespace {

using namespace sallyport;
using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

// Rows as the ring would write them, but in one transaction: 100,000 fsyncs measure the disk.
void fill(const store::Config& config, int count) {
  const auto keys = store::SqliteKeys::open(config).value();  // makes the schema
  const auto database = store::Sqlite::open(config.path).value();
  const auto transaction = store::Transaction::begin(*database).value();
  for (int i = 0; i < count; ++i) {
    const auto insert = database
                            ->prepare(
                                "INSERT INTO keys (kid, mac, pepper_id, state, name, created_at, "
                                "created_by, expires_at, endpoints) "
                                "VALUES (?1, randomblob(32), 'deadbeef', 'active', ?2, "
                                "1790000000000, 'bench', 4000000000000, "
                                "'POST /v1/responses' || char(10))")
                            .value();
    const std::string name = "key_" + std::to_string(i);
    insert->bind(1, std::string_view(random_base62(12)))
        .bind(2, std::string_view(name))
        .run()
        .value();
  }
  transaction->commit().value();
}

void time(const char* what, int rounds, auto&& work) {
  const auto start = Steady::now();
  for (int i = 0; i < rounds; ++i) work();
  fmt::print("{:<40} {:8.1f} ns\n", what, seconds_since(start) / rounds * 1e9);
}

// Keys that are none of ours: each search goes to another place in memory; typing errors never get
// to a table.
void storm(keys::KeyRing::Reader& reader, UtcTime now) {
  constexpr int kRounds = 2'000'000;
  volatile bool sink = false;
  std::vector<Secret> strangers;
  for (int i = 0; i < 4096; ++i) strangers.push_back(keys::mint_key());
  std::size_t next = 0;
  time("check, 4096 unknown kids in turn", kRounds, [&] {
    const Secret& one = strangers[next++ % strangers.size()];
    sink = reader.check(one.reveal(), {.now = now}).principal != nullptr;
  });
  std::string mistyped(strangers[0].reveal());
  mistyped[30] = mistyped[30] == 'x' ? 'y' : 'x';
  const auto start = Steady::now();
  for (int i = 0; i < kRounds; ++i) {
    sink = reader.check(mistyped, {.now = now}).principal != nullptr;
  }
  const double each = seconds_since(start) / kRounds;
  fmt::print("{:<40} {:8.1f} ns\n", "check, bad checksum", each * 1e9);
  fmt::print("{:<40} {:8.3f} % of a core\n", "20,000 of them a second", each * 20'000 * 100);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::stoi(argv[1]) : 100'000;
  std::string folder = (std::filesystem::temp_directory_path() / "keys_bench_XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  store::Config config;
  config.path = folder + "/keys.db";
  fill(config, count);

  keys::Config policy;
  policy.pepper = Secret(std::string(32, 'p'));
  SystemClock clock;
  const auto start = Steady::now();
  const auto store = store::SqliteKeys::open(config).value();
  const auto ring = keys::KeyRing::open(policy, *store, clock).value();
  fmt::print("{:<40} {:8.3f} s\n", fmt::format("start with {} keys", count), seconds_since(start));

  const auto spec = [](std::string name, std::string layer = {}) {
    keys::KeySpec made;
    made.name = std::move(name);
    made.layer = std::move(layer);
    return made;
  };
  for (const char* path : {"acme", "acme/support", "acme/support/user_42"}) {
    keys::LayerSpec layer;
    layer.path = path;
    layer.restrictions =
        parse_restrictions(R"({"cidr":["10.0.0.0/8"],"models":["gpt-5*"]})").value();
    ring->put_layer(layer, "bench").value();
  }
  const keys::CreatedKey key = ring->create(spec("bench"), "bench").value();
  const keys::CreatedKey deep = ring->create(spec("deep", "acme/support/user_42"), "bench").value();
  const IpAddress source = IpAddress::parse("10.1.2.3").value();
  const Secret stranger = keys::mint_key();
  const UtcTime now = clock.now();
  keys::KeyRing::Reader reader = keys::KeyRing::Reader::make(*ring).value();
  volatile bool sink = false;
  constexpr int kRounds = 2'000'000;
  time("check, valid key", kRounds,
       [&] { sink = reader.check(key.text.reveal(), {.now = now}).principal != nullptr; });
  time("check, valid key below three layers", kRounds, [&] {
    sink = reader.check(deep.text.reveal(), {.now = now, .source = &source}).principal != nullptr;
  });
  time("check, unknown kid", kRounds,
       [&] { sink = reader.check(stranger.reveal(), {.now = now}).principal != nullptr; });
  storm(reader, now);
  time("check, bad format", kRounds,
       [&] { sink = reader.check("sk-nothing", {.now = now}).principal != nullptr; });
  time("endpoint, first row", kRounds,
       [&] { sink = provider::find_endpoint("POST", "/v1/chat/completions").may_stream; });
  time("endpoint, unknown", kRounds,
       [&] { sink = provider::find_endpoint("POST", "/v1/unknown").may_stream; });
  time("create and revoke, durable", 20, [&] {
    sink = ring->create(spec("x"), "bench").has_value();
    sink = ring->revoke("x", "bench").has_value();
  });
  time("poll without news", 10'000, [&] { sink = ring->refresh_if_changed().value(); });
  std::filesystem::remove_all(folder);
  return 0;
}
