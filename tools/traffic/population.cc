// SPDX-License-Identifier: Apache-2.0
#include "population.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace sallyport::traffic {
namespace {

constexpr std::array kKinds = {
    KeyKind::kService,   KeyKind::kDeveloper, KeyKind::kTeam,   KeyKind::kNightly,
    KeyKind::kService,   KeyKind::kDeveloper, KeyKind::kWeekly, KeyKind::kCi,
    KeyKind::kCron,      KeyKind::kShared,    KeyKind::kTeam,   KeyKind::kService,
    KeyKind::kDeveloper, KeyKind::kService,   KeyKind::kTeam,   KeyKind::kDeveloper};

NetworkIndex any_network(std::string_view country, NetworkKind kind, Dice& dice) {
  std::vector<NetworkIndex> found = networks_of(country, kind);
  if (found.empty()) found = networks_of(country, NetworkKind::kEyeball);
  if (found.empty()) found = networks_of(country, NetworkKind::kMobile);
  if (found.empty()) found = networks_of(kind);
  return dice.pick(found);
}

void make_offices(World& world, Dice dice) {
  std::vector<std::string_view> places = office_countries();
  dice.shuffle(places);
  const std::int64_t count = dice.whole(2, 4);
  for (std::int64_t i = 0; i < count; ++i) {
    Office office{.country = places[static_cast<std::size_t>(i)], .site = {}};
    office.site.network = any_network(office.country, NetworkKind::kEyeball, dice);
    const std::int64_t exits = dice.whole(1, 3);  // shared by everybody in the office
    const Address first = draw_address(networks()[office.site.network], dice);
    for (std::int64_t n = 0; n < exits; ++n) {
      office.site.addresses.push_back({first.high, first.low + static_cast<std::uint64_t>(n)});
    }
    world.offices.push_back(office);
  }
}

void make_regions(World& world, Dice dice) {
  std::vector<NetworkIndex> clouds = networks_of(NetworkKind::kCloud);
  dice.shuffle(clouds);
  const std::int64_t count = dice.whole(2, 4);
  for (std::int64_t i = 0; i < count; ++i) {
    world.regions.push_back(cloud_region(clouds[static_cast<std::size_t>(i)], dice, 6));
  }
}

std::pair<std::uint8_t, std::uint8_t> draw_use(Dice& dice) {
  const bool has_module = dice.chance(0.9);
  const bool has_purpose = dice.chance(0.9);
  const auto module = static_cast<std::uint8_t>(dice.whole(1, 15));
  const auto purpose = static_cast<std::uint8_t>(dice.whole(1, 10));
  return {has_module ? module : std::uint8_t{0}, has_purpose ? purpose : std::uint8_t{0}};
}

Profile make_profile(KeyKind kind, bool harsh, Dice& dice) {
  Profile profile;
  const bool batch = kind == KeyKind::kNightly || kind == KeyKind::kWeekly;
  const std::vector<std::uint16_t> cheap = {0, 2, 4, 7};
  const std::vector<std::uint16_t> good = {1, 3, 5, 6, 8, 9, 10};
  profile.models.push_back(dice.pick(dice.chance(0.6) || batch ? cheap : good));
  if (dice.chance(0.5)) profile.models.push_back(dice.pick(good));
  if (kind == KeyKind::kDeveloper && dice.chance(0.5)) profile.models.push_back(dice.pick(good));
  for (std::size_t i = 0; i < profile.models.size(); ++i) {
    profile.model_weights.push_back(i == 0 ? 1 : dice.between(0.03, 0.5));
  }
  const std::int64_t uses = kind == KeyKind::kTeam ? dice.whole(1, 4) : dice.whole(1, 2);
  for (std::int64_t i = 0; i < uses; ++i) {
    profile.uses.push_back(draw_use(dice));
  }
  profile.endpoint = dice.chance(0.6) ? Endpoint::kChat : Endpoint::kResponses;
  if ((kind == KeyKind::kService || batch) && dice.chance(0.15)) {
    profile.endpoint = Endpoint::kEmbeddings;
    profile.models = {static_cast<std::uint16_t>(dice.whole(14, 15))};
    profile.model_weights = {1};
  }
  profile.input_median = dice.log_between(150, kind == KeyKind::kDeveloper ? 12'000 : 4'000);
  profile.input_sd = dice.between(0.3, harsh ? 1.3 : 0.9);
  profile.output_median = dice.log_between(30, 900);
  profile.output_sd = dice.between(0.25, harsh ? 1.0 : 0.7);
  profile.long_share = dice.chance(0.6) ? dice.between(0, harsh ? 0.012 : 0.004) : 0;
  profile.cached_share = dice.chance(0.4) ? dice.between(0.2, 0.7) : 0;
  profile.stream_share = is_person(kind) || kind == KeyKind::kTeam ? dice.between(0.3, 1) : 0;
  return profile;
}

void settle(World& world, Key& key, Dice& dice) {
  const Office& office = dice.pick(world.offices);
  key.country = office.country;
  key.utc_offset_h = utc_offset_h(office.country);
  switch (key.kind) {
    case KeyKind::kService:
    case KeyKind::kCron:
    case KeyKind::kNightly:
    case KeyKind::kWeekly: {
      Site site = dice.pick(world.regions);
      if (key.kind != KeyKind::kService && dice.chance(0.25)) site = office.site;
      site.addresses.resize(
          std::min<std::size_t>(site.addresses.size(), static_cast<std::size_t>(dice.whole(1, 4))));
      if (key.kind == KeyKind::kService && dice.chance(harsh(world) ? 0.12 : 0.05)) {
        site.habit = AddressHabit::kAny;  // functions without a server of their own
      }
      key.sites.push_back(site);
      break;
    }
    case KeyKind::kCi: {
      Site runners{.network = any_network("US", NetworkKind::kCloud, dice),
                   .habit = AddressHabit::kAny,
                   .addresses = {}};
      key.sites.push_back(dice.chance(0.6) ? runners : dice.pick(world.regions));
      break;
    }
    case KeyKind::kTeam:
      key.sites.push_back(office.site);
      key.sites.push_back(household(office.country, dice));
      key.second_share = dice.between(0.02, 0.25);
      break;
    case KeyKind::kDeveloper:
      key.sites.push_back(office.site);
      key.sites.push_back(household(office.country, dice));
      key.second_share = dice.between(0.15, 0.8);
      if (dice.chance(0.2)) std::swap(key.sites[0], key.sites[1]);
      break;
    case KeyKind::kShared:
      key.sites.push_back(office.site);
      key.sites.push_back(world.offices[dice.index(world.offices.size())].site);
      key.second_share = 0.5;
      break;
  }
}

void give_rhythm(Key& key, bool harsh, Dice& dice) {
  key.noise_shape = harsh ? dice.log_between(5, 40) : dice.log_between(20, 90);
  key.fault_share = dice.between(0.002, 0.02);
  key.weekend = dice.between(0.3, 1);
  key.night = dice.between(0.1, 0.8);
  key.lasts_h = dice.between(8, 10);
  key.starts_h = dice.between(8, 10);
  switch (key.kind) {
    case KeyKind::kService:
      key.per_hour = std::clamp(dice.log_normal(60, 1.0), 4.0, 900.0);
      key.burst = dice.chance(0.3) ? dice.between(1, 4) : 1;
      break;
    case KeyKind::kTeam:
    case KeyKind::kShared:
      key.per_hour = dice.log_between(12, 160);
      key.burst = dice.between(1, 3);
      key.burst_gap = 20 * kSecond;
      key.weekend = 0.02;
      break;
    case KeyKind::kDeveloper:
      key.per_hour = dice.log_between(5, 45);
      key.burst = dice.between(2, 14);  // an agent asks a dozen times on its own
      key.burst_gap = dice.whole(4, 25) * kSecond;
      key.weekend = dice.chance(0.4) ? dice.between(0.05, 0.3) : 0.01;
      break;
    case KeyKind::kCi:
      key.per_hour = dice.log_between(30, 150);
      key.burst = dice.between(15, 60);
      key.burst_gap = 2 * kSecond;
      key.weekend = 0.05;
      break;
    case KeyKind::kCron:
      key.per_hour = dice.log_between(5, 120);  // all in the first minutes of the hour
      key.starts_h = dice.between(0, 0.9);
      key.weekend = 1;
      break;
    case KeyKind::kNightly:
      key.per_hour = dice.log_between(150, 1'500);
      key.starts_h = dice.between(0.5, 4.5);
      key.lasts_h = dice.between(0.4, 2.5);
      key.weekend = dice.chance(0.5) ? 1 : 0;
      break;
    case KeyKind::kWeekly:
      key.per_hour = dice.log_between(400, 2'500);
      key.starts_h = 3;
      key.lasts_h = dice.between(0.6, 3);
      break;
  }
}

std::string id_of(KeyKind kind, int number) {
  switch (kind) {
    case KeyKind::kService:
      return fmt::format("svc_{:02}", number);
    case KeyKind::kTeam:
      return fmt::format("team_{:02}_app", number);
    case KeyKind::kDeveloper:
      return fmt::format("user_{:02}_dev", number);
    case KeyKind::kCi:
      return fmt::format("ci_{:02}", number);
    case KeyKind::kCron:
      return fmt::format("cron_{:02}", number);
    case KeyKind::kNightly:
      return fmt::format("batch_{:02}_nightly", number);
    case KeyKind::kWeekly:
      return fmt::format("batch_{:02}_weekly", number);
    case KeyKind::kShared:
      return fmt::format("shared_{:02}", number);
  }
  return "";
}

}  // namespace

std::string_view name(KeyKind kind) {
  switch (kind) {
    case KeyKind::kService:
      return "service";
    case KeyKind::kTeam:
      return "team";
    case KeyKind::kDeveloper:
      return "developer";
    case KeyKind::kCi:
      return "ci";
    case KeyKind::kCron:
      return "cron";
    case KeyKind::kNightly:
      return "nightly_batch";
    case KeyKind::kWeekly:
      return "weekly_batch";
    case KeyKind::kShared:
      return "shared";
  }
  return "";
}

Site household(std::string_view country, Dice& dice) {
  Site site;
  site.network = any_network(country, NetworkKind::kEyeball, dice);
  site.habit = dice.chance(0.4) ? AddressHabit::kDaily : AddressHabit::kFixed;
  site.addresses.push_back(draw_address(networks()[site.network], dice));
  return site;
}

Site phone(std::string_view country, Dice& dice) {
  Site site;
  site.network = any_network(country, NetworkKind::kMobile, dice);
  site.habit = AddressHabit::kDaily;
  return site;
}

Site cloud_region(NetworkIndex network, Dice& dice, int addresses) {
  Site site{.network = network, .habit = AddressHabit::kFixed, .addresses = {}};
  for (int i = 0; i < addresses; ++i) {
    site.addresses.push_back(draw_address(networks()[network], dice));
  }
  return site;
}

std::uint16_t next_model(std::uint16_t model) {
  switch (model) {
    case 0:
    case 2:
      return 4;
    case 4:
      return 7;
    case 1:
    case 3:
      return 5;
    case 5:
      return 6;
    case 14:
      return 15;
    default:
      return 8;
  }
}

void populate(World& world, const Dice& root) {
  make_offices(world, root.fork("offices"));
  make_regions(world, root.fork("regions"));
  for (int i = 0; i < world.options.keys; ++i) {
    Dice dice = root.fork("key", static_cast<std::uint64_t>(i));
    Key key;
    key.kind = kKinds[static_cast<std::size_t>(i) % kKinds.size()];
    key.id = id_of(key.kind, i + 1);
    key.begins = world.start;
    settle(world, key, dice);
    give_rhythm(key, harsh(world), dice);
    key.per_hour *= world.options.volume;
    key.profile = make_profile(key.kind, harsh(world), dice);
    // Every log begins with some keys that are new in it.
    if (i > 3 && dice.chance(harsh(world) ? 0.2 : 0.1)) {
      const Ms day = dice.whole(1, world.options.days * 2 / 3);
      key.begins = world.start + day * kDay + dice.whole(0, 23) * kHour;
    }
    world.keys.push_back(std::move(key));
  }
  for (std::size_t i = 0; i < world.keys.size(); ++i) {
    const Key& key = world.keys[i];
    world.truth.push_back({.shape = fmt::format("ordinary_{}", name(key.kind)),
                           .from = key.begins,
                           .until = world.end,
                           .key = static_cast<std::uint16_t>(i)});
  }
}

}  // namespace sallyport::traffic
