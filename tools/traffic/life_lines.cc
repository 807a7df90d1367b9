// SPDX-License-Identifier: Apache-2.0
// Lines that honest life adds to the traffic: broken deploys, retries, strangers at the door,
// outages of the provider, administrators at work.
#include <algorithm>

#include "honest.h"
#include "life.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

Line refused(const Key& key, std::uint16_t index, Ms time, Fault fault, Dice& dice) {
  Line line = request(profile_at(key, time), time, dice);
  line.fault = fault;
  line.tokens_input = -1;
  line.tokens_output = -1;
  line.tokens_cached = 0;
  line.latency_ms = static_cast<std::int32_t>(dice.whole(1, 12));
  if (fault == Fault::kInvalidKey) {
    line.claimed = index;
    line.model = kNoModel;
    line.module = 0;
    line.purpose = 0;
  } else {
    line.key = index;
  }
  return line;
}

// A machine of ours asks again and again from its own place, and is refused.
void storm(World& world, std::uint16_t index, Fault fault, std::string_view shape, const Dice& root,
           Dice& dice) {
  const Key& key = world.keys[index];
  const Dice habits = habits_of(root, index);
  const Ms from = some_workday(world, key, dice.between(8, 19), dice);
  const Ms until = from + dice.whole(4, 50) * kMinute;
  const double usual = std::max(rate_at(key, from), key.per_hour * 0.3) / 3'600;
  const double per_second = std::min(usual * dice.log_between(1.3, 4.5), 8.0);
  Ms time = from;
  Happening benign{.shape = std::string(shape), .from = from, .until = until, .key = index};
  while (time < until) {
    Line line = refused(key, index, time, fault, dice);
    place(key, line, habits, dice);
    if (std::ranges::find(benign.addresses, line.address) == benign.addresses.end() &&
        benign.addresses.size() < 64) {
      benign.addresses.push_back(line.address);
    }
    world.lines.push_back(line);
    time += 1 + static_cast<Ms>(dice.exponential(1'000 / per_second));
  }
  world.truth.push_back(std::move(benign));
}

// A client that did not hear of its new credential: some 401, then all is well.
void stale_credential(World& world, std::uint16_t index, const Dice& root, Dice& dice) {
  const Key& key = world.keys[index];
  const Dice habits = habits_of(root, index);
  Ms time = some_day(world, key, dice.between(7, 21), dice);
  Happening benign{.shape = "stale_credential", .from = time, .until = time, .key = index};
  const std::int64_t count = dice.whole(3, 15);
  for (std::int64_t i = 0; i < count; ++i) {
    Line line = refused(key, index, time, Fault::kInvalidKey, dice);
    place(key, line, habits, dice);
    world.lines.push_back(line);
    benign.addresses = {line.address};
    benign.until = time;
    time += dice.whole(500, 20'000);
  }
  world.truth.push_back(std::move(benign));
}

// Scanners and the curious, from everywhere, a few tries each: the internet's ordinary noise.
void strangers(World& world, Dice dice) {
  const double per_day = dice.log_between(4, harsh(world) ? 60 : 25);
  const std::int64_t count = dice.poisson(per_day * world.options.days);
  const auto& all = networks();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::size_t network = dice.index(all.size());
    const Address address = draw_address(all[network], dice);
    Ms time = world.start + dice.whole(0, world.end - world.start - kHour);
    const std::int64_t tries = dice.whole(1, 3);
    for (std::int64_t n = 0; n < tries; ++n) {
      Line line;
      line.time = time;
      line.fault = Fault::kInvalidKey;
      line.network = static_cast<NetworkIndex>(network);
      line.address = address;
      line.endpoint = dice.chance(0.5) ? Endpoint::kModels : Endpoint::kChat;
      line.latency_ms = static_cast<std::int32_t>(dice.whole(0, 3));
      world.lines.push_back(line);
      time += dice.whole(200, 90'000);
    }
  }
  tell(world, "internet_noise", kNoKey, world.start, world.end);
}

// The provider fails for everybody; what failed is asked again.
void outage(World& world, Dice dice) {
  const Ms from = world.start + dice.whole(kDay, world.end - world.start - kDay);
  const Ms until = from + dice.whole(10, 90) * kMinute;
  const double share = dice.between(0.3, 0.95);
  const std::size_t before = world.lines.size();
  for (std::size_t i = 0; i < before; ++i) {
    Line line = world.lines[i];
    if (line.time < from || line.time >= until || line.fault != Fault::kNone) continue;
    if (!dice.chance(share)) continue;
    line.fault = Fault::kUpstream;
    line.tokens_input = -1;
    line.tokens_output = -1;
    line.tokens_cached = 0;
    world.lines[i] = line;
    const std::int64_t retries = dice.whole(0, 2);
    for (std::int64_t n = 0; n < retries; ++n) {
      line.time += dice.whole(600, 6'000);
      if (line.time < world.end) world.lines.push_back(line);
    }
  }
  tell(world, "provider_outage", kNoKey, from, until);
}

// The guard is wrong now and then: a text about injections is not one.
void suspected_texts(World& world, Dice dice) {
  const double alerts = harsh(world) ? 1.0 / 1'500 : 1.0 / 6'000;
  for (Line& line : world.lines) {
    if (line.fault != Fault::kNone || line.key == kNoKey) continue;
    const double u = dice.unit();
    if (u > alerts) continue;
    line.verdict = u < alerts / 15 ? Verdict::kBlock : Verdict::kAlert;
    line.score_percent = static_cast<std::uint8_t>(
        line.verdict == Verdict::kBlock ? dice.whole(80, 92) : dice.whole(40, 72));
    if (line.verdict != Verdict::kBlock) continue;
    line.fault = Fault::kInjection;
    line.tokens_input = -1;
    line.tokens_output = -1;
    line.tokens_cached = 0;
  }
}

void administrators(World& world, Dice dice) {
  if (world.options.fields == Fields::kMission) return;  // there such lines are not known
  const Office& office = world.offices[0];
  const Site at_home = household(office.country, dice);
  const Ms offset = utc_offset_h(office.country) * kHour;
  for (Ms day = world.start; day < world.end; day += kDay) {
    if (weekday(day) >= 5) continue;
    const std::int64_t mints = dice.whole(0, 3);
    for (std::int64_t i = 0; i < mints; ++i) {
      const bool late = dice.chance(0.15);
      const double hour = late ? dice.between(19, 22) : dice.between(8.5, 18);
      Line line;
      line.kind = LineKind::kMint;
      line.endpoint = Endpoint::kAdminKeys;
      line.time = std::max(world.start, day + static_cast<Ms>(hour * kHour) - offset);
      line.key = static_cast<std::uint16_t>(dice.index(world.keys.size()));
      const Site& site = late || dice.chance(0.2) ? at_home : office.site;
      line.network = site.network;
      line.address = address_at(site, line.time, dice.fork("admin"), dice);
      world.lines.push_back(line);
    }
  }
  tell(world, "admin_work", kNoKey, world.start, world.end);
}

}  // namespace

void emit_life(World& world, const Dice& root) {
  for (std::size_t i = 0; i < world.keys.size(); ++i) {
    const auto index = static_cast<std::uint16_t>(i);
    Dice dice = root.fork("storms", i);
    const KeyKind kind = world.keys[i].kind;
    const bool machine =
        kind == KeyKind::kService || kind == KeyKind::kCi || kind == KeyKind::kCron;
    if (machine && happens(world, dice, {0.35, 0.1})) {
      storm(world, index, Fault::kInvalidKey, "broken_deploy", root, dice);
    }
    if (machine && happens(world, dice, {0.35, 0.1})) {
      storm(world, index, Fault::kRateLimit, "retry_storm", root, dice);
    }
    if (machine && happens(world, dice, {0.2, 0.05})) {
      storm(world, index, Fault::kServer, "server_errors", root, dice);
    }
    if (happens(world, dice, {0.4, 0.15})) stale_credential(world, index, root, dice);
  }
  Dice dice = root.fork("provider");
  if (happens(world, dice, {0.7, 0.3})) outage(world, dice.fork("first"));
  suspected_texts(world, root.fork("texts"));
  strangers(world, root.fork("strangers"));
  administrators(world, root.fork("administrators"));
}

}  // namespace sallyport::traffic
