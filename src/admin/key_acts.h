// SPDX-License-Identifier: Apache-2.0
// What is done to keys, with the records of it: the admin API and the command line do it alike. A
// key whose creation cannot be recorded is revoked before anybody saw it, and one whose pause was
// ended is blocked again; a revocation or a pause stands even when it cannot be recorded.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "event/ports/recorder.h"
#include "keys/key_ring.h"

namespace sallyport::admin {

struct Actor {
  std::string name;  // "local", "admin_token", "cli"
  std::string ip;    // empty for the UNIX socket and the command line
};

struct Revoked {
  std::vector<keys::KeyInfo> keys;
  std::vector<std::string> unchanged = {};  // kids among them that were so before
  bool durable = true;   // false: dead here, and the ring goes on trying to write it
  bool recorded = true;  // false: the journal did not take the record
};

struct Updated {
  std::vector<keys::UpdatedKey> keys;
  bool recorded = true;
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
  // The half that never waits, for a loop: in force when it returns (KeyRing::revoke_now). What the
  // keys were is remembered for the record, which the act of the same name must make, on this
  // object or a copy of it.
  void revoke_now(std::string_view kid_or_name, const Actor& actor, std::string_view why);
  void revoke_mapping_now(std::string_view mapping, const Actor& actor, std::string_view why);
  void block_now(std::string_view kid_or_name, const Actor& actor, std::string_view why);

  Result<Revoked> revoke(std::string_view kid_or_name, const Actor& actor, std::string_view why);
  // All live keys of one identity mapping: one record of the act, and one of each key.
  Result<Revoked> revoke_mapping(std::string_view mapping, const Actor& actor,
                                 std::string_view why);
  Result<Revoked> block(std::string_view kid_or_name, const Actor& actor, std::string_view why);
  // kUnavailable with kJournalSilent: it is blocked as before.
  Result<Revoked> unblock(std::string_view kid_or_name, const Actor& actor, std::string_view why);
  Result<Updated> update(std::string_view kid_or_name, const keys::KeyChange& change,
                         const Actor& actor);

  static constexpr const char* kJournalSilent = "the journal cannot write";

 private:
  Event event(std::string endpoint, const Actor& actor, std::string action) const;
  bool record(Event event);
  std::string json(const keys::KeyInfo& key) const;
  // By kid: those keys, as they were before anything was done to them here.
  std::map<std::string, keys::KeyInfo> before(const std::vector<keys::KeyInfo>& keys) const;
  void remember(const std::vector<keys::KeyInfo>& keys);

  std::map<std::string, keys::KeyInfo> was_;  // by kid: what the *_now found
  keys::KeyRing& ring_;
  Recorder& recorder_;
  const Clock& clock_;
};

}  // namespace sallyport::admin
