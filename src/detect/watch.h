// SPDX-License-Identifier: Apache-2.0
// The watch: records of the log in, findings and incidents out. Takes time only from the records,
// does no I/O, keeps bounded state, and is deterministic: a replayed log gives what live traffic
// gave (invariant 6). Two views of every key run side by side - the visitor case (visitor_case.h)
// and the home view (token_spike.h and its kin) - and a third of sources without a key
// (credential_stuffing.h). docs/detectors.md has the statistics and what they reach. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "detect/config.h"
#include "event/event.h"
#include "event/ports/geography.h"

namespace sallyport::detect {

struct WatchCounts {
  std::uint64_t observed = 0;
  std::uint64_t late = 0;    // older than ten minutes before the newest: not judged
  std::uint64_t jumped = 0;  // far ahead of the newest, and nobody agreed
  std::uint64_t duplicates = 0;
  std::uint64_t keys_forgotten = 0;  // at the limit of the table
  std::uint64_t keys = 0, sources = 0, incidents_open = 0;
};

class Watch {
 public:
  // `geography` fills in country and network where a record has none; may be null, else outlives.
  explicit Watch(Config config, const Geography* geography = nullptr);
  ~Watch();
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;

  // Appends records of kind finding and incident: time of the record that completed them; key,
  // address, country and ASN of the suspect; `detail` has every term with its number. Records of
  // those two kinds are not judged. Amortised under 2 us.
  void observe(const Event& event, std::vector<Event>& out);

  WatchCounts counts() const;

  // All that was learnt, so that it survives a restart; only for a program of the same version of
  // the state. load() refuses damage (kCorrupt) and other versions (kInvalid), and leaves an
  // untouched watch behind then.
  void save(std::string& out) const;
  Result<void> load(std::string_view state);

  // What is normal for a key, for a person to read; kNotFound.
  Result<std::string> explain(std::string_view api_key_id) const;

  // A person said "this was us": the key's visitors are at home now, its incident is over.
  Result<void> adopt(std::string_view api_key_id);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sallyport::detect
