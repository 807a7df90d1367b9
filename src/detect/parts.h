// SPDX-License-Identifier: Apache-2.0
// The inside of the watch: its tables and what is done with a record. Only watch.cc, finding.cc and
// state_file.cc look here.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "detect/bounded_table.h"
#include "detect/credential_stuffing.h"
#include "detect/decode.h"
#include "detect/incident.h"
#include "detect/key_state.h"
#include "detect/peers.h"
#include "detect/watch.h"

namespace sallyport::detect {

struct KeyEntry {
  std::string name;  // at most 256 bytes; administrators as "admin " and the name
  KeyState state;
};

struct OpenIntent {
  float tokens_input = 0;
  Second at = 0;
};

// Time of the log: never back. One wrong clock must neither stop the watch nor throw its time
// ahead.
struct LogTime {
  Second now = 0;
  Second ahead = 0;  // where a jump wants to go
  std::uint32_t agree = 0;
};

struct Watch::Parts {
  static constexpr std::size_t kIntentsMax = 32'768;
  static constexpr std::size_t kCredentialsMax = 65'536;
  static constexpr std::size_t kSeenSlots = 8'192;

  Parts(Config config, const Geography* geography);

  Config config;
  const Geography* geography;
  Decoder decoder;
  BoundedTable<KeyEntry> keys;
  Peers peers;
  CredentialStuffing stuffing;
  Incidents incidents;
  BoundedTable<OpenIntent> intents;              // by request id
  BoundedTable<Second> credentials;              // kids that worked -> last time
  std::array<std::uint64_t, kSeenSlots> seen{};  // hashes of lines, direct-mapped
  InjectionScores injections;
  LogTime time;
  WatchCounts counts;

  // What is being judged now.
  const Event* event = nullptr;
  std::vector<Event>* out = nullptr;

  bool tell_time(const Event& event, Second& now);
  bool is_duplicate(const Event& event);
  void observe(const Event& event);
  void request(const Sighting& sighting);
  void source(const Sighting& sighting);
  void key(const Sighting& sighting, KeyEntry& entry);
  void learn(const Sighting& sighting, KeyState& key, KnownNetworks::Standing standing);
  void close_day(KeyState& key);
  void admin(const Sighting& sighting);
  void action(const Sighting& sighting);
  void provider(const Sighting& sighting);
  KeyEntry& entry(std::string_view name, Second now);
  KeyEntry* find(std::string_view name);
  void forget(KeyState& key);

  // finding.cc
  void tell(const Maybe& verdict, const Sighting& sighting, KeyState* key, bool many = false);
  void tell_incident(const Incident& incident, const Sighting& sighting, const char* action);
  void end_incidents(Second now);
};

std::uint64_t key_hash(std::string_view name);

}  // namespace sallyport::detect
