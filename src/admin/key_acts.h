// SPDX-License-Identifier: Apache-2.0
// Creating and revoking keys with their records: the admin API and the command line do it alike. A
// key whose creation cannot be recorded is revoked before anybody saw it; a revocation stands even
// when it cannot be recorded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"
#include "keys/key_ring.h"

namespace sallyport::admin {

struct Actor {
  std::string name;  // "local", "admin_token", "cli"
  std::string ip;    // empty for the UNIX socket and the command line
};

struct Revoked {
  std::vector<keys::KeyInfo> keys;
  bool durable = true;   // false: dead here, and the ring goes on trying to write it
  bool recorded = true;  // false: the journal did not take the record
};

// Blocks on the disk and the journal, a few seconds at most: never on a loop that serves requests.
class KeyActs {
 public:
  // All outlive the acts.
  KeyActs(keys::KeyRing& ring, Recorder& recorder, const Clock& clock)
      : ring_(ring), recorder_(recorder), clock_(clock) {}

  // kUnavailable with kJournalSilent when the record could not be written. `why` stands in it.
  Result<keys::CreatedKey> create(const keys::KeySpec& spec, const Actor& actor,
                                  std::string_view why = {});
  Result<Revoked> revoke(std::string_view kid_or_name, const Actor& actor, std::string_view why);

  static constexpr const char* kJournalSilent = "the journal cannot write";

 private:
  Event event(std::string endpoint, const Actor& actor, std::string action) const;
  bool record(Event event);

  keys::KeyRing& ring_;
  Recorder& recorder_;
  const Clock& clock_;
};

}  // namespace sallyport::admin
