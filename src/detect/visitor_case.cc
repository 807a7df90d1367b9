// SPDX-License-Identifier: Apache-2.0
#include "detect/visitor_case.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "detect/key_state.h"
#include "detect/peers.h"

namespace sallyport::detect {
namespace {

constexpr Second kQuietAfter = 6 * kHour;
constexpr Second kInTurns = 15 * 60;  // home within so long: both are at it
constexpr double kContextMax = 4.6, kContextMaxMachineAbroad = 6.8, kContextMaxInTurns = 8;
constexpr double kContextMaxMachineCloud = 5.2;  // services move from cloud to cloud
// Who shares a key uses it in turns by nature.
constexpr double kContextMaxShared = 5.2;
constexpr int kSharedAddressBits = 8;
constexpr double kContextMaxOwnOperator = 5.2;  // another region of the same cloud
constexpr float kKnowsItself = 30;              // requests at home before its habits say anything

// P(log residual >= r) for hours of spread s: log-normal with a 7 % wide tail.
double tail(double r, double s) {
  const auto upper = [](double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); };
  return 0.93 * upper(r / s) + 0.07 * upper(r / (2.2 * s));
}

template <class T, std::size_t N>
bool insert(std::array<T, N>& set, std::uint32_t& count, T value) {
  for (std::uint32_t i = 0; i < count; ++i) {
    if (set[i] == value) return false;
  }
  if (count < N) set[count++] = value;
  return true;
}

}  // namespace

bool VisitorCase::open(Second now) const { return requests_ > 0 && now - last_ < kQuietAfter; }

void VisitorCase::home(const Sighting& sighting) {
  ++home_requests_;
  home_after_ = sighting.now;
}

void VisitorCase::begin(const Sighting& sighting, const KeyState& key) {
  *this = VisitorCase();
  opened_ = sighting.now;
  home_before_ = key.last_home;
}

void VisitorCase::meet_network(const Sighting& s, const KeyState& key, const Peers& peers) {
  if (!insert(networks_, network_count_, s.network)) return;
  insert(asns_, asn_count_, s.operated_by != 0 ? s.operated_by : s.network);
  by_asn_ = by_asn_ || s.asn != 0;
  own_operator_ = own_operator_ && key.networks.home_operator(s.operated_by);
  if (s.country != 0) insert(countries_, country_count_, s.country);

  const float days = key.days(s.now);
  const bool foreign = s.country != 0 && !key.networks.home_country(s.country);
  float novelty;
  if (foreign) {
    novelty = 0.8F * std::min(4.0F, -std::log((0.2F + key.networks.new_countries()) / (2 + days)));
    if (!peers.country_known(s.country)) novelty += 0.7F;
  } else {
    novelty = 0.45F * std::min(3.2F, -std::log((0.5F + key.networks.adoptions()) / (2 + days)));
  }
  novelty_ = network_count_ == 1 ? novelty : std::max(novelty_, novelty);
  abroad_ = abroad_ || foreign;

  const std::uint32_t others = s.strange ? 0 : peers.keys_at(s.network);
  const float organisation = others >= 2 ? -1.5F : others == 1 ? -0.8F : 0;
  // The least innocent of the networks counts.
  organisation_ = network_count_ == 1 ? organisation : std::max(organisation_, organisation);
  const std::uint32_t mates = s.strange ? 0 : peers.movers(s.network, key.id, s.now);
  const float moved = mates >= 3 ? -3.0F : mates >= 2 ? -1.5F : 0;
  mates_ = network_count_ == 1 ? moved : std::max(mates_, moved);

  float centre = 0;
  if (s.datacentre && !key.networks.any_datacentre()) centre = foreign ? 1.8F : 1.3F;
  if (!s.datacentre && key.networks.all_datacentre()) centre = s.asn != 0 ? 1.8F : 0.9F;
  datacentre_ = std::max(datacentre_, centre);
  in_datacentre_ = in_datacentre_ || s.datacentre;
}

void VisitorCase::count(const Sighting& s, const KeyState& key, const Peers& peers) {
  const bool in_turns = requests_ > 0 && home_after_ != 0 && s.now - home_after_ <= kInTurns;
  if (in_turns) ++alternations_;
  home_after_ = 0;
  meet_network(s, key, peers);
  if (requests_ > 0 && s.requests > 0 && s.network != last_network_) ++hops_;
  last_network_ = s.network;
  if (s.requests > 0) ++requests_;
  last_ = s.now;
  windows_.add(s.now, s.new_tokens(), s.requests);
  // What it asks for and may not have tells as much as what it gets.
  if (s.model != 0 && (s.works() || s.status == 403 || s.status == 404) &&
      key.profile.models.count(s.model) < 2) {
    insert(models_, model_count_, s.model);
  }
  if (s.failed) {
    ++refused_;
    denied_ += s.status == 403 ? 1 : 0;
    return;
  }
  if (s.status == 0) return;
  ++answered_;
  if (s.tokens_input > 0) log_input_ += std::log(1 + s.tokens_input), inputs_ += 1;
  if (s.tokens_output > 0) log_output_ += std::log(1 + s.tokens_output), outputs_ += 1;
  if (s.purpose != 0 && key.profile.purposes.count(s.purpose) == 0) ++strange_purposes_;
  if (s.endpoint != 0 && key.profile.endpoints.count(s.endpoint) == 0) ++strange_endpoints_;
}

Maybe VisitorCase::visit(const Sighting& s, KeyState& key, const Peers& peers, const Config& config,
                         double extra) {
  if (!open(s.now)) begin(s, key);
  acts_ = acts_ || extra != 0;
  count(s, key, peers);
  if (requests_ < 3 && extra == 0) return std::nullopt;

  Verdict verdict;
  Sum sum;
  add_context(sum, verdict, s, key);
  add_behaviour(sum, verdict, s, key);
  const bool machine_abroad = key.machine(s.now) && abroad_;
  // A service that moves from cloud to cloud runs in both for a while.
  const bool moves = in_datacentre_ && key.networks.all_datacentre();
  double most = kContextMax;
  if (own_operator_) {
    most = kContextMaxOwnOperator;
  } else if (abroad_ && alternations_ >= 2 && key.profile.address_bits() > kSharedAddressBits) {
    most = kContextMaxShared;
  } else if (abroad_ && alternations_ >= 2 && !moves) {
    most = kContextMaxInTurns;
  } else if (machine_abroad) {
    most = moves ? kContextMaxMachineCloud : kContextMaxMachineAbroad;
  }
  double context = std::min(sum.context, most);
  const double age = static_cast<double>(s.now - opened_) / kHour;
  if (requests_ >= 10 && sum.behaviour < 0.5 && age > 1) context *= std::exp(-(age - 1) / 6);
  if (extra != 0) {
    verdict.add("act", extra);
    sum.behaviour += extra;
  }
  const double few = requests_ < 6 && extra == 0 ? -0.8 : 0;
  const double score = context + sum.behaviour + few;
  if (score < config.medium_score) return std::nullopt;

  verdict.score = score;
  verdict.add("context", context);
  verdict.add("behaviour", sum.behaviour);
  verdict.add("few_requests", few);
  verdict.add("requests", requests_);
  verdict.add("minutes", age * 60);
  verdict.severity = score >= config.critical_score ? Severity::kCritical
                     : score >= config.high_score   ? Severity::kHigh
                                                    : Severity::kMedium;
  // One nature alone is no proof, unless the key does not travel or home is at work as well.
  const int natures = (context >= 0.5 ? 1 : 0) + sum.strong;
  const bool one_nature = natures < 2 || sum.behaviour < 0.5;
  const bool proven = machine_abroad || alternations_ >= 2;
  if (one_nature && !proven) verdict.severity = Severity::kMedium;
  if (config.geography_stale) verdict.severity = Severity::kMedium;
  verdict.family = sum.hopping >= 2 && sum.hopping > novelty_ ? Family::kIpHopping
                   : abroad_                                  ? Family::kNewCountry
                                                              : Family::kNewNetwork;
  verdict.words = verdict.family == Family::kIpHopping
                      ? "used from one unknown network after another"
                  : abroad_ ? "used from a country where it is not at home"
                            : "used from a network where it is not at home";
  if (sum.volume >= 2) verdict.also |= bit(Family::kTokenSpike);
  if (sum.hopping >= 2) verdict.also |= bit(Family::kIpHopping);
  if (sum.silent >= 1.5) verdict.also |= bit(Family::kOffHoursSurge);
  if (sum.size >= 2) verdict.also |= bit(Family::kOutputAnomaly);
  return verdict;
}

void VisitorCase::add_context(Sum& sum, Verdict& verdict, const Sighting& s,
                              const KeyState& key) const {
  const auto add = [&](std::string_view name, double value) {
    if (value == 0) return;
    verdict.add(name, value);
    sum.context += value;
  };
  const double age = static_cast<double>(s.now - opened_) / kHour;
  add(abroad_ ? "novelty_country" : "novelty_network", novelty_);
  add("organisation_knows_it", organisation_);
  add("others_moved_there", mates_);
  add("datacentre", datacentre_);
  if (key.machine(s.now)) add("machine", abroad_ ? 3.0 : 0.8);

  if (alternations_ > 0) {
    double turns = std::min(3.0, 1 + 0.5 * alternations_);
    if (!abroad_) turns *= 0.6;
    if (key.networks.home_countries() >= 3) turns *= 0.5;
    if (in_datacentre_ && key.networks.all_datacentre()) turns *= 0.5;  // a move by halves
    add("in_turns_with_home", turns);
  } else if (home_requests_ == 0 && key.expected_requests(s.now) * age >= 6) {
    add("home_is_silent", -1.5);
  }
  if (abroad_ && home_before_ != 0) {
    const Second gap = opened_ - home_before_;
    if (gap < 2 * kHour) add("soon_after_home", 1.2);
    if (gap > 4 * kHour && alternations_ == 0 && !acts_ && !key.machine(s.now))
      add("time_to_travel", -0.8);
  }
}

// The whole key's traffic against what is normal, or the visitor's against the key's own records.
double VisitorCase::volume(const Sighting& s, KeyState& key) {
  const double busy = 0.6 * key.season.busy_mean();
  const double usual =
      std::max<double>(key.season.expected(s.now, 0.25F) * key.season.level(), busy);
  if (usual <= 0) return 0;
  const double spread = std::max<double>(key.season.spread(), 0.4);
  const double hour = key.windows.sums(k1Hour, s.now).tokens;
  const double quarter = key.windows.sums(k15Min, s.now).tokens;
  const double of_hour = -std::log(tail(std::log((hour + 1) / usual), spread)) - 1.4;
  const double of_quarter =
      -std::log(tail(std::log((quarter + 1) / (usual / 4)), spread + 0.4)) - 1.4;
  // Twice the usual may be significant and is still no surge.
  const double times = std::max(hour / usual, quarter / (usual / 4));
  const double effect = 0.7 + 3 * std::max(0.0, std::log(times / 2));
  double most = std::min(std::max(of_hour, of_quarter), effect);
  for (const std::size_t span : {k5Min, k15Min, k1Hour}) {
    const Sums mine = windows_.sums(span, s.now);
    for (const auto& [amount, record] : {std::pair{mine.tokens, key.records.tokens(span)},
                                         std::pair{mine.requests, key.records.requests(span)}}) {
      if (record <= 0 || amount <= record || key.records.days() < 2) continue;
      most = std::max(most, 1.0 + 2 * std::log(static_cast<double>(amount / record)));
    }
  }
  const double value = std::clamp(most, acts_ ? 0.0 : -0.7, 5.0);
  return value * std::min(1.0, 0.25 + 0.75 * requests_ / 12.0);
}

double VisitorCase::size_shift(const KeyState& key, bool& longer) const {
  const auto shift = [](const Size& usual, float sum, float n) {
    if (usual.count() < kKnowsItself || n < 3) return -1.0;
    const double off = std::abs(sum / n - usual.mean()) / usual.sd();
    return off - (0.35 + 1.2 / std::sqrt(n));
  };
  const double input = shift(key.profile.input, log_input_, inputs_);
  const double output = shift(key.profile.output, log_output_, outputs_);
  longer = output >= input && outputs_ > 0 && log_output_ / outputs_ > key.profile.output.mean();
  const double off = std::max(input, output);
  if (off > 0) return std::min(answered_ >= 8 ? 3.0 : 2.5, 1.5 * off);
  return answered_ >= 10 ? -0.5 : 0;
}

double VisitorCase::hopping() const {
  if (asn_count_ < 3 && country_count_ < 3) return 0;
  // A /16 says less than an ASN: who moves about in one country meets several.
  const double each = by_asn_ ? 1.3 : 0.6;
  const double more = country_count_ > 1 ? country_count_ - 1.0 : 0;
  // A pool of proxies changes with every request or two, a traveller with the day.
  const double rate = requests_ > 1 ? static_cast<double>(hops_) / (requests_ - 1) : 0;
  const double pace = rate >= 0.4 && asn_count_ >= 4 ? 1.4 : 0.3 + 0.7 * std::min(1.0, rate / 0.3);
  return std::min(6.0, pace * (each * (asn_count_ - 1.0) + more));
}

void VisitorCase::add_behaviour(Sum& sum, Verdict& verdict, const Sighting& s, KeyState& key) {
  const auto add = [&](std::string_view name, double value) {
    if (value == 0) return 0.0;
    verdict.add(name, value);
    sum.behaviour += value;
    if (value >= 0.9) ++sum.strong;
    return value;
  };
  sum.volume = add("volume", volume(s, key));
  sum.hopping = add("hopping", hopping());
  if (static_cast<float>(key.profile.requests) >= kKnowsItself && key.records.days() >= 2) {
    if (model_count_ > 0) {
      add("models", std::min(3.0, 1.6 + 0.5 * (model_count_ - 1.0)));
    } else if (answered_ >= 8) {
      add("models", -0.5);
    }
    if (strange_purposes_ > 0) {
      add("purpose", 2);
    } else if (answered_ > 0) {
      add("purpose", -0.3);
    }
    if (strange_endpoints_ > 0) add("endpoint", 1.6);
  }
  bool longer = false;
  const double shift = add("sizes", size_shift(key, longer));
  if (longer) sum.size = shift;

  const double active = key.season.active_probability(s.now);
  if (key.season.has_schedule() && active < 0.2 && key.age(s.now) > 3 * kDay) {
    double silent = std::min(3.0, -std::log(active) - 0.7);
    if (abroad_) silent *= in_datacentre_ ? 0.6 : 0.35;  // it may be day where they are
    sum.silent = add("silent_hour", std::max(0.0, silent));
  }
  if (refused_ >= 2 && refused_ * 20 > requests_) {
    const bool many = refused_ * 5 > requests_;
    sum.refusals =
        add("refusals", std::min(2.5, (0.5 + 0.35 * std::log(refused_)) * (many ? 2 : 1)));
    if (denied_ >= 2 && key.profile.denied == 0) add("denied", 1.2);
  }
}

bool VisitorCase::sane() const {
  return asn_count_ <= asns_.size() && country_count_ <= countries_.size() &&
         network_count_ <= networks_.size() && model_count_ <= models_.size() &&
         std::isfinite(novelty_ + organisation_ + mates_ + datacentre_ + log_input_ + log_output_);
}

}  // namespace sallyport::detect
