// SPDX-License-Identifier: Apache-2.0
// Changing and ending layers with their records. Nothing is made or changed while the journal
// cannot write; an end stands even when it cannot be recorded.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/key_acts.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"
#include "keys/key_ring.h"

namespace sallyport::admin {

struct PutLayers {
  std::vector<keys::PutLayer> layers;
  bool recorded = true;  // false: the journal took no record, though it seemed to work
};

struct EndedLayer {
  keys::LayerInfo layer;
  bool durable = true;   // false: in force here, and the ring goes on trying to write it
  bool recorded = true;  // false: the journal did not take the record
};

// Blocks on the disk and the journal, a few seconds at most: never on a loop that serves requests.
class LayerActs {
 public:
  // All outlive the acts.
  LayerActs(keys::KeyRing& ring, Recorder& recorder, const Clock& clock)
      : ring_(ring), recorder_(recorder), clock_(clock) {}

  // All or nothing. `only_new`: a layer that is there is kDenied. kUnavailable with
  // KeyActs::kJournalSilent while the journal cannot write.
  Result<PutLayers> put(std::span<const keys::LayerSpec> specs, bool only_new, const Actor& actor);
  // The half that never waits, for a loop, as KeyActs::revoke_now().
  void revoke_now(std::string_view path, std::string_view why, const Actor& actor);
  void reissue_now(std::string_view path, UtcTime when, const Actor& actor);
  Result<EndedLayer> revoke(std::string_view path, std::string_view why, const Actor& actor);
  // `when` absent: now.
  Result<EndedLayer> reissue(std::string_view path, std::optional<UtcTime> when,
                             const Actor& actor);

 private:
  Result<EndedLayer> ended(const Result<keys::LayerInfo>& before, Result<keys::LayerInfo> after,
                           const char* act, std::string_view why, const Actor& actor);

  Result<keys::LayerInfo> before(std::string_view path) const;

  std::optional<Result<keys::LayerInfo>> was_;  // what the *_now found
  keys::KeyRing& ring_;
  Recorder& recorder_;
  const Clock& clock_;
};

}  // namespace sallyport::admin
