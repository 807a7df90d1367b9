// SPDX-License-Identifier: Apache-2.0
// Replacing keys and revoking derived tokens with their records. A successor whose rotation cannot
// be recorded is revoked before anybody saw it; a revocation stands even when it cannot be
// recorded. Block on the disk and the journal: never on a loop that serves requests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/key_acts.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"
#include "keys/key_ring.h"

namespace sallyport::admin {

struct RevokedToken {
  std::string kid, tid;
  std::vector<std::string> kids;  // by name: each key it is dead on; `kid` is the first
  bool durable = true;            // false: dead here, and the ring goes on trying to write it
  bool recorded = true;           // false: the journal did not take the record
};

class RotationActs {
 public:
  // All outlive the acts.
  RotationActs(keys::KeyRing& ring, Recorder& recorder, const Clock& clock)
      : ring_(ring), recorder_(recorder), clock_(clock) {}

  // kUnavailable with KeyActs::kJournalSilent when the record could not be written: the old key
  // works as before. With kOldIsDead, where the overlap was zero: it is dead, recorded or not.
  static constexpr const char* kOldIsDead =
      "the journal cannot write; the old key is dead all the same, and there is no new one";
  Result<keys::RotatedKey> rotate(std::string_view kid_or_name, const keys::RotateOptions& options,
                                  const Actor& actor, std::string_view why);
  // The old key's end, in force here first; what the store does not take is told in `rotated`.
  void end_old(keys::RotatedKey& rotated, UtcTime ends_at);
  // The new secret did not arrive: its key is revoked, and the record says why.
  void withdraw(const keys::RotatedKey& rotated, const Actor& actor, std::string_view why);
  Result<RevokedToken> revoke_token(std::string_view kid_or_name, std::string_view tid,
                                    const Actor& actor, std::string_view why);

 private:
  keys::KeyRing& ring_;
  Recorder& recorder_;
  const Clock& clock_;
};

}  // namespace sallyport::admin
